"""Networks of unusual structure: they align if anything says how, and are refused in one line if nothing does."""

import numpy as np
import pytest
from torchvision import models

from lineage.relation.alignment.align import align
from lineage.relation.alignment.axes import Kind, UnknownStructureError
from lineage.relation.alignment.disguises import disguised, without_gains
from lineage.relation.alignment.structure import structure_of

OF_TWO_LAYERS = {"trunk.0": (64, 49), "trunk.2": (48, 64), "head.0": (32, 48), "head.2": (10, 32)}
OF_FC = {"features.0": (64, 49), "pre_logits.fc1": (32, 64), "pre_logits.fc2": (32, 32), "head.fc": (10, 32)}
BLOCK = "blocks.0"
ATTENTION = {
    "norm.weight": (16,),
    f"{BLOCK}.norm1.weight": (16,),
    f"{BLOCK}.self_attn.q_proj.weight": (16, 16),
    f"{BLOCK}.self_attn.k_proj.weight": (16, 16),
    f"{BLOCK}.self_attn.v_proj.weight": (16, 16),
    f"{BLOCK}.self_attn.out_proj.weight": (16, 16),
    "head.weight": (10, 16),
}
CHAIN = {"a.weight": (8, 9), "b.weight": (8, 8), "c.weight": (8, 8), "d.weight": (4, 8)}
SQUEEZING = {"features.1.block.conv.weight": (8, 8, 1, 1), "features.1.block.fc1.weight": (2, 8, 1, 1)}


def random(layers: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, np.ndarray]:
    """Weights of layers, drawn at random."""
    draw = np.random.default_rng(seed)
    return {f"{name}.weight": draw.normal(size=shape).astype(np.float32) for name, shape in layers.items()}


def near(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(9)
    return {
        name: (values + 0.1 * draw.normal(size=values.shape)).astype(np.float32)
        for name, values in state.items()
    }


@pytest.mark.parametrize("shapes", [OF_TWO_LAYERS, OF_FC])
def test_a_network_whose_head_has_two_layers_aligns_by_the_others(shapes):
    root = random(shapes)
    child = disguised(near(root), ["permute"], np.random.default_rng(3))
    found = align(child, root)
    first = next(iter(root))
    assert np.abs(found.tensors[first] - child[first]).max() < 1
    assert found.margin > 0.5
    assert align(child, random(shapes, 1)).margin < 0.2


def test_a_group_that_the_head_alone_tells_apart_is_not_thinned_by_a_guess():
    root = random(OF_TWO_LAYERS)
    with pytest.raises(UnknownStructureError, match=r"head.0: 24 of 32 units, and nothing but the head"):
        align(disguised(root, ["thin"], np.random.default_rng(0)), root)


def test_a_layer_of_one_unit_says_nothing_of_the_margin():
    shapes = {"a": (1, 9), "b": (8, 1), "c": (8, 8), "head": (4, 8)}
    assert np.isfinite(align(random(shapes), random(shapes, 1)).margin)


def test_numbers_that_are_not_finite_are_refused():
    root = random(OF_TWO_LAYERS)
    child = near(root)
    child["trunk.0.weight"][0, 0] = np.nan
    with pytest.raises(UnknownStructureError, match="expected finite numbers"):
        align(child, root)


def without(shapes: dict, *parts: str) -> dict:
    return {name: shape for name, shape in shapes.items() if not any(part in name for part in parts)}


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (without(ATTENTION, "k_proj"), "found no k"),
        (without(ATTENTION, "v_proj"), "found no v"),
        (ATTENTION | {f"{BLOCK}.self_attn.out_proj.weight": (16,)}, "expected a matrix"),
        (ATTENTION | {f"{BLOCK}.norm1.weight": (8,)}, "a norm of 16 channels"),
        (without(ATTENTION, "norm1") | {f"{BLOCK}.norm1.bias": (16,)}, "a norm's weight beside its bias"),
        (
            ATTENTION | {f"{BLOCK}.encoder_attention.attention.q_proj.weight": (16, 16)},
            "expected one attention",
        ),
        (CHAIN | {"b.weight": (0, 8), "c.weight": (8, 0)}, "expected numbers"),
        (CHAIN | {"bn.running_var": (8,)}, "both running_mean and running_var"),
        (
            SQUEEZING | {"features.1.block.fc2.weight": (9, 3, 1, 1), "head.weight": (4, 8)},
            "expected 8 channels",
        ),
        (
            {"features.1.block.fc2.weight": (8, 2, 1, 1)} | SQUEEZING | {"head.weight": (4, 8)},
            "no matrix before",
        ),
        (
            {"block.shortcut.0.weight": (8, 8), "stem.weight": (8, 9), "head.weight": (4, 8)},
            "matrices beside its shortcut",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(shapes, message):
    with pytest.raises(UnknownStructureError, match=message) as raised:
        structure_of(shapes)
    assert "\n" not in str(raised.value)


def test_heads_have_a_width():
    with pytest.raises(UnknownStructureError, match="are no heads of 0"):
        structure_of(ATTENTION, 0)
    assert structure_of(ATTENTION, 4).of_kind(Kind.HEADS)


def test_a_block_without_a_number_is_not_left_out():
    shapes = {"stem": (8, 9), "block.conv1": (8, 8), "block.conv2": (8, 8), "last": (8, 8), "head": (4, 8)}
    with pytest.raises(UnknownStructureError, match="block: expected a block with a number"):
        disguised(random(shapes), ["shorten"], np.random.default_rng(0))


def test_a_norm_whose_factors_keras_calls_gamma_has_them_moved():
    shapes = without(ATTENTION, "norm1") | {
        f"{BLOCK}.norm1.gamma": (16,),
        f"{BLOCK}.norm2.gamma": (16,),
        f"{BLOCK}.mlp.fc1.weight": (32, 16),
        f"{BLOCK}.mlp.fc2.weight": (16, 32),
    }
    structure = structure_of(shapes)
    draw = np.random.default_rng(0)
    moved = without_gains({name: draw.normal(size=shape) for name, shape in shapes.items()}, structure)
    assert len(structure.gains) == 3
    assert np.allclose(moved[f"{BLOCK}.norm1.gamma"], 1, atol=1e-3)


def test_a_residual_network_without_a_head_has_none():
    whole = {
        name: tuple(values.shape) for name, values in models.resnet18(num_classes=10).state_dict().items()
    }
    groups = [
        {(member.tensor, member.axis) for member in group.members if not member.tensor.startswith("fc")}
        for shapes in (whole, without(whole, "fc."))
        for group in structure_of(shapes).groups
    ]
    half = len(groups) // 2
    assert groups[:half] == groups[half:]
