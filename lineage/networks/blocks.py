"""Blocks of a network: what each tapped layer adds to the one before, parameters and buffers."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lineage.errors import UserError
from lineage.networks.backbone import Backbone
from lineage.storage.hdf5 import Weights


def blocks_of(backbone: Backbone) -> dict[str, list[str]]:
    """The names of each block's parameters and buffers; a layer that adds no parameters is no block."""
    return {
        layer: parameters + backbone.buffers[layer]
        for layer, parameters in backbone.parameters.items()
        if parameters
    }


def block_state(
    weights: Weights, source: str, names: Sequence[str], like: dict[str, Tensor]
) -> dict[str, Tensor]:
    """The tensors of a block of a model in a file.

    Args:
        weights: files that hold it.
        source: the model's id.
        names: of the block's parameters and buffers.
        like: the state that they shall fit into, on its device.

    Raises:
        UserError: if one is of another shape than there.
    """
    block = {}
    for name in names:
        tensor = torch.tensor(weights.dataset(source, name)[()])
        if tensor.shape != like[name].shape:
            raise UserError(
                f"{source}: {name}: expected the shape {tuple(like[name].shape)} of the other sources, "
                f"but got {tuple(tensor.shape)}"
            )
        block[name] = tensor.to(like[name].device)
    return block
