"""The structure that a graph shows, where names do not show it, and that of other networks with the same layers."""

from collections.abc import Collection
from dataclasses import replace

from lineage.relation.alignment.axes import Group, Member, Shapes, Structure, UnknownStructureError, check
from lineage.relation.alignment.structure import structure_of
from lineage.relation.alignment.traced.trace import traced
from lineage.relation.tensor_names import canonical
from lineage.types.graph import Graph


def drawn_structure(graph: Graph | None, shapes: Shapes) -> Structure | None:
    """The structure that a graph shows, by canonical names; None where names show the same and more.

    Args:
        shapes: by name.
    """
    if graph is None:
        return None
    try:
        found = traced(graph, shapes)
    except UnknownStructureError:
        return None
    groups = [
        replace(
            group,
            members=tuple(replace(member, tensor=canonical(member.tensor)) for member in group.members),
        )
        for group in found.groups
    ]
    drawn = replace(found, groups=tuple(groups))
    plain = {canonical(name): shape for name, shape in shapes.items()}
    try:
        named = structure_of(plain)
    except UnknownStructureError:
        return drawn
    return None if _axes(named, plain) == _axes(drawn, plain) else drawn


def _axes(structure: Structure, shapes: Shapes) -> set[frozenset[tuple[str, int, int]]]:
    """The axes of matrices that share an order."""
    found = (
        frozenset(
            (member.tensor, member.axis, member.offset)
            for member in group.members
            if len(shapes[member.tensor]) > 1
        )
        for group in structure.groups
    )
    return {axes for axes in found if axes}


def structure_within(structure: Structure, names: Collection[str]) -> Structure:
    """The structure of some of the tensors alone."""
    groups = [
        replace(group, members=tuple(member for member in group.members if member.tensor in names))
        for group in structure.groups
    ]
    return replace(structure, groups=tuple(group for group in groups if group.members))


def structure_like(structure: Structure, shapes: Shapes) -> Structure:
    """The structure of a network with the same layers, of which some have more units or fewer.

    Args:
        structure: that a graph shows; shapes: of the other network, by name.

    Raises:
        UnknownStructureError: if its shapes do not fit.
    """
    on_axis: dict[tuple[str, int], list[tuple[Group, Member]]] = {}
    for group in structure.groups:
        for member in group.members:
            on_axis.setdefault((member.tensor, member.axis), []).append((group, member))
    sizes = {group.id: group.size for group in structure.groups}
    for (tensor, axis), found in on_axis.items():
        if axis >= len(shapes.get(tensor, ())):
            raise UnknownStructureError(f"{tensor}: expected an axis {axis}, there is none")
        if len({group.id for group, _ in found}) == 1:
            sizes[found[0][0].id] = shapes[tensor][axis] // sum(member.each for _, member in found)
    members: dict[str, list[Member]] = {group.id: [] for group in structure.groups}
    for found in on_axis.values():
        offset = 0
        for group, member in sorted(found, key=lambda part: part[1].offset):
            members[group.id].append(replace(member, offset=offset))
            offset += sizes[group.id] * member.each
    groups = tuple(
        replace(group, size=sizes[group.id], members=tuple(members[group.id])) for group in structure.groups
    )
    check(groups, shapes)
    return replace(structure, groups=groups)
