"""One kind of error for mistakes that the person at the keyboard can put right."""

import sys
from collections.abc import Callable


class StudyError(Exception):
    """A mistake in the input: the message is one line that names file, key, value and what is allowed."""


def run(main: Callable[[], None]) -> None:
    """Run a script's `main`; a `StudyError` becomes one line on stderr and exit code 1, without a traceback."""
    try:
        main()
    except StudyError as error:
        sys.exit(f"error: {error}")
