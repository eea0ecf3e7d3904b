"""Digests on disk, found by their files' place, size and time."""

import contextlib
import hashlib
import json
import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lineage.index.digest import Digest
from lineage.relation.untestable import Reason, Untestable
from lineage.storage.atomic import BeingWritten, written_whole

VERSION = 2
"""Of the layout; digests of another version are not found."""


class DigestCache:
    """Digests on disk, found by their files' place, size and time; without a folder, none are stored.

    The digests of the file read last stay in memory: the models of one file are looked up one after another.
    """

    def __init__(self, folder: Path | None):
        self.folder = folder
        self.hits = 0
        self._last: tuple[Path, list[Digest]] | None = None

    def get(self, state: list) -> list[Digest] | None:
        """The digests of the models of a file that has not changed since; None if there are none."""
        if self.folder is None or not (index := self._path(state, "json")).is_file():
            return None
        with contextlib.suppress(OSError, ValueError, KeyError, SafetensorError):
            count, dependents = json.loads(index.read_text())
            if all(_state(path) == state_then for path, state_then in dependents.items()):
                self.hits += 1
                if self._last and self._last[0] == index:
                    return self._last[1]
                found = [_loaded(self._path(state, f"{number}.safetensors")) for number in range(count)]
                self._last = index, found
                return found
        return None

    def put(self, state: list, digests: list[Digest], dependents: dict[str, list]) -> None:
        """Stores the digests of a file's models, unless another process is storing the same ones just now.

        `dependents` are the states of all files that they were read from.
        """
        if self.folder is None:
            return
        with contextlib.suppress(BeingWritten):
            for number, digest in enumerate(digests):
                with written_whole(self._path(state, f"{number}.safetensors")) as part:
                    _save(digest, part)
            with written_whole(self._path(state, "json")) as part:
                part.write_text(json.dumps([len(digests), dependents]))

    def _path(self, state: list, suffix: str) -> Path:
        key = hashlib.sha256(json.dumps([VERSION, state]).encode()).hexdigest()[:32]
        return self.folder / f"{key}.{suffix}"


def default_cache() -> Path:
    """Where digests are stored: `neural-lineage/digests` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "neural-lineage" / "digests"


def _state(path: str) -> list | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return [path, status.st_size, status.st_mtime_ns, status.st_ino]


def _save(digest: Digest, path: Path) -> None:
    fields = {key: value for key, value in vars(digest).items() if key != "sketches"}
    fields["untestable"] = {name: [why.reason.name, why.number] for name, why in digest.untestable.items()}
    tensors = digest.sketches or {"": np.zeros(0, np.float16)}
    save_file(tensors, path, metadata={"digest": json.dumps(fields)})


def _loaded(path: Path) -> Digest:
    with safe_open(path, framework="numpy") as opened:
        fields = json.loads(opened.metadata()["digest"])
        fields["shapes"] = {name: tuple(shape) for name, shape in fields["shapes"].items()}
        fields["untestable"] = {
            name: Untestable(Reason[reason], number)
            for name, (reason, number) in fields["untestable"].items()
        }
        sketches = {name: opened.get_tensor(name) for name in opened.keys() if name}  # noqa: SIM118
    return Digest(sketches=sketches, **fields)
