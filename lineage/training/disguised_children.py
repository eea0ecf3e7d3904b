"""Children that are disguised after their training: other weights for the same function."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lineage.errors import UserError
from lineage.experiment.zoo import Model
from lineage.relation.alignment.axes import UnknownStructureError
from lineage.relation.alignment.disguises import disguised


def disguised_state(state: dict[str, Tensor], how: Sequence[str], model: Model) -> dict[str, Tensor]:
    """The state dict under disguises, with orders and scales drawn from the model's seed.

    Args:
        state: trained; how: names of `lineage.relation.alignment.disguises.HOW`; model: whose.

    Raises:
        UserError: if it is not known which axes of the network share an order.
    """
    arrays = {name: tensor.cpu().numpy() for name, tensor in state.items()}
    try:
        changed = disguised(arrays, how, np.random.default_rng(model.seed))
    except UnknownStructureError as error:
        raise UserError(f"{model.id}: cannot be disguised: {error}; drop settings.*.disguise") from None
    return {
        name: torch.from_numpy(np.ascontiguousarray(changed[name])).to(state[name].dtype) for name in state
    }
