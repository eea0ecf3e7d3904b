"""Candidates in the order, scale and rotation of a child, so that scores survive disguises."""

import torch
from torch import Tensor

from lineage.errors import UserError
from lineage.relation.alignment.align import align
from lineage.relation.alignment.axes import UnknownStructureError

State = dict[str, Tensor]


def aligned(parent: State, child: State) -> State:
    """theta_p with its units where theta_c has them, which keeps the function; nothing is moved without need.

    Args:
        parent, child: states of one architecture; heads may differ.

    Raises:
        UserError: where it is not known from names and shapes which axes share an order.
    """
    found = {}
    for whose, state in (("parent", parent), ("child", child)):
        floats = {
            name: values for name, values in state.items() if values.is_floating_point() and values.ndim
        }
        found[whose] = {name: values.detach().float().cpu().numpy() for name, values in floats.items()}
    try:
        tensors = align(found["child"], found["parent"]).tensors
    except UnknownStructureError as error:
        raise UserError(f"align: {error}; leave align out for networks of this kind") from None
    return parent | {
        name: torch.from_numpy(values).to(parent[name]).reshape(parent[name].shape)
        for name, values in tensors.items()
    }


def aligned_candidate(candidate: str, parent: State, child: State) -> State:
    """The same of one of several candidates, by its id, which an error says."""
    try:
        return aligned(parent, child)
    except UserError as error:
        raise UserError(f"{candidate}: {error}") from None
