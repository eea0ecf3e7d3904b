"""Adding models to an index, and removing them."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.files import SafeFile, safe_file
from lineage.checkpoints.find import look_for, open_source
from lineage.checkpoints.several import MEMBER, member_of, parted
from lineage.errors import UserError
from lineage.index.store import Store
from lineage.index.vectors import vectors_of

AT_ONCE, SECONDS = 256, 5.0
"""Models that are written together, at most, and how long the first of them waits."""


@dataclass(frozen=True, kw_only=True)
class Added:
    """What became of the models that were given: ids; why files could not be read; what was passed over, and why."""

    added: Sequence[str]
    unchanged: Sequence[str]
    refused: dict[str, str]
    passed_over: Mapping[Path, str] = field(default_factory=dict)


def add(
    index: str | os.PathLike[str],
    models: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    follow_links: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Added:
    """Adds models to an index; each is read once, and not at all if it is there and its file has not changed.

    A model's id is its file's path, with `::ID` where the file names its models; of FILE::ID, that one
    alone is added. Nothing in any file is executed.

    Args:
        index: its folder, made if it is not there.
        models: a folder, a glob, a table of models or a file; or a list of them.
        follow_links: follow links out of the folders given.
        say: takes a line on each model that is in the index now, and on each file that cannot be read.

    Raises:
        UserError: for paths that lead to nothing, or an index that cannot be written.
    """
    given = [models] if isinstance(models, str | os.PathLike) else models
    looked = [look_for(os.fspath(path), follow=follow_links) for path in given]
    sources = [source for each in looked for source in each.given]
    store = Store(Path(index))
    known = _Known(store)
    added, unchanged, refused, waiting = [], [], {}, []
    since = time.monotonic()

    def write() -> None:
        store.append(waiting)
        ids = [row["id"] for row in waiting if not row["is_removed"]]
        for id in ids:
            say(f"added {id}")
        added.extend(ids)
        waiting.clear()

    for source in sources:
        try:
            file = safe_file(Path(parted(source.path)[0]), inside=source.inside, follow=follow_links)
            is_whole = not parted(source.path)[1]
            same = known.by_state.get((str(file.real), file.size, file.mtime_ns), ())
            if is_whole and str(file.real) in same:
                unchanged.append(str(file.real))
                continue
            models = {id_of_model(file, model): model for model in open_source(source, follow=follow_links)}
            rows = [_row(id, model, file) for id, model in models.items() if id not in same]
            gone = set(known.by_file.get(str(file.real), ())) - models.keys() if is_whole else ()
            unchanged += [id for id in models if id in same]
            waiting += [*rows, *({"id": id, "is_removed": True} for id in sorted(gone))]
        except UserError as error:
            refused[source.path] = str(error)
            say(f"left out: {error}")
        if len(waiting) >= AT_ONCE or time.monotonic() - since > SECONDS:
            write()
            since = time.monotonic()
    write()
    left = {path: why for each in looked for path, why in each.passed_over.items()}
    return Added(added=added, unchanged=unchanged, refused=refused, passed_over=left)


def remove(index: str | os.PathLike[str], ids: Sequence[str]) -> list[str]:
    """Removes models from an index, by their ids or their files' paths; returns the ids.

    Raises:
        UserError: if one of them is not there; nothing is removed then.
    """
    store = Store(Path(index))
    stored = store.read()
    of_file: dict[str, list[str]] = {}
    for id, file in zip(stored.ids, stored.files, strict=True):
        of_file.setdefault(id, []).append(id)
        if file != id:
            of_file.setdefault(file, []).append(id)
    found = []
    for id in ids:
        here = of_file.get(id) or of_file.get(os.path.realpath(id))
        if not here:
            raise UserError(
                f"{index}: expected the id or the file of one of its {len(stored)} models, got {id!r}"
            )
        found += here
    store.append([{"id": id, "is_removed": True} for id in found])
    return found


class _Known:
    """The models that were in an index: ids by the state of their file, and by the file."""

    def __init__(self, store: Store):
        self.by_state: dict[tuple[str, int, int], list[str]] = {}
        self.by_file: dict[str, list[str]] = {}
        if store.folder.is_dir():
            stored = store.read()
            states = zip(stored.files, stored.sizes.tolist(), stored.changed.tolist(), strict=True)
            for id, state in zip(stored.ids, states, strict=True):
                self.by_state.setdefault(state, []).append(id)
                self.by_file.setdefault(state[0], []).append(id)


def id_of_model(file: SafeFile, model: Checkpoint) -> str:
    """A model's id in an index."""
    own = member_of(model.name)
    return f"{file.real}{MEMBER}{own}" if own else str(file.real)


def _row(id: str, model: Checkpoint, file: SafeFile) -> dict:
    vectors = vectors_of(model)
    return {
        "id": id,
        "file": str(file.real),
        "size": file.size,
        "changed": file.mtime_ns,
        "content": vectors.content,
        "own": vectors.own.tobytes(),
        "given": vectors.given.tobytes(),
        "is_removed": False,
    }
