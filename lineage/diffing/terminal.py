"""A difference on the terminal."""

from rich.table import Table

from lineage.diffing.diff import LayerDifference, ModelDifference
from lineage.diffing.tensors import Change
from lineage.screen import Screen

SHOWN = 40
"""Layers in the table; the JSON has all."""


def print_difference(found: ModelDifference) -> None:
    """Prints one sentence, the layers that differ, and how many tensors are in each state."""
    console = Screen(110)
    console.print(sentence(found))
    differing = [layer for layer in found.layers if layer.differing]
    if differing:
        console.print(_table(differing[:SHOWN]))
    if len(differing) > SHOWN:
        console.print(f"  and {len(differing) - SHOWN} more layers that differ")
    console.print(f"tensors: {', '.join(f'{count} {state}' for state, count in found.counts.items())}")


def sentence(found: ModelDifference) -> str:
    """What is most worth knowing."""
    a, b = found.files
    if found.is_same:
        return f"{a} and {b} hold the same tensors"
    if found.hashes[0].values == found.hashes[1].values:
        return f"{a} and {b} hold the same tensors under other names"
    total = sum(count for state, count in found.counts.items() if state != Change.REMOVED)
    alike = found.counts.get(Change.IDENTICAL, 0)
    said = f"{b} differs from {a} in {total - alike} of its {total} tensors"
    if found.low_rank is not None:
        ranked = [tensor for tensor in found.tensors if tensor.state is Change.FINE_TUNED and tensor.rank]
        said += (
            f"; a LoRA of rank {found.low_rank} would change its {len(ranked)} fine-tuned matrices like that"
        )
    return said


def _table(layers: list[LayerDifference]) -> Table:
    table = Table("layer", "state", "change", "rank", "tensors that differ", "from")
    for layer in layers:
        table.add_row(
            layer.layer,
            layer.state,
            "" if layer.change is None else f"{layer.change:.4g}",
            "" if layer.rank is None else str(layer.rank),
            f"{layer.differing} of {layer.tensors}",
            layer.source if layer.source and layer.source != layer.layer else "",
        )
    return table
