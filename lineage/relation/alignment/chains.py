"""The groups of plain chains, of residual networks and of those with depthwise convolutions.

A matrix takes the channels that the one before gives. Blocks with a shortcut are known by their names: what they give
is added to what they take, or to what the shortcut gives. Where that is in doubt, the two share an order, which keeps
the function in any case.
"""

import re
from dataclasses import dataclass, field

from lineage.relation.alignment.axes import (
    Group,
    Kind,
    Member,
    Shapes,
    Side,
    Structure,
    UnknownStructureError,
    check,
)
from lineage.relation.alignment.modules import SHORTCUTS, Module, modules_of

BLOCK = re.compile(
    r"^(layer\d+\.\d+|(?:block|stage)s?\d*(?:\.\d+)*|features\.\d+(?:\.\d+)?|layers\.\d+\.\d+(?=\.layers\.))"
    r"\.(?:branch|shortcut|downsample|skip|block|conv\d?|bn\d|conv_\w+|se|layers)(?:\.|$)"
)
"""Prefixes of residual blocks, before what stands in them."""
SQUEEZED = {"se", "fc1", "fc2", "conv_reduce", "conv_expand"}
"""Parts of a squeeze-and-excitation, whose convolutions see no positions."""


@dataclass(eq=False)
class _Open:
    """A group as far as it has been read; plain: givers without BatchNorm, normed: givers with it."""

    id: str
    size: int
    members: list[tuple[Member, Module]] = field(default_factory=list)
    givers: list[Module] = field(default_factory=list)
    normed: list[Module] = field(default_factory=list)
    is_fixed: bool = False

    def add(self, module: Module, axis: int, side: Side, each: int = 1) -> None:
        self.members.append((Member(module.weight, axis, side, each=each), module))
        if side is not Side.TAKES:
            own = Side.FOLLOWS
            self.members += [(Member(tensor, 0, own), module) for tensor in module.others]
            self.givers.append(module)

    def follow(self, norm: Module) -> None:
        is_batch_norm = "running_var" in norm.shapes
        self.members += [(Member(tensor, 0, Side.FOLLOWS), norm) for tensor in norm.tensors.values()]
        if is_batch_norm and self.givers:
            self.normed.append(self.givers[-1])
        elif self.givers and len(self.givers[-1].shapes["weight"]) > 2:
            raise UnknownStructureError(f"{norm.name}: a norm whose groups of channels are not known")
        self.is_fixed |= not is_batch_norm

    def absorb(self, added: "_Open") -> None:
        self.members += added.members
        self.givers += added.givers
        self.normed += added.normed
        self.is_fixed |= added.is_fixed

    def closed(self) -> Group:
        is_stream = sum(member.side is Side.GIVES for member, _ in self.members) > 1
        batch_normed = set(map(id, self.givers)) == set(map(id, self.normed))
        is_depthwise = any(module.shapes["weight"][1] == 1 for module in self.givers)
        free = not self.is_fixed and (batch_normed or not (self.normed or is_depthwise))
        members = []
        for member, module in self.members:
            power = 0
            if free and batch_normed:
                power = _power_before_norm(member, module)
            elif free:
                power = -1 if member.side is Side.TAKES else 1
            members.append(Member(member.tensor, member.axis, member.side, each=member.each, power=power))
        kind = Kind.STREAM if is_stream else Kind.INNER
        return Group(id=self.id, kind=kind, size=self.size, members=tuple(members))


def _power_before_norm(member: Member, module: Module) -> int:
    """A scale before BatchNorm is undone by its statistics."""
    if member.side is Side.TAKES:
        return 0
    if "running_var" in module.shapes:
        return {module.tensors["running_mean"]: 1, module.tensors["running_var"]: 2}.get(member.tensor, 0)
    return 1


class _Block:
    """A residual block as far as it has been read."""

    def __init__(self, name: str, source: _Open | None):
        self.name, self.source = name, source
        self.matrices, self.shortcut = 0, []


class _Reader:
    def __init__(self, shapes: Shapes):
        self.open: list[_Open] = []
        self.current: _Open | None = None
        self.squeezed: _Open | None = None
        self.block: _Block | None = None
        self.blocks, self.removable = [], []
        modules = modules_of(shapes)
        matrices = [module for module in modules if module.is_matrix]
        if len(matrices) < 3:
            raise UnknownStructureError(f"expected at least 3 matrices, got {len(matrices)}")
        for module in modules:
            self.read(module, is_head=module is matrices[-1] and not BLOCK.match(module.name))
        if self.block:
            self.close()

    def read(self, module: Module, *, is_head: bool) -> None:
        found = BLOCK.match(module.name)
        prefix = found[1] if found else None
        if self.block and self.block.name != prefix:
            self.close()
        if prefix and not self.block:
            self.block = _Block(prefix, self.current)
        if self.block and not SHORTCUTS.isdisjoint(module.parts):
            self.block.shortcut.append(module)
        elif not module.is_matrix:
            self.norm(module, self.current)
        elif is_head:
            self.take(module, self.current)
        elif self.block and module.parts[-1] in SQUEEZED and _is_pointwise(module):
            self.squeeze(module)
        else:
            self.matrix(module)

    def norm(self, module: Module, group: _Open | None) -> None:
        length = module.shapes.get("weight", (0,))[0]
        if group is None or length != group.size:
            raise UnknownStructureError(
                f"{module.name}: a norm of {length} channels, whose matrix is not known"
            )
        group.follow(module)

    def take(self, module: Module, group: _Open | None) -> None:
        columns = module.shapes["weight"][1]
        if group is None:
            return
        is_flat = len(module.shapes["weight"]) == 2 and columns % group.size == 0
        if columns != group.size and not is_flat:
            raise UnknownStructureError(f"{module.weight}: expected {group.size} inputs, got {columns}")
        group.add(module, 1, Side.TAKES, each=columns // group.size)

    def matrix(self, module: Module) -> None:
        shape = module.shapes["weight"]
        if self.block:
            self.block.matrices += 1
        if len(shape) > 2 and shape[1] == 1 and self.current and shape[0] == self.current.size:
            self.current.add(module, 0, Side.FOLLOWS)
            return
        self.take(module, self.current)
        self.current = _Open(module.name, shape[0])
        self.current.add(module, 0, Side.GIVES)
        self.open.append(self.current)

    def squeeze(self, module: Module) -> None:
        """The first of the two takes the channels, the second gives a factor for each."""
        rows, columns = module.shapes["weight"][:2]
        if self.current is None:
            raise UnknownStructureError(
                f"{module.weight}: it squeezes channels, and no matrix before gives any"
            )
        if columns == self.current.size:
            self.current.add(module, 1, Side.TAKES)
            self.squeezed = _Open(module.name, rows)
            self.squeezed.add(module, 0, Side.GIVES)
            self.squeezed.is_fixed = True
            self.open.append(self.squeezed)
        elif self.squeezed and (rows, columns) == (self.current.size, self.squeezed.size):
            self.squeezed.add(module, 1, Side.TAKES)
            self.current.members.append((Member(module.weight, 0, Side.FOLLOWS), module))
            self.current.members += [(Member(tensor, 0, Side.FOLLOWS), module) for tensor in module.others]
            self.current.is_fixed = True
        else:
            raise UnknownStructureError(
                f"{module.weight}: expected {self.current.size} channels, got {columns}"
            )

    def close(self) -> None:
        """Ends a block: what it gives has the order of what its shortcut gives."""
        block, given = self.block, self.current
        self.block = None
        self.blocks.append(block.name)
        if given is None and block.shortcut:
            raise UnknownStructureError(f"{block.name}: expected matrices beside its shortcut, found none")
        for module in block.shortcut:
            if module.is_matrix:
                self.take(module, block.source)
                given.add(module, 0, Side.GIVES)
            else:
                self.norm(module, given)
        if block.shortcut or block.source is None or block.matrices < 2 or given is block.source:
            return
        if block.source.size == given.size:
            block.source.absorb(given)
            self.open.remove(given)
            self.current = block.source
            self.removable.append(block.name)


def _is_pointwise(module: Module) -> bool:
    return module.shapes["weight"][2:] == (1, 1)


def chain(shapes: Shapes) -> Structure:
    """The structure of a chain of matrices and norms, with or without residual blocks.

    Raises:
        UnknownStructureError: where a matrix does not take what the one before gives.
    """
    reader = _Reader(shapes)
    groups = [group.closed() for group in reader.open]
    check(groups, shapes)
    return Structure(
        groups=tuple(groups),
        variances=frozenset(tensor for tensor in shapes if tensor.endswith("running_var")),
        blocks=tuple(reader.blocks),
        removable=tuple(reader.removable),
    )
