"""A tensor's name and its part in a network, from names and shapes alone, where no architecture is known.

Names are hypotheses: a word counts only in the tensor's own module, and only where shape and neighbours agree.
"""

import functools
import re
from collections.abc import Iterable, Mapping

from lineage.relation.gates import gates_of, inputs_of, is_recurrent
from lineage.relation.sketch import Reason

PREFIXES = ("module.", "model.", "backbone.", "_orig_mod.", "net.", "network.", "state_dict.", "base_model.")
"""What wrappers put before names; removed as often as they occur."""
TOKENS = re.compile(r"[._/:]+")
NUMBERS = re.compile(r"(\d+)")
DECODER = re.compile(r"(?<![a-z])dec(oder)?(?![a-z])")
PROJECTION = re.compile(r"(?<![a-z])(k|o|out)(?=_proj(?![a-z]))")
BEFORE = {"k": "q~k", "o": "v~o", "out": "v~out"}
"""Of an attention's matrices, which ones stand right after the queries', and after the values'."""
LEAVES = {
    "kernel": "weight", "gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
    "moving_variance": "running_var", "depthwise_kernel": "weight", "embeddings": "weight",
}  # fmt: skip
"""What Keras calls what PyTorch calls otherwise."""
VARIANCES = "running_var"
"""What BatchNorm alone has, which can be folded into the layer before it."""
HEADS = {"head", "heads", "logits"}
LAST_OF = {"fc", "classifier", "classif", "out", "output"}
"""Names of heads that hidden layers have as well; only the last such matrix is a head."""
POSITIONS = {"pos", "position", "positions", "positional", "rel", "relative", "rope", "wpe"}
ANCHORED = (
    POSITIONS
    | {"freq", "freqs", "inv", "mask", "index", "anchor", "anchors", "table", "wte", "tokens", "token", "word"}
    | {"embedding", "embeddings", "shared"}
)  # fmt: skip
"""Parts of tables, whose rows have a fixed order: positions, words."""
FUSED = {"qkv", "kv"}
QUERIES, KEYS, VALUES = (
    {"q", "query", "queries", "wq"},
    {"k", "key", "keys", "wk"},
    {"v", "value", "values", "wv"},
)
"""Attention's inputs, whose rows may only change places within a head."""
ATTENTION, OUTPUTS_OF_ATTENTION = ("attn", "attention", "mha"), {"proj", "out", "dense", "o", "wo"}
"""Of what stands in an attention's module, its output alone has free rows."""
DIGITS = "0123456789"
LOSSES = {"loss", "losses", "lpips", "perceptual", "criterion"}
"""Modules that a network is trained with, not of the network."""
NORMALISED = re.compile(r"weight_[gv]$")
"""The parts of a weight that is stored as a size and a direction; the v is no attention's."""


@functools.lru_cache(maxsize=2**16)
def canonical(name: str) -> str:
    """A tensor's name as PyTorch has it, without what wrappers put before it."""
    name = name.removesuffix(":0").replace("/", ".")
    while prefix := next((prefix for prefix in PREFIXES if name.startswith(prefix)), None):
        name = name.removeprefix(prefix)
    module, _, leaf = name.rpartition(".")
    return f"{module}.{LEAVES.get(leaf, leaf)}" if module else name


def layer_of(name: str) -> str:
    """The layer that a tensor belongs to: its name without the last part."""
    return canonical(name).rpartition(".")[0] or canonical(name)


@functools.lru_cache(maxsize=2**16)
def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts `layer.2` before `layer.10`, and an encoder before its decoder."""
    parts = NUMBERS.split(as_passed(canonical(name)))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def as_passed(name: str) -> str:
    """A name, or a part of one, in whose order data pass: a decoder after its encoder, keys after queries."""
    return PROJECTION.sub(lambda found: BEFORE[found[1]], DECODER.sub(r"enc\1~", name))


def in_order(names: Iterable[str]) -> list[str]:
    """Names in the order of the file; in natural order if the file has sorted them, as safetensors does."""
    names = list(names)
    return sorted(names, key=natural) if names == sorted(names) else names


def wrapper_of(names: Iterable[str]) -> str:
    """What stands before every name of a model: the part that all share, up to a dot."""
    paths = [canonical(name).split(".")[:-1] for name in names]
    if len(paths) < 2:
        return ""
    shared = 0
    while all(len(path) > shared and path[shared] == paths[0][shared] for path in paths):
        shared += 1
    return "".join(f"{part}." for part in paths[0][:shared])


def matrices(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Names of the tensors with rows and columns."""
    return [name for name, shape in shapes.items() if len(shape) >= 2 and shape[0] > 1]


def heads(shapes: Mapping[str, tuple[int, ...]]) -> set[str]:
    """The matrices that look like the head: by their name, or else by their place at the end."""
    wrapper, ordered = wrapper_of(shapes), in_order(shapes)
    linear = [name for name in ordered if len(shapes[name]) == 2 or shapes[name][2:] == (1, 1)]
    by_name = {name for name in linear if _is_called_head(canonical(name).removeprefix(wrapper))}
    called = [name for name in linear if not LAST_OF.isdisjoint(_words(_module(name)))]
    if not by_name and called:
        by_name = {called[-1]}
    return by_name or set([name for name in ordered if _may_be_head(name, shapes[name])][-1:])


def _may_be_head(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a tensor may be a head for its place at the end: of one output too, but no recurrent layer."""
    is_of_one = (
        len(shape) >= 2 and shape[0] == 1 and shape[1] > 1 and all(length == 1 for length in shape[2:])
    )
    return (is_of_one or (len(shape) >= 2 and shape[0] > 1)) and not is_recurrent(name)


def _is_called_head(name: str) -> bool:
    """Whether some part of a name's path calls it a head, and not one of several of attention."""
    paths = [set(_words(part)) for part in name.split(".")]
    return any(HEADS & words and not {*ATTENTION, "multi", "num"} & words for words in paths)


def reason_against(name: str, shapes: Mapping[str, tuple[int, ...]]) -> Reason | None:
    """Why the order of a matrix' rows may not be free, as far as its name and shape say; None if it may."""
    shape = shapes[name]
    if is_recurrent(name):
        return None if gates_of(name, shapes) or inputs_of(name, shapes) else Reason.RECURRENT
    if _is_of_a_loss(name) and not all(map(_is_of_a_loss, matrices(shapes))):
        return Reason.LOSS
    if _is_table(name, shape):
        return Reason.TABLE
    if shape[2:] in ((), (1,), (1, 1)) and _is_input_of_attention(name, shapes):
        return Reason.ATTENTION
    if len(shape) == 2 and shape[0] == 3 * shape[1] and shape[1] >= 32:
        return Reason.FUSED_ATTENTION
    return None


def _is_table(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a matrix is called a table; a kernel, or a layer by its number alone, is none."""
    module, leaf = _module(name), _leaf(name)
    words = set(_words(leaf)) | (set() if _is_numbered(name) else set(_words(module)))
    is_kernel = len(shape) >= 4 or (len(shape) == 3 and leaf == "weight")
    return bool(ANCHORED & words) and not is_kernel and not {"patch", "proj", "projection"} & words


def is_of_positions(name: str) -> bool:
    """Whether a tensor is called a table of positions."""
    return not POSITIONS.isdisjoint(_words(f"{_module(name)}.{_leaf(name)}"))


def _is_input_of_attention(name: str, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether a matrix is one of attention's inputs, or all of them: by its name and what stands beside it."""
    own = set(_words(_module(name))) | set(_words(_leaf(name)))
    kinds = [words for words in (QUERIES, KEYS, VALUES) if words & own]
    if FUSED & own or len(kinds) > 1 or ("in" in own and shapes[name][0] == 3 * shapes[name][1]):
        return True
    others = QUERIES | KEYS | VALUES | FUSED
    if any(_is_beside(name, beside, words, others - words) for words in kinds for beside in shapes):
        return True
    last = [words[-1] for part in _path(name)[-3:] if (words := _words(part))]
    is_inside = any(word.rstrip(DIGITS).endswith(ATTENTION) for word in last)
    is_output = bool(OUTPUTS_OF_ATTENTION & own) and "c" not in own and not kinds
    return is_inside and not is_output


def _is_beside(name: str, beside: str, words: set[str], others: set[str]) -> bool:
    """Whether the name of a tensor beside it differs in one word: a key for a query."""
    ours, theirs = _words(canonical(name)), _words(canonical(beside))
    if len(ours) != len(theirs):
        return False
    different = [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]]
    return len(different) == 1 and different[0][0] in words and different[0][1] in others


def _is_of_a_loss(name: str) -> bool:
    return not LOSSES.isdisjoint(_words(canonical(name)))


def _path(name: str) -> list[str]:
    """The modules that a tensor lies in, without those that are numbers alone."""
    return [part for part in canonical(name).split(".")[:-1] if not part.isdigit()]


def _module(name: str) -> str:
    """The module that a tensor lies in: the last part of its path that is no number."""
    return (_path(name) or [canonical(name)])[-1]


def _leaf(name: str) -> str:
    return NORMALISED.sub("weight", canonical(name).rpartition(".")[2])


def _is_numbered(name: str) -> bool:
    """Whether a tensor's own module is a number, so that the words before it are a container's."""
    return canonical(name).rpartition(".")[0].rpartition(".")[2].isdigit()


def _words(text: str) -> list[str]:
    return [word for word in TOKENS.split(text.lower()) if word]
