"""The weight matrix that stands for a layer, and those of several."""

from collections.abc import Iterable, Mapping, Sequence
from math import prod

from lineage.errors import UserError
from lineage.networks.restore import State, traced
from lineage.types.scoring import Network


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


def weight_matrices(network: Network, state: State, layers: Sequence[str] | None) -> list[str]:
    """The weight matrix of each layer; of the last stage, or of what leads to it, where none is named.

    Args:
        network: an experiment's; state: of one of its models; layers: that are looked at.

    Raises:
        UserError: if a layer has none.
    """
    layers = layers or traced(network, state, None).layers[-1:]
    backbone = traced(network, state, layers)
    shapes = {name: tensor.shape for name, tensor in state.items()}
    return [weight_matrix(shapes, layer, backbone.parameters[layer]) for layer in layers]
