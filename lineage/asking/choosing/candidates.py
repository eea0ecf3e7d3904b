"""The candidates that queries are chosen for: files of weights, or Python functions.

N inputs, C classes, d features.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.find import Source, id_of, open_source, sources_of
from lineage.diffing.hashes import combined, hashes_of
from lineage.errors import UserError
from lineage.index.summing import content_of

Answer = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]
"""Takes inputs uint8 [N, H, W, C]; gives log-probabilities [N, classes], and features [N, d] where there are any."""
Function = Callable[[np.ndarray], object]
"""Takes the same; gives probabilities or logits [N, classes]."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How networks take images: height and width in pixels, 1 or 3 channels, and what normalises pixels in [0, 1]."""

    image_size: int
    channels: int
    mean: list[float] | None = None
    std: list[float] | None = None


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One network.

    id: unique; digest: SHA-256 of its weights, or of what a function answers to some images, which another machine
    may round otherwise; answer: runs it; restored: gives the network itself, None of a function.
    """

    id: str
    digest: str
    answer: Answer
    restored: Callable[[], Any] | None = None


def from_files(
    given: str | Sequence[str], architecture: str, size: Size, role: str
) -> tuple[list[Candidate], dict[str, str]]:
    """The networks of a folder, a glob, a table of models or files, and why others of them are left out, by id.

    A table may name each one's architecture.

    Raises:
        UserError: if there are none, or each of them cannot be read or is not of the architecture.
    """
    paths = [given] if isinstance(given, str) else list(given)
    found, left_out = [], {}
    for source in (source for path in paths for source in sources_of(path, role)):
        try:
            models = open_source(source, follow=False)
        except UserError as error:
            left_out[source.id] = str(error)
            continue
        for model in models:
            id = id_of(source, model.name, is_alone=len(models) == 1)
            try:
                found.append(_from_file(id, source, model, source.architecture or architecture, size))
            except UserError as error:
                left_out[id] = str(error)
    if not found:
        raise UserError(next(iter(left_out.values())))
    return found, left_out


def from_functions(given: Mapping[str, object], images: np.ndarray, size: Size) -> list[Candidate]:
    """Networks of torch, and functions.

    Args:
        given: by id.
        images: uint8 [n, H, W, C], what functions are told apart by.

    Raises:
        UserError: for a network without weights, or a function that gives no answers.
    """
    found = []
    for id, function in given.items():
        if hasattr(function, "state_dict"):
            found.append(_of_network(id, _digest_of_module(id, function), lambda net=function: net, size))
        else:
            answer = _of_function(id, function)
            rounded = np.round(answer(images)[0], 3)
            digest = hashlib.sha256(f"{rounded.shape}".encode() + rounded.astype("<f4").tobytes()).hexdigest()
            found.append(Candidate(id=id, digest=digest, answer=answer))
    return found


def from_states(ids: Sequence[str], restored: Callable[[str], Any], size: Size) -> list[Candidate]:
    """Networks of torch that are restored, by their ids, whenever they are asked."""
    return [
        _of_network(id, _digest_of_module(id, restored(id)), lambda id=id: restored(id), size) for id in ids
    ]


def _of_network(id: str, digest: str, network: Callable[[], Any], size: Size) -> Candidate:
    def answer(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from lineage.asking.choosing.networks import answers_of

        return answers_of(network(), images, mean=size.mean, std=size.std)

    return Candidate(id=id, digest=digest, answer=answer, restored=network)


def _digest_of_module(id: str, network: Any) -> str:
    """That of a file with its weights."""
    weights = {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
    if not weights:
        raise UserError(
            f"candidate {id!r}: expected a network with weights, which tell it apart; it has none"
        )
    return combined(
        {name: content_of(value.detach().cpu().float().numpy()) for name, value in weights.items()}
    ).tensors


def _from_file(id: str, source: Source, model: Checkpoint, architecture: str, size: Size) -> Candidate:
    if not architecture:
        raise UserError(
            f"{source.path}: its architecture is not known; name it by --arch, as timm:resnet18 or fc"
        )

    def network() -> Any:
        from lineage.asking.choosing.networks import restored

        return restored(model, architecture, channels=size.channels, image_size=size.image_size)

    network()
    return _of_network(id, hashes_of(model).tensors, network, size)


def _of_function(id: str, function: Function) -> Answer:
    def answer(images: np.ndarray) -> tuple[np.ndarray, None]:
        values = np.asarray(function(images), dtype=np.float64)
        if values.ndim != 2 or len(values) != len(images) or not np.isfinite(values).all():
            raise UserError(
                f"candidate {id!r}: expected finite probabilities or logits [{len(images)}, classes], "
                f"got the shape {values.shape}"
            )
        if (values >= 0).all() and np.allclose(values.sum(1), 1, atol=1e-3):
            values = np.log(np.maximum(values, 1e-7))
        shifted = values - values.max(1, keepdims=True)
        return (shifted - np.log(np.exp(shifted).sum(1, keepdims=True))).astype(np.float32), None

    return answer
