"""The plain form of a model's tensors, which other rooms compare; nothing is read before it is asked for."""

from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.plain.adapters import layers_named
from lineage.checkpoints.plain.kernels import outputs_first
from lineage.checkpoints.plain.parts import whole
from lineage.checkpoints.plain.recurrent import gates_in_order


def in_plain_form(model: Checkpoint) -> Checkpoint:
    """The model with its weights whole, its kernels as [outputs, inputs, ...], its gates in PyTorch's order.

    What was put together is a remark of the model.
    """
    for step in (whole, layers_named, gates_in_order, outputs_first):
        model.entries, remark = step(model.entries)
        if remark:
            model.remarks.append(remark)
    return model
