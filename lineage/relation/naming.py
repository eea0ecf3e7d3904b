"""A tensor's part in a network, from names and shapes alone, where no architecture is known."""

import re
from collections.abc import Mapping

import numpy as np

from lineage.relation.sketch import Reason

PREFIXES = ("module.", "model.", "backbone.", "_orig_mod.", "net.", "network.", "state_dict.", "base_model.")
"""What wrappers put before names; removed as often as they occur."""
TOKENS = re.compile(r"[._/:]+")
HEADS = {"head", "heads", "logits"}
LAST_OF = {"fc", "classifier", "classif", "out", "output"}
"""Names of heads that hidden layers have as well; only the last such matrix is a head."""
ANCHORED = (
    {"pos", "position", "positions", "positional", "rel", "relative", "rope", "freq", "freqs", "inv", "mask", "index"}
    | {"anchor", "anchors", "table", "wte", "wpe", "tokens", "token", "word", "embedding", "embeddings", "shared"}
)  # fmt: skip
"""Parts of tables, whose rows have a fixed order: positions, words."""
INPUTS_OF_ATTENTION = (
    {"qkv", "q", "k", "v", "kv", "query", "key", "value", "queries", "keys", "values"}
)  # fmt: skip
"""Attention's inputs, whose rows may only change places within a head."""
ATTENTION, OUTPUTS_OF_ATTENTION = {"attn", "attention", "mha"}, {"proj", "out", "dense", "o", "wo"}
"""Of what stands in an attention's module, its output alone has free rows."""
LOSSES = {"loss", "losses", "lpips", "perceptual", "criterion"}
"""Modules that a network is trained with, not of the network."""
NORMALISED = re.compile(r"weight_[gv]$")
"""The parts of a weight that is stored as a size and a direction; the v is no attention's."""
GATES = (1, 3, 4)
"""Of a plain recurrent layer, a GRU and an LSTM."""
TIED = ("weight_hh", "weight_ih", "recurrent_kernel")
"""Recurrent layers, whose rows and columns are the same neurons."""


def canonical(name: str) -> str:
    """A tensor's name without what wrappers put before it."""
    while prefix := next((prefix for prefix in PREFIXES if name.startswith(prefix)), None):
        name = name.removeprefix(prefix)
    return name


def layer_of(name: str) -> str:
    """The layer that a tensor belongs to: its name without the last part."""
    return canonical(name).rpartition(".")[0] or canonical(name)


def matrices(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Names of the tensors with rows and columns."""
    return [name for name, shape in shapes.items() if len(shape) >= 2 and shape[0] > 1]


def heads(shapes: Mapping[str, tuple[int, ...]]) -> set[str]:
    """The matrices that look like the head: by their name, or else by their place at the end."""
    linear = [name for name in shapes if len(shapes[name]) == 2 or shapes[name][2:] == (1, 1)]
    by_name = {name for name in linear if not HEADS.isdisjoint(_parts(name))}
    called = [name for name in linear if not LAST_OF.isdisjoint(_parts(name))]
    if not by_name and called:
        by_name = {called[-1]}
    return by_name or set(matrices(shapes)[-1:])


def reason_against(name: str, shapes: Mapping[str, tuple[int, ...]]) -> Reason | None:
    """Why the order of a matrix' rows may not be free, as far as its name and shape say; None if it may."""
    parts, shape = set(_parts(name)), shapes[name]
    if any(tie in name for tie in TIED):
        return None if gates_of(name, shapes) else Reason.RECURRENT
    if _is_of_a_loss(name) and not all(map(_is_of_a_loss, matrices(shapes))):
        return Reason.LOSS
    if ANCHORED & parts and not {"patch", "proj", "projection"} & parts:
        return Reason.TABLE
    if {"qkv", "in"} & parts and shape[0] == 3 * shape[1]:
        return Reason.ATTENTION
    if INPUTS_OF_ATTENTION & parts or (ATTENTION & parts and not _is_output(parts)):
        return Reason.ATTENTION
    if len(shape) == 2 and shape[0] == 3 * shape[1] and shape[1] >= 32:
        return Reason.FUSED_ATTENTION
    return None


def _is_output(parts: set[str]) -> bool:
    """Whether what stands in an attention's module is its output; GPT-2's `c_proj` has the heads in its rows."""
    return bool(OUTPUTS_OF_ATTENTION & parts) and "c" not in parts


def _is_of_a_loss(name: str) -> bool:
    return not LOSSES.isdisjoint(_parts(name))


def gates_of(name: str, shapes: Mapping[str, tuple[int, ...]]) -> int | None:
    """How many gates a recurrent layer's input weights [gates · neurons, inputs] stack; None of other matrices.

    The layer's recurrent weights [gates · neurons, neurons] tell.
    """
    recurrent = shapes.get(name.replace("weight_ih", "weight_hh"), ())
    if "weight_ih" not in name or len(recurrent) != 2 or recurrent[0] % recurrent[1]:
        return None
    gates = recurrent[0] // recurrent[1]
    return gates if gates in GATES and shapes[name][0] == recurrent[0] else None


def by_neuron(values: np.ndarray, gates: int) -> np.ndarray:
    """Input weights of all gates [gates · neurons, inputs] as one row a neuron: [neurons, gates · inputs].

    A recurrent layer's neurons may change places if those of all its gates do.
    """
    stacked = values.reshape(gates, len(values) // gates, -1)
    return stacked.transpose(1, 0, 2).reshape(stacked.shape[1], -1)


def _parts(name: str) -> list[str]:
    words = TOKENS.split(NORMALISED.sub("weight", canonical(name).lower()))
    return [part for word in words for part in word.split("_")]
