"""HDF5 files of weights as this project writes them: `/models/<id>/<tensor>`. Links and filters are refused."""

from collections.abc import Iterator

import h5py
import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint, Entry, check_elements
from lineage.checkpoints.files import LIMITS, SafeFile, Unsupported
from lineage.errors import UserError, one_line

KNOWN_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}


def read_hdf5(file: SafeFile) -> list[Checkpoint]:
    """Every model of a file, named `<file>::<id>`.

    Raises:
        UserError: for a broken file, one that points into others, or one that says more than it holds.
        Unsupported: for HDF5 of another layout.
    """
    try:
        with h5py.File(file.real, "r") as opened:
            if opened.attrs.get("kind") != "weights" or "models" not in opened:
                raise Unsupported(f"{file.path}: HDF5, but not of weights that `lineage` wrote")
            ids = list(_hard_links(file, opened["models"]))
            return [_model(file, opened, model) for model in ids]
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise UserError(f"{file.path}: broken HDF5 file: {one_line(error)}") from None


def _model(file: SafeFile, opened: h5py.File, model: str) -> Checkpoint:
    entries, left_out = {}, {}
    for name, dataset in _datasets(file, opened["models"][model], ""):
        place = dataset.name
        if dataset.dtype.kind != "f":
            left_out[name] = f"{dataset.dtype}: no weights"
            continue
        check_elements(file.path, name, dataset.shape)
        stored, said = dataset.id.get_storage_size(), dataset.size * dataset.dtype.itemsize
        if dataset.external or dataset.is_virtual:
            raise UserError(f"{file.path}: tensor {name!r} lies in another file; copy it into this one")
        if foreign := _filters(dataset) - KNOWN_FILTERS:
            raise Unsupported(
                f"{file.path}: tensor {name!r} is packed with HDF5 filter {min(foreign)}; use gzip"
            )
        if said > LIMITS.ratio * max(stored, 1):
            raise UserError(
                f"{file.path}: tensor {name!r} of shape {dataset.shape} takes {said:,} bytes, "
                f"but {stored:,} are stored"
            )
        entries[name] = Entry(dataset.shape, str(dataset.dtype), lambda place=place: _values(file, place))
    return Checkpoint(f"{file.path.name}::{model}", "hdf5", [file], entries, left_out)


def _hard_links(file: SafeFile, group: h5py.Group) -> Iterator[str]:
    if len(group) > LIMITS.tensors:
        raise UserError(
            f"{file.path}: {group.name} holds {len(group):,} items; the limit is {LIMITS.tensors:,}"
        )
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise UserError(
                f"{file.path}: {group.name}/{name} is a link; copy what it points to into the file"
            )
        yield name


def _datasets(
    file: SafeFile, group: h5py.Group, prefix: str, depth: int = 0
) -> Iterator[tuple[str, h5py.Dataset]]:
    if depth > LIMITS.nesting:
        raise UserError(f"{file.path}: groups nest deeper than {LIMITS.nesting}")
    for name in _hard_links(file, group):
        item = group[name]
        if isinstance(item, h5py.Dataset):
            yield f"{prefix}{name}", item
        elif isinstance(item, h5py.Group):
            yield from _datasets(file, item, f"{prefix}{name}.", depth + 1)


def _values(file: SafeFile, place: str) -> np.ndarray:
    with h5py.File(file.real, "r") as opened:
        return opened[place][()]


def _filters(dataset: h5py.Dataset) -> set[int]:
    """The numbers of a dataset's filters, as the HDF5 registry gives them."""
    properties = dataset.id.get_create_plist()
    return {properties.get_filter(number)[0] for number in range(properties.get_nfilters())}
