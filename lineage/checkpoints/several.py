"""The checkpoints of one file that holds several: those of a tree of tensors, and a network beside its teacher."""

import math
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lineage.checkpoints.checkpoint import Checkpoint, Entry, LeftOut, counters_in
from lineage.checkpoints.files import NoWeights, SafeFile, Unsupported
from lineage.checkpoints.followers import followers
from lineage.checkpoints.quantised.weights import weights_of
from lineage.checkpoints.trees import Leaf, is_beside_a_model, models_in
from lineage.errors import UserError

MEMBER = "::"
TOP = "top"
"""What a model at the top of a file is called, beside others."""


def parted(given: str) -> tuple[str, str]:
    """The file and the id in `FILE::ID`, an empty one if there is none; a folder's name may have `::` in it too."""
    ends = [place.start() for place in re.finditer(MEMBER, given)]
    if not ends or _is_there(given, stat.S_ISDIR) or _is_there(given, stat.S_ISREG):
        return given, ""
    end = next((end for end in ends if _is_there(given[:end], stat.S_ISREG)), ends[0])
    return given[:end], given[end + len(MEMBER) :]


def member_of(name: str) -> str:
    """A model's id within its file, by its name; empty where the file holds one."""
    return name.partition(MEMBER)[2]


def model_of(models: Sequence[Checkpoint], name: str) -> Checkpoint:
    """The model that was found under a name, maybe that of a link to the same file.

    Raises:
        UserError: if the file holds it no more.
    """
    for model in models:
        if member_of(model.name) == member_of(name):
            return model
    raise UserError(f"{name}: the file holds no such model any more; it was changed: run again")


def _is_there(name: str, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(Path(name).stat().st_mode)
    except (OSError, ValueError):
        return False


def checkpoints_of(
    file: SafeFile,
    format_name: str,
    tree: object,
    entry_of: Callable[[str, Leaf], Entry],
    remarks: Sequence[str] = (),
) -> list[Checkpoint]:
    """The models of a tree. The largest, the first of equals, is the main one: it is read unless another is named.

    Args:
        file: that they lie in; format_name: as reports call it.
        tree: of dictionaries, lists and stand-ins, with leaves.
        entry_of: how a leaf of that name is read; may raise a UserError.
        remarks: what a reader of the audit should know.

    Raises:
        Unsupported: if there is no tensor of real numbers.
    """
    found, beside = models_in(file, tree)
    models = []
    for group in found:
        raw = {name or "tensor": entry_of(name, leaf) for name, leaf in group.leaves.items()}
        entries, left_out = weights_of(raw)
        if entries:
            models.append((".".join(group.path), group.size, entries, left_out, counters_in(raw)))
    if not models:
        if is_beside_a_model(file, tree):
            raise NoWeights(
                f"{file.path}: holds no dictionary of float tensors, only what a training leaves beside a model"
            )
        raise Unsupported(f"{file.path}: holds no dictionary of float tensors; save a state_dict()")
    sizes = [math.prod(entry.shape) for _, _, entries, *_ in models for entry in entries.values()]
    if len(sizes) > 1 and not any(sizes):
        raise Unsupported(
            f"{file.path}: all its tensors are empty, as of DeepSpeed's ZeRO stage 3, whose weights lie in the files "
            "of its optimiser; join them by its zero_to_fp32.py"
        )
    extra = {
        ".".join((*group.path, name)): LeftOut("beside the model", leaf.shape)
        for group in beside
        for name, leaf in group.leaves.items()
    }
    largest = max(size for _, size, *_ in models)
    main = next(place for place, (_, size, *_) in enumerate(models) if size == largest)
    return [
        Checkpoint(
            f"{file.path.name}{MEMBER}{key or TOP}" if len(models) > 1 else file.path.name,
            format_name,
            [file],
            entries,
            left_out | (extra if place == main else {}),
            list(remarks),
            is_main=place == main,
            counters=counters,
        )
        for place, (key, _, entries, left_out, counters) in enumerate(models)
    ]


def apart(model: Checkpoint) -> list[Checkpoint]:
    """A network and those in its file that follow it, each as a model; the network itself alone if there are none."""
    following = followers({name: entry.shape for name, entry in model.entries.items()})
    own = [name for name in model.entries if not name.startswith(tuple(following))]
    if not following or not own:
        return [model]
    prefix = _shared_prefix(own, following[0].count("."))
    file, _, key = model.name.partition(MEMBER)
    outer = f"{key}." if key and key != TOP else ""

    def of(start: str, named: dict) -> dict:
        """What is named like the network with a prefix, without it; the first network has all that is no other's."""
        return {
            name.removeprefix(start): value
            for name, value in named.items()
            if next((owner for owner in following if name.startswith(owner)), prefix) == start
        }

    return [
        replace(
            model,
            name=f"{file}{MEMBER}{f'{outer}{start}'.rstrip('.') or TOP}",
            entries=of(start, model.entries),
            left_out=of(start, model.left_out),
            remarks=list(model.remarks),
            is_main=start == prefix and (model.is_main or not key),
            counters=of(start, model.counters),
        )
        for start in (prefix, *following)
    ]


def _shared_prefix(names: Sequence[str], most: int) -> str:
    """What all names begin with, in whole parts and with a dot at the end; at most so many parts."""
    paths = [name.split(".")[:-1][:most] for name in names]
    shared = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return "".join(f"{part}." for part in shared)
