"""A network's structure as its names and shapes suggest; shapes that do not fit refute it."""

from lineage.relation.alignment.axes import Shapes, Structure, UnknownStructureError
from lineage.relation.alignment.chains import chain
from lineage.relation.alignment.modules import guessed
from lineage.relation.alignment.transformers import ATTENTION, transformer


def structure_of(shapes: Shapes, head_width: int | None = None) -> Structure:
    """The groups of axes that share an order.

    Args:
        shapes: by name.
        head_width: channels of a head of attention, see `transformer`.

    Raises:
        UnknownStructureError: where they are not known.
    """
    if empty := next((name for name, shape in shapes.items() if 0 in shape), None):
        raise UnknownStructureError(f"{empty}: expected numbers, got the shape {shapes[empty]}")
    if any(ATTENTION.search(name) for name in shapes):
        return transformer(shapes, head_width)
    return chain(shapes)


def guessed_order(shapes: Shapes) -> tuple[str, str] | None:
    """Two modules of which the structure takes the first to come first by the alphabet alone; None if there are none.

    Raises as `structure_of`.
    """
    return None if any(ATTENTION.search(name) for name in shapes) else guessed(shapes)
