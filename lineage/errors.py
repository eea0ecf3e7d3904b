"""The one kind of error that a user can mend."""


class UserError(Exception):
    """A mistake in what the user gave: shown as one line, never as a traceback.

    The message names the file, column, key or layer, what was expected, what came, and what to do.
    """

    exit_code = 2
