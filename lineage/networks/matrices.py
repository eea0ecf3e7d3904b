"""The weight matrix that stands for a layer."""

from collections.abc import Iterable, Mapping, Sequence
from math import prod

from lineage.errors import UserError


def weight_matrix(shapes: Mapping[str, Sequence[int]], layer: str, parameters: Iterable[str]) -> str:
    """The name of the largest of a layer's weight matrices.

    Args:
        shapes: of a model's tensors.
        layer: the layer; its own weights are taken, or if it has none, those that lead to it.
        parameters: names of the layer's parameters and of those before it.

    Raises:
        UserError: if none of them is a matrix.
    """
    matrices = [name for name in parameters if len(shapes[name]) > 1]
    own = [name for name in matrices if name.startswith(f"{layer}.")]
    if not matrices:
        raise UserError(
            f"detector.layers: {layer}: expected a layer with weights, but it has none; name another"
        )
    return max(own or matrices, key=lambda name: prod(shapes[name]))
