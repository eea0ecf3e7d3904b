"""Small packages written to a folder, the modules that a script of theirs reaches, and the digest of their code."""

import importlib
from pathlib import Path

from lineage.jobs import code_digest
from lineage.jobs.code_digest import code_of, reached_modules


def forget() -> None:
    """Lets this process read its files again, as the next one would."""
    importlib.invalidate_caches()
    for read_once in (code_digest._graph_of, code_digest._path_of, code_digest._code_in):
        read_once.cache_clear()


def write(folder: Path, **files: str) -> Path:
    """Writes `a__b="text"` as a/b.py and returns the folder; `init` stands for __init__."""
    for name, text in files.items():
        path = folder.joinpath(*[{"init": "__init__"}.get(part, part) for part in name.split("__")])
        path = path.with_name(path.name + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    forget()
    return folder


def small_package(folder: Path) -> Path:
    """A package `pkg` whose `b` imports `c`, and whose `sub.deep` imports `a`; nothing imports `unused`."""
    return write(
        folder,
        pkg__init="",
        pkg__a="VALUE = 1\n",
        pkg__b="from pkg.c import thing\n",
        pkg__c="def thing():\n    return 1\n",
        pkg__unused="VALUE = 1\n",
        pkg__sub__init="",
        pkg__sub__deep="from ..a import VALUE\nfrom . import near\n",
        pkg__sub__near="from .deep import VALUE\n",
    )


def reach(folder: Path, script: str) -> list[str]:
    """Modules of the package `pkg` reached by a script of that text, `pkg` itself left out."""
    write(folder, stage=script)
    found = reached_modules(folder / "stage.py", "pkg")
    return [name.removeprefix("pkg.") for name in found if name != "pkg"]


def digest(folder: Path) -> str:
    return code_of(folder / "stage.py", "pkg")
