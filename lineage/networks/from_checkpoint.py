"""A checkpoint's tensors for a network of a known architecture: by name, then by shape and order."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lineage.checkpoints.checkpoint import Checkpoint
from lineage.errors import UserError
from lineage.relation.matching import laid_out, match

Shapes = Mapping[str, tuple[int, ...]]


def shapes_of(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """The shapes of a network's weights and statistics, by name."""
    return {
        name: tuple(value.shape) for name, value in network.state_dict().items() if value.is_floating_point()
    }


def state_from(model: Checkpoint, wanted: Shapes, *, architecture: str, advice: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint under the names of an architecture.

    Args:
        model: opened; wanted: shapes by the architecture's names.
        architecture, advice: what the message says was expected, and what to do.

    Raises:
        UserError: if one of them has no partner in the checkpoint.
    """
    pairs = match(wanted, {name: entry.shape for name, entry in model.entries.items()})
    if pairs.only_child:
        name = pairs.only_child[0]
        raise UserError(
            f"{model.name}: expected the tensors of {architecture}, but it has none like {name} of shape "
            f"{wanted[name]}; {advice}"
        )
    state = {}
    for name, theirs in pairs.pairs.items():
        values = laid_out(model.read(theirs), wanted[name], transposed=name in pairs.transposed)
        state[name] = torch.from_numpy(values.copy())
    return state
