"""The probe, weights and features in HDF5. n samples, d features."""

import contextlib
import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from lineage.errors import UserError
from lineage.storage.atomic import written_whole

FORMAT = 1
"""The version of these layouts."""


def _opened(path: str | Path, kind: str) -> h5py.File:
    """An HDF5 file of ours, opened to read after a look at what it is."""
    remedy = "remove it and run again"
    try:
        file = h5py.File(path, "r", locking=False)  # of finished files; NFS and Lustre may have no locks
    except FileNotFoundError:
        raise UserError(
            f"{path}: expected a file of {kind}, but there is none; run the workflow first"
        ) from None
    except OSError as error:
        reason = str(error).replace("\n", " ")
        raise UserError(
            f"{path}: expected a file of {kind}, but it cannot be read ({reason}); {remedy}"
        ) from None
    found = file.attrs.get("kind")
    if found != kind:
        raise UserError(f"{path}: expected a file of {kind}, but its `kind` is {found!r}; {remedy}")
    if file.attrs["format"] != FORMAT:
        raise UserError(f"{path}: expected format {FORMAT}, but got {file.attrs['format']}; {remedy}")
    return file


class _Unfailing(io.FileIO):
    """A file that keeps its first error instead of raising it: HDF5 can crash when a write fails (a full disk)."""

    error: OSError | None = None

    def write(self, data) -> int:
        """Writes all of the data, or notes why not."""
        left = memoryview(data).cast("B")
        try:
            while left:
                left = left[super().write(left) :]
        except OSError as error:
            self.error = self.error or error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        """Sets the size, or notes why not."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size

    def check(self) -> None:
        """Raises the error that was kept."""
        if self.error:
            raise self.error


@contextlib.contextmanager
def _created(path: str | Path, kind: str, attributes: dict) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """A new HDF5 file of ours, and a function that raises if a write has failed by now."""
    with written_whole(path) as part, _Unfailing(part, "w+") as raw:
        with h5py.File(raw, "w") as file:
            file.attrs.update({"kind": kind, "format": FORMAT, "torch": str(torch.__version__), **attributes})
            yield file, raw.check
        raw.check()


def write_probe(path: str | Path, sample_ids: list[str], inputs: Tensor, **attributes) -> None:
    """Writes the probe: `/samples` and `/inputs`, float32 [n, ...].

    Args:
        path: the HDF5 file.
        sample_ids: of the n samples.
        inputs: of the networks.
        attributes: of the whole file.
    """
    with _created(path, "a probe", attributes) as (file, _):
        file["samples"] = sample_ids
        file["inputs"] = inputs.cpu().numpy()


def read_probe(path: str | Path) -> tuple[list[str], Tensor]:
    """The probe's sample ids [n] and inputs [n, ...], on the CPU, in torch's own memory.

    Raises:
        UserError: if the file is missing or not a probe.
    """
    with _opened(path, "a probe") as file:
        return file["samples"].asstr()[()].tolist(), torch.tensor(file["inputs"][()])


def write_weights(path: str | Path, models: Iterable[tuple[dict, dict[str, Tensor]]], **attributes) -> None:
    """Writes models one by one as they come: `/models/<id>/<tensor's name>`.

    Args:
        path: the HDF5 file.
        models: (attributes with `id`, state dict) of each; the attributes' values are str or numbers.
        attributes: of the whole file (code digest, device, ...).
    """
    with _created(path, "weights", attributes) as (file, check):
        for described, state in models:
            group = file.create_group(f"models/{described['id']}")
            group.attrs.update({key: value for key, value in described.items() if value is not None})
            for name, tensor in state.items():
                group[name] = tensor.detach().cpu().numpy()
            check()


class _Files:
    """Files of one kind, opened when asked for and then kept open."""

    kind: str

    def __init__(self, paths: Iterable[str | Path]):
        self._files: dict[str | Path, h5py.File] = {}
        self._path_of: dict[str, str | Path] = {}
        for path in paths:
            with _opened(path, self.kind) as file:
                self._path_of |= dict.fromkeys(self._held(file), path)

    def _held(self, file: h5py.File) -> Iterable[str]:
        """Ids of the models that a file holds."""
        raise NotImplementedError

    def _open(self, path: str | Path) -> h5py.File:
        if path not in self._files:
            self._files[path] = _opened(path, self.kind)
        return self._files[path]


class Weights(_Files):
    """The models of one or more weight files, read when asked for."""

    kind = "weights"

    def _held(self, file: h5py.File) -> Iterable[str]:
        return file["models"]

    @property
    def models(self) -> list[str]:
        """Ids of the models."""
        return list(self._path_of)

    def attributes(self, model_id: str) -> dict:
        """What the file says of one model."""
        with _opened(_file_of(model_id, self._path_of), "weights") as file:
            return dict(file["models"][model_id].attrs)

    def dataset(self, model_id: str, name: str) -> h5py.Dataset:
        """One tensor of one model, still in its file, which stays open for it."""
        return self._open(_file_of(model_id, self._path_of))["models"][model_id][name]

    def __call__(self, model_id: str) -> dict[str, Tensor]:
        """The state dict of one model, on the CPU.

        Raises:
            UserError: if no file holds it.
        """
        with _opened(_file_of(model_id, self._path_of), "weights") as file:
            group = file["models"][model_id]
            return {name: torch.tensor(dataset[()]) for name, dataset in group.items()}


def write_features(
    path: str | Path,
    sample_ids: list[str],
    models: Iterable[tuple[str, dict[str, Tensor]]],
    **attributes,
) -> None:
    """Writes models' features one by one as they come: `/features/<layer>/<id>`, each [n, d].

    Args:
        path: the HDF5 file.
        sample_ids: of the n samples of the probe.
        models: (id, features of each layer) of each.
        attributes: of the whole file.
    """
    with _created(path, "features", attributes) as (file, check):
        file["samples"] = sample_ids
        for model_id, features in models:
            for layer, values in features.items():
                file[f"features/{layer}/{model_id}"] = values.cpu().numpy()
            file.attrs["layers"] = json.dumps(list(features))
            check()


class Features(_Files):
    """The features of the models of one or more feature files, read when asked for."""

    kind = "features"
    _samples: np.ndarray | None = None

    def _held(self, file: h5py.File) -> Iterable[str]:
        samples = file["samples"][()]
        if self._samples is not None and not np.array_equal(self._samples, samples):
            raise UserError(
                f"{file.filename}: expected the same probe as in the other files, but its samples differ; "
                "remove it and run again"
            )
        self._samples = samples
        self.layers = json.loads(file.attrs["layers"])
        return file["features"][self.layers[0]]

    def __call__(self, model_id: str, layers: Iterable[str] | None = None) -> dict[str, Tensor]:
        """The features of one model, of all layers or of those named: each [n, d], on the CPU.

        Raises:
            UserError: if no file holds the model or the layer.
        """
        path = _file_of(model_id, self._path_of)
        layers = self.layers if layers is None else list(layers)
        self._require(layers, path)
        with _opened(path, "features") as file:
            return {layer: torch.tensor(file["features"][layer][model_id][()]) for layer in layers}

    def dataset(self, model_id: str, layer: str) -> h5py.Dataset:
        """The features of one model at one layer, still in their file, which stays open for them."""
        path = _file_of(model_id, self._path_of)
        self._require([layer], path)
        return self._open(path)["features"][layer][model_id]

    def _require(self, layers: Iterable[str], path: str | Path) -> None:
        if unknown := sorted(set(layers) - set(self.layers)):
            raise UserError(
                f"{path}: expected one of the layers {', '.join(self.layers)}, but got {unknown[0]!r}"
            )


def write_path_features(
    path: str | Path, pairs: Iterable[tuple[str, str, dict[str, Tensor]]], **attributes
) -> None:
    """Writes candidates' features on the way to children: `/features/<layer>/<child>/<candidate>`, each [n, d].

    Args:
        path: the HDF5 file.
        pairs: (child's id, candidate's id, features of each layer) of each pair; tensors of aligned candidates stand
            beside them by their names.
        attributes: of the whole file.
    """
    with _created(path, "path features", attributes) as (file, check):
        for child, candidate, features in pairs:
            for layer, values in features.items():
                file[f"features/{layer}/{child}/{candidate}"] = values.cpu().numpy()
            check()


class PathFeatures(_Files):
    """Candidates' features on the way to children, of one or more files, read when asked for."""

    kind = "path features"

    def _held(self, file: h5py.File) -> Iterable[str]:
        return next(iter(file["features"].values()))

    def dataset(self, child: str, candidate: str, layer: str) -> h5py.Dataset:
        """The features of a candidate on the way to a child, still in their file."""
        return self._open(_file_of(child, self._path_of))["features"][layer][child][candidate]


def _file_of(model_id: str, path_of: dict[str, str | Path]) -> str | Path:
    if model_id not in path_of:
        held = f"{min(path_of)} … {max(path_of)}" if path_of else "nothing"
        raise UserError(f"{model_id}: expected in one of the files given, but they hold {held}")
    return path_of[model_id]
