"""Errors a user can fix: one line, no traceback."""

from collections.abc import Callable


class StudyError(Exception):
    """An error in the input; the message is one line that names file, key, value and allowed values."""


def run(main: Callable[[], None]) -> None:
    """Run a script's `main`; an error that a user can fix ends it with one line on stderr and exit code 1.

    Such errors are `StudyError` and a lack of memory, space or file handles.
    """
    try:
        main()
    except (StudyError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "can't allocate memory" not in str(error):  # torch's way to say it
            raise
        raise SystemExit(
            "error: not enough memory; allow the step more, or run fewer steps at once (--cores)"
        ) from error
