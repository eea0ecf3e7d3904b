"""The groups of transformers whose blocks add attention and layers of neurons to a residual stream."""

import re
from collections import Counter
from dataclasses import replace

from lineage.relation.alignment.axes import (
    Gain,
    Group,
    Kind,
    Member,
    Shapes,
    Side,
    Structure,
    UnknownStructureError,
    check,
)
from lineage.relation.tensor_names import canonical

BLOCK = re.compile(r"^((?:[^.]+\.)*?(?:blocks|layers?|h|encoder_layer_|resblocks)[._]?\d+)\.(.+)$")
ATTENTION = re.compile(r"(?:^|[._])(?:attn|attention|self_attn|self_attention)(?:[._]|$)")
FUSED = re.compile(r"(?:^|\.)(?:qkv\.|in_proj_)(weight|bias)$")
QUERIES = re.compile(r"(?:^|\.)(?:q_proj|query|q|wq)\.(weight|bias)$")
KEYS = re.compile(r"(?:^|\.)(?:k_proj|key|k|wk)\.(weight|bias)$")
VALUES = re.compile(r"(?:^|\.)(?:v_proj|value|v|wv)\.(weight|bias)$")
MIXED = re.compile(r"(?:^|\.)(?:proj|o_proj|out_proj|dense|wo)\.(weight|bias)$")
GATE, UP, DOWN = (
    re.compile(rf"(?:^|\.)(?:{names})\.(weight|bias)$")
    for names in (
        "gate_proj|w1|gate",
        "up_proj|w3|fc1|linear1|linear_1|lin1|intermediate\\.dense|mlp\\.0|c_fc",
        "down_proj|w2|fc2|linear2|linear_2|lin2|output\\.dense|mlp\\.2|mlp\\.3",
    )
)
NORM_OF_ATTENTION = re.compile(r"^(?:norm1|ln_1|input_layernorm|layer_norm1|attention_norm)\.(weight|bias)$")
NORM_OF_NEURONS = re.compile(r"^(?:norm2|ln_2|post_attention_layernorm|layer_norm2|ffn_norm)\.(weight|bias)$")
FINAL_NORM = re.compile(r"(?:^|\.)(?:norm|ln_f|ln|final_norm)\.(weight|bias)$")
A_NORM = re.compile(r"norm|(?:^|[._])ln(?:[._]|$)", re.IGNORECASE)
HEAD = re.compile(r"(?:^|\.)(?:head|heads\.head|score|lm_head|classifier|output)\.(weight|bias)$")
TABLES = re.compile(
    r"pos_embed|position|cls_token|class_token|dist_token|reg_token|embed_tokens|wte|wpe|tok_emb|word_emb|token_type"
)


class _Reader:
    def __init__(self, shapes: Shapes, head_width: int | None):
        self.shapes, self.head_width = shapes, head_width
        sizes = Counter(shape[0] for name, shape in shapes.items() if len(shape) == 1 and A_NORM.search(name))
        if not sizes:
            raise UnknownStructureError("expected norms of the residual stream, found none")
        self.width = sizes.most_common(1)[0][0]
        self.stream: list[Member] = []
        self.groups: dict[str, tuple[Kind, int, list[Member]]] = {}
        self.norms: dict[str, list[str]] = {}
        self.takers: dict[str, list[Member]] = {}
        self.blocks: dict[str, None] = {}
        self.attentions: dict[str, dict[str, tuple[str, int]]] = {}
        for name, shape in shapes.items():
            if shape:
                self.read(name, shape)
        for block, parts in self.attentions.items():
            self.attention(block, parts)

    def read(self, name: str, shape: tuple[int, ...]) -> None:
        plain = canonical(name)
        if found := BLOCK.match(plain):
            self.blocks[found[1]] = None
            self.of_block(name, shape, found[1], found[2])
        elif HEAD.search(plain):
            if plain.endswith("weight"):
                self.take(name, "", 1)
        elif FINAL_NORM.search(plain):
            self.norms.setdefault("", []).append(name)
            self.follow(name, shape)
        elif len(shape) == 1:
            self.follow(name, shape)
        elif TABLES.search(plain):
            self.stream.append(Member(name, len(shape) - 1, Side.GIVES))
        elif shape[0] == self.width:
            self.stream.append(Member(name, 0, Side.GIVES))
        else:
            raise UnknownStructureError(f"{name}: what its axes {shape} are is not known")

    def of_block(self, name: str, shape: tuple[int, ...], block: str, rest: str) -> None:
        of_norm = {NORM_OF_ATTENTION: "attention", NORM_OF_NEURONS: "neurons"}
        for pattern, part in of_norm.items():
            if pattern.match(rest):
                self.norms.setdefault(f"{block}.{part}", []).append(name)
                self.follow(name, shape)
                return
        is_attention = ATTENTION.search(rest)
        roles = {"fused": FUSED, "q": QUERIES, "k": KEYS, "v": VALUES, "mixed": MIXED}
        if is_attention and (role := _role(rest, roles)):
            parameter = "weight" if rest.endswith("weight") else "bias"
            parts = self.attentions.setdefault(block, {})
            if taken := parts.get(f"{role}.{parameter}"):
                raise UnknownStructureError(f"{block}: expected one attention, got {taken[0]} and {name}")
            parts[f"{role}.{parameter}"] = name, shape[0]
        elif not is_attention and (role := _role(rest, {"gate": GATE, "up": UP, "down": DOWN})):
            self.neurons(name, shape, block, role)
        elif len(shape) == 1:
            self.follow(name, shape)
        else:
            raise UnknownStructureError(f"{name}: its part in the block is not known")

    def follow(self, name: str, shape: tuple[int, ...]) -> None:
        """A vector of the stream; those of other sizes, as of norms within heads, have no order of a group."""
        if shape[0] == self.width:
            self.stream.append(Member(name, 0, Side.FOLLOWS))

    def take(self, name: str, norm: str, axis: int) -> None:
        self.stream.append(Member(name, axis, Side.TAKES))
        self.takers.setdefault(norm, []).append(Member(name, axis, Side.TAKES, power=-1))

    def neurons(self, name: str, shape: tuple[int, ...], block: str, role: str) -> None:
        size = shape[1] if role == "down" and len(shape) == 2 else shape[0]
        if role == "down" and len(shape) == 1:
            self.follow(name, shape)
            return
        _, _, members = self.groups.setdefault(f"{block}.neurons", (Kind.INNER, size, []))
        if role == "down":
            members.append(Member(name, 1, Side.TAKES, power=-1))
            self.stream.append(Member(name, 0, Side.GIVES))
            return
        is_matrix = len(shape) == 2
        members.append(
            Member(name, 0, Side.GIVES if is_matrix else Side.FOLLOWS, power=1 if role == "up" else 0)
        )
        if is_matrix:
            self.take(name, f"{block}.neurons", 1)

    def attention(self, block: str, parts: dict[str, tuple[str, int]]) -> None:
        """Heads, or their queries and keys, and their values, channel by channel."""
        if "mixed.weight" not in parts or not {"fused.weight", "q.weight"} & parts.keys():
            raise UnknownStructureError(f"{block}: expected an attention's inputs and output")
        mixed, _ = parts["mixed.weight"]
        if len(self.shapes[mixed]) != 2:
            raise UnknownStructureError(f"{mixed}: expected a matrix, got the shape {self.shapes[mixed]}")
        channels = self.shapes[mixed][1]
        self.stream.append(Member(mixed, 0, Side.GIVES))
        if "mixed.bias" in parts:
            self.stream.append(Member(parts["mixed.bias"][0], 0, Side.FOLLOWS))
        rows: dict[str, list[tuple[str, int, int]]] = {"q": [], "k": [], "v": []}
        for key, (name, length) in parts.items():
            role = key.partition(".")[0]
            if role == "fused":
                for number, third in enumerate("qkv"):
                    rows[third].append((name, number * (length // 3), length // 3))
            elif role in rows:
                rows[role].append((name, 0, length))
            if key.endswith("weight") and role != "mixed":
                self.take(name, f"{block}.attention", 1)
        if missing := next((role for role, places in rows.items() if not places), None):
            raise UnknownStructureError(f"{block}: expected queries, keys and values, found no {missing}")
        lengths = {role: places[0][2] for role, places in rows.items()}
        if self.head_width is None:
            if lengths["q"] == lengths["k"]:
                self.unit(f"{block}.queries", Kind.QUERIES, lengths["q"], rows["q"] + rows["k"], 1)
            if lengths["v"] == channels:
                self.unit(f"{block}.values", Kind.VALUES, channels, rows["v"], 1)
                self.groups[f"{block}.values"][2].append(Member(mixed, 1, Side.TAKES))
            return
        heads = lengths["k"] // self.head_width if self.head_width > 0 else 0
        if not heads or lengths["k"] % self.head_width or channels % heads or lengths["v"] % heads:
            raise UnknownStructureError(f"{block}: {lengths['k']} keys are no heads of {self.head_width}")
        for role in "qkv":
            self.unit(f"{block}.heads", Kind.HEADS, heads, rows[role], lengths[role] // heads)
        self.groups[f"{block}.heads"][2].append(Member(mixed, 1, Side.TAKES, each=channels // heads))

    def unit(self, id: str, kind: Kind, size: int, places: list[tuple[str, int, int]], each: int) -> None:
        members = self.groups.setdefault(id, (kind, size, []))[2]
        for name, offset, _ in places:
            side = Side.GIVES if len(self.shapes[name]) == 2 else Side.FOLLOWS
            members.append(Member(name, 0, side, offset=offset, each=each))


def _role(rest: str, roles: dict[str, re.Pattern]) -> str | None:
    return next((role for role, pattern in roles.items() if pattern.search(rest)), None)


def _norm(tensors: list[str], reader: _Reader) -> tuple[str, ...]:
    """A norm's tensors, of which one has a factor for each channel of the stream."""
    for tensor in tensors:
        if reader.shapes[tensor] != (reader.width,):
            raise UnknownStructureError(
                f"{tensor}: expected a norm of {reader.width} channels, got the shape {reader.shapes[tensor]}"
            )
    if not any(canonical(tensor).endswith("weight") for tensor in tensors):
        raise UnknownStructureError(f"{tensors[0]}: expected a norm's weight beside its bias, found none")
    return tuple(tensors)


def transformer(shapes: Shapes, head_width: int | None = None) -> Structure:
    """The structure of a transformer.

    Args:
        shapes: by name.
        head_width: channels of a head, which no shape tells; without it, queries and keys have one order, and values
            and what takes them another.

    Raises:
        UnknownStructureError: where a tensor's part is not known.
    """
    reader = _Reader(shapes, head_width)
    stream = Group(id="stream", kind=Kind.STREAM, size=reader.width, members=tuple(reader.stream))
    groups = [stream]
    for id, (kind, size, members) in reader.groups.items():
        is_gated = any(member.side is Side.GIVES and not member.power for member in members)
        members = members if is_gated else [replace(member, power=0) for member in members]
        groups.append(Group(id=id, kind=kind, size=size, members=tuple(members)))
    check(groups, shapes)
    gains = [
        Gain(_norm(norm, reader), tuple(reader.takers[part]))
        for part, norm in reader.norms.items()
        if part in reader.takers
    ]
    is_whole = len(gains) == 2 * len(reader.blocks) + 1
    return Structure(
        groups=tuple(groups),
        gains=tuple(gains) if is_whole else (),
        blocks=tuple(reader.blocks),
        removable=tuple(reader.blocks),
        is_rotatable=is_whole and all(len(gain.norm) == 1 for gain in gains),
    )
