"""HDF5 files of weights: this project's, `/models/<id>/<tensor>`, and Keras'. Links and filters are refused."""

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import h5py
import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint, Entry, LeftOut, check_elements
from lineage.checkpoints.files import LIMITS, SafeFile, Unsupported
from lineage.checkpoints.formats.hdf5.keras import holds_halves, is_keras, scales_in, tensors_of_keras
from lineage.errors import UserError, one_line

KNOWN_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}

Opening = Callable[[], AbstractContextManager[h5py.File]]
"""Opens the file anew: tensors are read long after it was looked at."""


def read_hdf5(file: SafeFile, opening: Opening | None = None, wanted: str = "") -> list[Checkpoint]:
    """Every model of a file; of several, each is named `<file>::<id>`.

    Args:
        file: on disk; opening: where the HDF5 is only a part of it; wanted: the id of one of this project's
            models, or of one in it; without it all are read, as Keras' one is.

    Raises:
        UserError: for a broken file, one that points into others, or one that says more than it holds.
        Unsupported: for HDF5 of another layout.
    """
    opening = opening or (lambda: h5py.File(file.real, "r"))
    try:
        with opening() as opened:
            walk = _Walk(file, opening)
            if is_keras(opened):
                return [walk.model(file.path.name, "keras", tensors_of_keras(opened, walk.datasets))]
            if opened.attrs.get("kind") != "weights" or "models" not in opened:
                raise Unsupported(f"{file.path}: HDF5, but not of weights that `lineage` or Keras wrote")
            models = opened["models"]
            return [
                walk.model(f"{file.path.name}::{name}", "hdf5", walk.datasets(models[name], ""))
                for name in walk.hard_links(models)
                if not wanted or f"{wanted}.".startswith(f"{name}.")
            ]
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{file.path}: broken HDF5 file: {one_line(error)}") from None


class _Walk:
    """A walk through the groups of one file, each of which has one name."""

    def __init__(self, file: SafeFile, opening: Opening):
        self.file, self.opening = file, opening
        self.seen: set[int] = set()

    def model(self, name: str, format_name: str, tensors: Iterator[tuple[str, h5py.Dataset]]) -> Checkpoint:
        """The floats among datasets; what they say of their size is compared with what is stored."""
        entries, left_out, found = {}, {}, dict(tensors)
        scales = scales_in(found)
        divisors = {scale for scale, _ in scales.values()}
        for key, dataset in found.items():
            if key in divisors:
                continue
            place, load = dataset.name, None
            if dataset.dtype.kind == "f":
                load = functools.partial(self._values, place)
            elif key in scales:
                self._check(key, dataset)
                scale, axis = scales[key]
                if not holds_halves(dataset[()]):
                    load = functools.partial(self._divided, place, found[scale].name, axis)
            if load:
                self._check(key, dataset)
                entries[key] = Entry(dataset.shape, str(dataset.dtype), load)
            else:
                left_out[key] = LeftOut.of(_reason_against(dataset), dataset.shape or (), str(dataset.dtype))
        return Checkpoint(name, format_name, [self.file], entries, left_out)

    def hard_links(self, group: h5py.Group) -> Iterator[str]:
        """The names in a group, all of which have to be in the file itself."""
        if len(group) > LIMITS.tensors:
            raise UserError(
                f"{self.file.path}: {group.name} holds {len(group):,} items; the limit is {LIMITS.tensors:,}"
            )
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise UserError(
                    f"{self.file.path}: {group.name}/{name} is a link; copy what it points to into the file"
                )
            yield name

    def datasets(self, group: h5py.Group, prefix: str, depth: int = 0) -> Iterator[tuple[str, h5py.Dataset]]:
        """The tensors of a group and of those in it, by their names with dots."""
        if depth > LIMITS.nesting:
            raise UserError(f"{self.file.path}: groups nest deeper than {LIMITS.nesting}")
        place = h5py.h5o.get_info(group.id).addr
        if place in self.seen:
            raise UserError(f"{self.file.path}: {group.name} is a group that has two names")
        self.seen.add(place)
        for name in self.hard_links(group):
            item = group[name]
            if isinstance(item, h5py.Dataset):
                yield f"{prefix}{name}", item
            elif isinstance(item, h5py.Group):
                yield from self.datasets(item, f"{prefix}{name}.", depth + 1)

    def _check(self, name: str, dataset: h5py.Dataset) -> None:
        where = f"{self.file.path}: tensor {name!r}"
        check_elements(self.file.path, name, dataset.shape)
        stored, said = dataset.id.get_storage_size(), dataset.size * dataset.dtype.itemsize
        if dataset.external or dataset.is_virtual:
            raise UserError(f"{where} lies in another file; copy it into this one")
        if foreign := _filters(dataset) - KNOWN_FILTERS:
            raise Unsupported(f"{where} is packed with HDF5 filter {min(foreign)}; use gzip")
        if said > LIMITS.ratio * max(stored, 1):
            raise UserError(
                f"{where} of shape {dataset.shape} takes {said:,} bytes, but {stored:,} are stored"
            )

    def _values(self, place: str) -> np.ndarray:
        with self.opening() as opened:
            return opened[place][()]

    def _divided(self, place: str, scale: str, axis: int) -> np.ndarray:
        """Integers over the scale of their outputs."""
        values, divisor = self._values(place).astype(np.float32), self._values(scale).astype(np.float32)
        return values / (divisor if axis else divisor[:, None])


def _reason_against(dataset: h5py.Dataset) -> str:
    is_wide = dataset.dtype.kind in "iu" and dataset.ndim > 1
    return "quantised weights, without a scale that is known" if is_wide else "no weights"


def _filters(dataset: h5py.Dataset) -> set[int]:
    """The numbers of a dataset's filters, as the HDF5 registry gives them."""
    properties = dataset.id.get_create_plist()
    return {properties.get_filter(number)[0] for number in range(properties.get_nfilters())}
