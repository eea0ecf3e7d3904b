"""The plain form of models, in which they are compared; nothing but masks is read before it is asked for."""

from functools import partial
from pathlib import Path

from lineage.checkpoints.adapters.parts import kind_not_merged, shapes_of
from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.files import Unsupported
from lineage.checkpoints.plain.adapters import layers_named
from lineage.checkpoints.plain.constants import set_aside
from lineage.checkpoints.plain.kernels import USUAL, of_one_place, outputs_first
from lineage.checkpoints.plain.parts import whole
from lineage.checkpoints.plain.recurrent import gates_in_order
from lineage.checkpoints.read import open_model, open_models


def open_plain_models(
    path: str | Path, *, inside: Path | None = None, follow: bool = False
) -> list[Checkpoint]:
    """The models of one file in plain form; arguments and errors as of `open_models`."""
    return [in_plain_form(model) for model in open_models(path, inside=inside, follow=follow)]


def open_plain_model(path: str | Path, *, inside: Path | None = None, follow: bool = False) -> Checkpoint:
    """The one model of a file, or its main one, in plain form; arguments and errors as of `open_model`."""
    return in_plain_form(open_model(path, inside=inside, follow=follow))


def in_plain_form(model: Checkpoint) -> Checkpoint:
    """The model with its weights whole, its kernels as [outputs, inputs, ...], its gates in PyTorch's order.

    What was put together is a remark of the model.

    Raises:
        Unsupported: for an adapter alone of a kind that is not merged.
    """
    if kind := kind_not_merged(shapes_of(model)):
        raise Unsupported(
            f"{model.files[0].path}: an adapter of the kind {kind} alone, which says nothing of its base; "
            "merge it with its base, and give that"
        )
    kernels = partial(outputs_first, usual=USUAL.get(model.format))
    for step in (whole, layers_named, gates_in_order, of_one_place, kernels):
        model.entries, remark = step(model.entries)
        if remark:
            model.remarks.append(remark)
            model.graph = None
    set_aside(model)
    return model
