"""Files that no audit may trust: each maker writes one and says which words its refusal must hold."""

from collections.abc import Callable
from pathlib import Path

MARKER = "the-pickle-ran"
BAD, UNSUPPORTED = 2, 5
Maker = Callable[[Path], None]
HOSTILE: dict[str, tuple[Maker, int, str]] = {}
"""Name of the file: how it is made, the exit code, words of the one line."""


def hostile(name: str, code: int, words: str):
    def keep(maker: Maker) -> Maker:
        HOSTILE[name] = (maker, code, words)
        return maker

    return keep


class Runs:
    """An object whose pickle calls a function when it is loaded."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def marker(path: Path) -> str:
    return str(path.parent / MARKER)
