"""TensorFlow.js: a list of weights in JSON, whose numbers lie one after the other in files beside it.

Source: github.com/tensorflow/tfjs, tfjs-core/src/io: types.ts (`WeightsManifestConfig`), io_utils.ts.
"""

import json
import math
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint, Entry, check_elements
from lineage.checkpoints.files import LIMITS, SafeFile, Unsupported, head_of_file, read_json, safe_file
from lineage.checkpoints.quantised.weights import weights_of
from lineage.checkpoints.sniffing import Content
from lineage.errors import UserError, one_line

TYPES = {"float32": "<f4", "float16": "<f2", "int32": "<i4", "uint8": "u1", "uint16": "<u2", "bool": "?"}
MANIFEST, TOPOLOGY = b'"weightsManifest"', b'"modelTopology"'

TWICE = "names a file of numbers twice; it is broken"


@dataclass(frozen=True)
class Numbers:
    """The files of a group, which are one run of bytes."""

    files: tuple[SafeFile, ...]

    @property
    def size(self) -> int:
        """How many bytes they are."""
        return sum(file.size for file in self.files)

    def read(self, start: int, length: int) -> bytes:
        """Some of them, which may lie in several files."""
        found = []
        for file in self.files:
            own = min(length, max(0, file.size - start))
            if own:
                with file.real.open("rb") as stream:
                    stream.seek(start)
                    found.append(stream.read(own))
                length -= own
            start = max(0, start - file.size)
        return b"".join(found)


def is_tfjs(content: Content) -> bool:
    """JSON with a manifest of weights, or a manifest alone."""
    if not content.text.startswith((b"{", b"[")):
        return False
    head = head_of_file(content.file, 2**16)
    if content.text.startswith(b"{"):
        return MANIFEST in head or TOPOLOGY in head
    return b'"weights"' in head and b'"shape"' in head and b'"dtype"' in head


def read_tfjs(file: SafeFile) -> list[Checkpoint]:
    """The weights of a model, quantised ones as real numbers.

    Raises:
        UserError: for a broken list, or numbers that the files beside it do not hold.
        Unsupported: for texts among the weights, and for a model without its weights.
    """
    files, raw = [file], {}
    try:
        for group in manifest_of(file):
            numbers = Numbers(tuple(safe_file(file.path.parent / path) for path in paths_of(file, group)))
            files += numbers.files
            if len({part.real for part in files}) < len(files):
                raise UserError(f"{file.path}: {TWICE}")
            at = 0
            for weight in group["weights"]:
                name, (entry, size) = str(weight["name"]), _entry(file, weight, numbers, at)
                at += size
                if at > numbers.size:
                    raise UserError(
                        f"{file.path}: tensor {name!r} ends after the files beside it; fetch them again"
                    )
                raw[name] = entry
                if len(raw) > LIMITS.tensors:
                    raise UserError(f"{file.path}: more than {LIMITS.tensors:,} tensors")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{file.path}: expected TensorFlow.js' list of weights: {one_line(error)}") from None
    entries, left_out = weights_of(raw)
    return [Checkpoint(file.path.name, "tensorflow.js", files, entries, left_out)]


def manifest_of(file: SafeFile) -> list[dict]:
    """The groups of weights; raises as `read_tfjs`."""
    found = read_json(file, "JSON")
    groups = found.get("weightsManifest") if isinstance(found, dict) else found
    if not groups:
        raise Unsupported(f"{file.path}: a model of TensorFlow.js without a list of weights")
    if not isinstance(groups, list) or not all(
        isinstance(group, dict) and {"paths", "weights"} <= group.keys() for group in groups
    ):
        raise Unsupported(f"{file.path}: JSON without the paths and weights of TensorFlow.js")
    return groups


def paths_of(file: SafeFile, group: dict) -> list[str]:
    """The files of a group, by name; raises a UserError for one that would lie elsewhere."""
    paths = [str(path) for path in group["paths"]][: LIMITS.tensors]
    for path in paths:
        if PurePosixPath(path).name != path.removeprefix("./"):
            raise UserError(f"{file.path}: {path!r} lies outside of its folder; expected a bare name")
    if len(set(paths)) < len(paths):
        raise UserError(f"{file.path}: {TWICE}")
    return paths


def _entry(file: SafeFile, weight: dict, numbers: Numbers, at: int) -> tuple[Entry, int]:
    """A tensor, and how many bytes it takes."""
    shape = tuple(int(length) for length in weight["shape"])
    check_elements(file.path, str(weight["name"]), shape)
    packed = weight.get("quantization") or {}
    if not isinstance(packed, dict):
        raise UserError(
            f"{file.path}: tensor {weight['name']!r}: quantization: expected an object with dtype, scale and min, "
            f"got {json.dumps(packed)[:80]}; convert the model again"
        )
    stored = str(packed.get("dtype", weight["dtype"]))
    if stored not in TYPES:
        raise Unsupported(f"{file.path}: tensor {weight['name']!r} is of {stored}; convert it to safetensors")
    size = math.prod(shape) * np.dtype(TYPES[stored]).itemsize
    scale, least = float(packed.get("scale", 1)), float(packed.get("min", 0))

    def load() -> np.ndarray:
        values = np.frombuffer(numbers.read(at, size), TYPES[stored]).reshape(shape)
        return values.astype(np.float32) * scale + least if packed else values

    return Entry(shape, str(weight["dtype"]) if packed else np.dtype(TYPES[stored]).name, load), size
