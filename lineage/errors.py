"""The one kind of error that a user can correct, and how foreign text is quoted."""


class UserError(Exception):
    """A mistake in what the user gave: shown as one line, never as a traceback.

    The message names the file, column, key or layer, what was expected, what came, and what to do.
    """

    exit_code = 2

    def __str__(self) -> str:
        """The message in one line that any terminal and any file can take, whatever names it quotes."""
        return printable(super().__str__())


def printable(text: str) -> str:
    """A text with its control characters written out, as a file's name or a tensor's may have them.

    They would move a terminal's cursor or colour it, and bytes of a name that are not UTF-8 cannot be printed at all.
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text
    )


def one_line(error: BaseException) -> str:
    """An exception's first line, cut to what a person reads."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
