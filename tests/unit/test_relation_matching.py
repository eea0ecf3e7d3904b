"""Names, shapes, and which tensors belong together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.relation.matching import MatchedBy, match
from lineage.relation.sketch import Reason
from lineage.relation.tensor_names import canonical, heads, reason_against


@pytest.mark.parametrize(("name", "bare"), [
    ("module.model.layer1.weight", "layer1.weight"), ("backbone.fc.bias", "fc.bias"), ("models.x", "models.x"),
    ("_orig_mod.module.a", "a"),
])  # fmt: skip
def test_prefixes_of_wrappers_are_removed(name, bare):
    assert canonical(name) == bare


def test_matching_by_name_then_by_shape_and_order():
    child = {"module.a.weight": (8, 4), "x": (5, 5), "y": (5, 5), "z": (3, 9), "lost": (2, 2)}
    candidate = {"a.weight": (8, 4), "u": (5, 5), "v": (5, 5), "w": (9, 3), "extra": (7, 7)}
    found = match(child, candidate)
    assert found.pairs == {"module.a.weight": "a.weight", "x": "u", "y": "v", "z": "w"}
    assert "z" in found.transposed
    assert found.only_child == ["lost"]
    assert found.only_candidate == ["extra"]


def test_shapes_that_are_unequally_many_are_not_matched_by_order():
    assert match({"a": (4, 4), "b": (4, 4)}, {"c": (4, 4)}).pairs == {}


def test_heads_tables_and_attention_are_told_by_name_and_shape():
    shapes = {
        "patch_embed.proj.weight": (96, 3, 4, 4), "pos_embed.weight": (50, 96), "blocks.0.attn.qkv.weight": (288, 96),
        "blocks.0.attn.proj.weight": (96, 96), "blocks.0.mlp.fc1.weight": (384, 96), "head.weight": (10, 96),
    }  # fmt: skip
    assert heads(shapes) == {"head.weight"}
    against = {name for name in shapes if reason_against(name, shapes)}
    assert against == {"pos_embed.weight", "blocks.0.attn.qkv.weight"}


shapes = st.lists(st.sampled_from([(4, 4), (3, 5), (5, 3), (6,), (2, 3, 4)]), max_size=8)


@given(shapes, st.permutations(range(8)), st.booleans())
def test_tensors_in_any_order_are_matched_by_their_names_even_transposed(given, order, transposed):
    """The child is the candidate with its tensors in another order and, perhaps, its matrices transposed."""
    candidate = {f"t{number}": shape for number, shape in enumerate(given)}
    child = {
        f"module.{name}": candidate[name][::-1]
        if transposed and len(candidate[name]) == 2
        else candidate[name]
        for name in sorted(candidate, key=lambda name: order[int(name[1:])])
    }
    found = match(child, candidate)
    assert found.pairs == {name: name.removeprefix("module.") for name in child}
    assert set(found.how.values()) <= {MatchedBy.NAME}
    oblong = {name for name, shape in child.items() if len(shape) == 2 and shape[0] != shape[1]}
    squares = {name for name, shape in child.items() if shape == (4, 4)}
    assert found.transposed == (oblong | squares if transposed and oblong else set())


@given(shapes, shapes)
def test_no_tensor_is_matched_twice_and_shapes_always_agree(of_child, of_candidate):
    child = {f"a{number}": shape for number, shape in enumerate(of_child)}
    candidate = {f"b{number}": shape for number, shape in enumerate(of_candidate)}
    found = match(child, candidate)
    assert len(set(found.pairs.values())) == len(found.pairs)
    for name, partner in found.pairs.items():
        expected = child[name][::-1] if name in found.transposed else child[name]
        assert candidate[partner] == expected
    assert set(found.only_child) == child.keys() - found.pairs.keys()
    assert set(found.only_candidate) == candidate.keys() - set(found.pairs.values())


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        ("rnn.weight_hh_l0", (64, 16), Reason.RECURRENT),
        ("wte.weight", (500, 64), Reason.TABLE),
        ("blocks.0.attn.qkv.weight", (288, 96), Reason.ATTENTION),
        ("encoder.attn.query.weight", (96, 96), Reason.ATTENTION),
        ("mixer.fused.weight", (288, 96), Reason.FUSED_ATTENTION),
        ("layer1.conv.weight", (64, 64, 3, 3), None),
        ("patch_embedding.projection.weight", (96, 3, 4, 4), None),
    ],
)
def test_a_name_or_a_shape_says_why_rows_have_a_fixed_order(name, shape, reason):
    assert reason_against(name, {name: shape}) is reason
