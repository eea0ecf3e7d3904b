"""The one kind of error that a user can correct, and how others are quoted in it."""


class UserError(Exception):
    """A mistake in what the user gave: shown as one line, never as a traceback.

    The message names the file, column, key or layer, what was expected, what came, and what to do.
    """

    exit_code = 2


def one_line(error: BaseException) -> str:
    """An exception's first line, cut to what a person reads."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
