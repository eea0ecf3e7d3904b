"""Matrices that lie head by head or neuron by neuron in others, and recurrent layers that no name tells."""

import numpy as np
import pytest
import torch
from audited_tensors import audit_in_order
from safetensors.numpy import save_file
from small_transformers import Tensors, llama, tuned

from lineage.auditing.stages.verdict import Word
from lineage.checkpoints.plain.recurrent import gates_in_order
from lineage.checkpoints.read import open_model
from lineage.relation.structure.weaving import unwoven, weave_of, woven

LLAMA, OTHER = llama(1), llama(2)


def head_by_head(tensors: Tensors, heads: int) -> Tensors:
    """As BLOOM and GPT-NeoX have them: of each head its queries, keys and values."""
    return fused(tensors, [("self_attn.", "qkv", "self_attn.query_key_value.weight")], heads)


def fused(tensors: Tensors, groups, shares: int) -> Tensors:
    found = dict(tensors)
    for stem, parts, called in groups:
        for name in tensors:
            if name.endswith(f"{stem}{parts[0]}_proj.weight"):
                block = name.partition(stem)[0]
                names = [f"{block}{stem}{part}_proj.weight" for part in parts]
                rows = [np.array_split(found.pop(each), shares) for each in names]
                found[block + called] = np.concatenate([part[at] for at in range(shares) for part in rows])
    return found


def neuron_by_neuron(tensors: Tensors) -> Tensors:
    """Gates and ups in turn, as MXFP4's models have them."""
    return fused(tensors, [("mlp.", ("gate", "up"), "mlp.gate_up_proj.weight")], 80)


def with_few_keys(tensors: Tensors) -> Tensors:
    """Half as many keys and values as queries."""
    return {
        name: values[:16] if "k_proj" in name or "v_proj" in name else values
        for name, values in tensors.items()
    }


WEAVES = {
    "heads of 8": lambda tensors: head_by_head(tensors, 4),
    "heads of 2": lambda tensors: head_by_head(tensors, 16),
    "groups of two heads": lambda tensors: head_by_head(with_few_keys(tensors), 4),
    "gates and ups": neuron_by_neuron,
    "both": lambda tensors: neuron_by_neuron(head_by_head(tensors, 4)),
}


@pytest.mark.parametrize("weave", WEAVES)
@pytest.mark.parametrize("is_child_fused", [True, False])
def test_what_lies_head_by_head_in_one_network_is_paired_row_by_row(tmp_path, weave, is_child_fused):
    few = "two" in weave
    apart = [with_few_keys(each) if few else each for each in (tuned(LLAMA, 5), LLAMA, OTHER)]
    together = [WEAVES[weave](each) for each in (tuned(LLAMA, 5), LLAMA, OTHER)]
    child = together[0] if is_child_fused else apart[0]
    parent, other = apart[1:] if is_child_fused else together[1:]
    audit = audit_in_order(tmp_path, child, parent=parent, other=other)
    assert audit.verdict.family == ["parent"]
    matching = audit.candidates[0].matching
    assert set(matching.pairs) == set(child)
    found = audit_in_order(tmp_path, apart[0], parent=apart[1], other=apart[2]).places[0].distance
    assert audit.places[0].distance == pytest.approx(found, rel=0.3)


def test_rows_come_back_out_of_what_they_were_woven_into():
    drawn = np.random.default_rng(0)
    parts = [drawn.normal(size=(rows, 40)) for rows in (24, 8, 8)]
    matrix = woven(parts, 4)
    assert np.array_equal(matrix[:10], np.concatenate([parts[0][:6], parts[1][:2], parts[2][:2]]))
    for part, rows in zip(parts, ((0, 24), (24, 32), (32, 40)), strict=True):
        assert np.array_equal(unwoven(matrix, 4, rows), part)


def test_strangers_are_woven_of_nothing():
    drawn = np.random.default_rng(0)
    samples = {name: drawn.normal(size=(16, 64)) for name in "abc"}
    assert weave_of(drawn.normal(size=(48, 64)), dict.fromkeys("abc", 16), samples, 0.5) is None


class Tagger(torch.nn.Module):
    """A recurrent network of PyTorch's own layers."""

    def __init__(self, kind: str, inputs: int, seed: int):
        torch.manual_seed(seed)
        super().__init__()
        self.rnn = getattr(torch.nn, kind)(inputs, 24, num_layers=2)
        self.out = torch.nn.Linear(24, 30)
        self.head = torch.nn.Linear(30, 5)


def state(kind: str, inputs: int, seed: int) -> Tensors:
    return {name: value.numpy() for name, value in Tagger(kind, inputs, seed).state_dict().items()}


def moved(tensors: Tensors, seed: int) -> Tensors:
    drawn = np.random.default_rng(seed)
    return {
        name: values + 0.05 * drawn.normal(size=values.shape) * values.std()
        for name, values in tensors.items()
    }


def numbered(tensors: Tensors) -> Tensors:
    return {f"arr_{number}": values for number, values in enumerate(tensors.values())}


def turned(tensors: Tensors) -> Tensors:
    """[inputs, outputs], as `Variable_3`."""
    return {
        f"Variable_{number}": values.T if values.ndim == 2 else values
        for number, values in enumerate(tensors.values())
    }


def called_otherwise(tensors: Tensors) -> Tensors:
    names = ("Wx", "Wh", "bx", "bh")
    return {
        (f"cell{number // 4}.{names[number % 4]}" if number < 8 else f"dense{number}"): values
        for number, values in enumerate(tensors.values())
    }


@pytest.mark.parametrize(("kind", "inputs", "spelling"), [
    ("LSTM", 20, numbered), ("LSTM", 24, numbered), ("GRU", 40, numbered), ("LSTM", 20, turned), ("LSTM", 40, turned),
    ("LSTM", 20, called_otherwise), ("GRU", 20, called_otherwise), ("GRU", 24, called_otherwise),
])  # fmt: skip
def test_recurrent_layers_that_no_name_tells_are_told_by_their_shapes(tmp_path, kind, inputs, spelling):
    child = spelling(moved(state(kind, inputs, 1), 3))
    found = audit_in_order(tmp_path, child, parent=state(kind, inputs, 1), other=state(kind, inputs, 2))
    assert found.verdict.family == ["parent"]
    assert sum("weight_hh" in name for name in found.child.digest.sketches) == 2
    lone = audit_in_order(tmp_path, child, other=state(kind, inputs, 2), third=state(kind, inputs, 4))
    assert lone.verdict.word is Word.NONE


def test_gates_and_ups_without_names_are_no_recurrent_layer(tmp_path):
    shapes = {"0": (64, 16), "1": (64, 16), "2": (16, 64), "3": (16,), "4": (64, 16), "5": (64, 16)}
    save_file(
        {name: np.ones(shape, np.float32) for name, shape in shapes.items()}, tmp_path / "m.safetensors"
    )
    entries, remark = gates_in_order(open_model(tmp_path / "m.safetensors").entries)
    assert list(entries) == list(shapes)
    assert remark is None


def twins(seed: int) -> Tensors:
    """Two networks of the same shapes in one file, for two rates of sound, say."""
    drawn, found = np.random.default_rng(seed), {}
    for rate in ("fast", "slow"):
        shapes = {
            "conv.weight": (64, 20, 3),
            "rnn.weight_ih": (128, 64),
            "rnn.weight_hh": (128, 32),
            "out.weight": (1, 32, 1),
        }
        found |= {f"{rate}.{name}": drawn.normal(size=shape) / 4 for name, shape in shapes.items()}
    return found


def exchanged(tensors: Tensors) -> Tensors:
    """The second network first, each in the branch of a condition."""
    branches = {"slow": "If_0_else__Inline_0__", "fast": "If_0_then__Inline_0__"}
    return {
        branch + name.partition(".")[2]: tensors[name]
        for rate, branch in branches.items()
        for name in tensors
        if name.startswith(rate)
    }


@pytest.mark.parametrize("spelling", [exchanged, lambda tensors: dict(reversed(tensors.items())), dict])
def test_what_stands_beside_a_matrix_follows_it_where_order_pairs_it_wrongly(tmp_path, spelling):
    found = audit_in_order(tmp_path, spelling(twins(1)), parent=twins(1), other=twins(2))
    assert (found.verdict.word, found.verdict.parent) == (Word.SAME, "parent")
    lone = audit_in_order(tmp_path, spelling(twins(1)), other=twins(2), third=twins(3))
    assert lone.verdict.word is Word.NONE
