"""One kind of error for mistakes that the person at the keyboard can put right."""

import sys
from collections.abc import Callable


class StudyError(Exception):
    """A mistake in the input: the message is one line that names file, key, value and what is allowed."""


def run(main: Callable[[], None]) -> None:
    """Run a script's `main`; what a person can put right becomes one line on stderr and exit code 1, no traceback.

    That is a `StudyError`, and what the machine refuses: memory, space, file handles.
    """
    try:
        main()
    except (StudyError, OSError) as error:
        sys.exit(f"error: {error}")
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "can't allocate memory" not in str(error):  # torch's way to say it
            raise
        sys.exit("error: not enough memory; allow the step more, or run fewer steps at once (--cores)")
