"""Adapters of products, Kronecker products, kernels in three parts, and factors: merged as their papers' sums say."""

import numpy as np
import pytest
from saved_adapters import saved
from small_networks import ROOTS, child_of

from lineage.auditing.run import audit
from lineage.checkpoints.adapters.merging import merged
from lineage.checkpoints.adapters.parts import kind_not_merged, parts_of, shapes_of
from lineage.checkpoints.read import open_model
from lineage.errors import UserError

PREFIX = "base_model.model."
BASE = {"fc.weight": (12, 8), "fc.bias": (12,), "conv.weight": (6, 4, 3, 3), "norm.weight": (8,)}
"""Lengths that differ, so that a product in the wrong order has another shape."""


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([*shape, seed]).normal(size=shape).astype(np.float32)


STATE = {name: drawn(*shape) for name, shape in BASE.items()}


def around(core: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The sum over both axes of a core [a, b, ...] between [p, a] and [b, q], term by term."""
    found = np.zeros((len(left), right.shape[1], *core.shape[2:]))
    for a in range(core.shape[0]):
        for b in range(core.shape[1]):
            found += np.multiply.outer(np.outer(left[:, a], right[b]), core[a, b])
    return found


def kronecker(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Blocks of the second, each times an entry of the first."""
    found = np.zeros((len(first) * len(second), first.shape[1] * second.shape[1], *second.shape[2:]))
    for i in range(first.shape[0]):
        for j in range(first.shape[1]):
            rows, columns = (
                slice(i * len(second), (i + 1) * len(second)),
                slice(j * second.shape[1], (j + 1) * second.shape[1]),
            )
            found[rows, columns] = first[i, j] * second
    return found


def loha(outputs: int, inputs: int, rank: int = 2) -> dict[str, np.ndarray]:
    sides = {f"hada_w{number}_a": drawn(outputs, rank, seed=number) for number in (1, 2)}
    return sides | {f"hada_w{number}_b": drawn(rank, inputs, seed=number) for number in (1, 2)}


def product_of(factors, number: int) -> np.ndarray:
    """One of the two whose product, entry by entry, is the change."""
    left, right = (factors[f"hada_w{number}_{side}"] for side in "ab")
    core = factors.get(f"hada_t{number}")
    return left @ right if core is None else around(core, left.T, right)


def of_loha(factors) -> np.ndarray:
    return product_of(factors, 1) * product_of(factors, 2)


def of_lokr(factors) -> np.ndarray:
    first = factors["lokr_w1"] if "lokr_w1" in factors else factors["lokr_w1_a"] @ factors["lokr_w1_b"]
    if "lokr_w2" in factors:
        return kronecker(first, factors["lokr_w2"])
    left, right = factors["lokr_w2_a"], factors["lokr_w2_b"]
    if "lokr_t2" in factors:
        return kronecker(first, around(factors["lokr_t2"], left.T, right))
    second = left @ right
    return kronecker(first, second.reshape(len(second), -1, 3, 3) if second.shape[1] == 18 else second)


def of_locon(factors) -> np.ndarray:
    down, mid, up = (factors[f"lora_{name}.weight"] for name in ("down", "mid", "up"))
    return around(mid, up[:, :, 0, 0], down[:, :, 0, 0])


CORES = {f"hada_t{number}": drawn(2, 2, 3, 3, seed=number) for number in (1, 2)}
ENDS = {
    f"hada_w{number}_{side}": drawn(2, n, seed=number)
    for number in (1, 2)
    for side, n in (("a", 6), ("b", 4))
}
FLAT = {"lokr_w2_a": drawn(3, 2), "lokr_w2_b": drawn(2, 2 * 9)}
AROUND = {"lokr_t2": drawn(2, 2, 3, 3), "lokr_w2_a": drawn(2, 3), "lokr_w2_b": drawn(2, 2)}
LOCON = {"lora_down.weight": drawn(2, 4, 1, 1), "lora_mid.weight": drawn(2, 2, 3, 3)}
LOW_RANK = {
    "lokr_w1_a": drawn(3, 2),
    "lokr_w1_b": drawn(2, 4),
    "lokr_w2_a": drawn(4, 2),
    "lokr_w2_b": drawn(2, 2),
}
FACTORS = {  # the layer, its factors, and the formula of what is added to its weights, before it is scaled
    "LoHa": ("fc", loha(12, 8), of_loha),
    "LoHa of flat kernels": ("conv", loha(6, 4 * 9), of_loha),
    "LoHa of kernels in three parts": ("conv", CORES | ENDS, of_loha),
    "LoKr of whole factors": ("fc", {"lokr_w1": drawn(3, 2), "lokr_w2": drawn(4, 4)}, of_lokr),
    "LoKr of products": ("fc", LOW_RANK, of_lokr),
    "LoKr of kernels": ("conv", {"lokr_w1": drawn(2, 2), "lokr_w2": drawn(3, 2, 3, 3)}, of_lokr),
    "LoKr of flat kernels": ("conv", {"lokr_w1": drawn(2, 2), **FLAT}, of_lokr),
    "LoKr of kernels in three parts": ("conv", {"lokr_w1": drawn(2, 2), **AROUND}, of_lokr),
    "LoRA of kernels in three parts": ("conv", LOCON | {"lora_up.weight": drawn(6, 2, 1, 1)}, of_locon),
}
CASES = {case: (layer, factors, formula(factors)) for case, (layer, factors, formula) in FACTORS.items()}
KEYS = {"LoRA": "lora_alpha"}


@pytest.mark.parametrize("case", CASES)
def test_weights_are_the_bases_plus_what_the_papers_formula_gives(tmp_path, case):
    layer, factors, change = CASES[case]
    config = {"r": 2, KEYS.get(case[:4], "alpha"): 3}
    tensors = {f"{PREFIX}{layer}.{name}": values for name, values in factors.items()}
    adapter = saved(tmp_path / "a" / "adapter_model.safetensors", tensors, **config)
    whole = merged(adapter, saved(tmp_path / "base.safetensors", STATE))
    expected = STATE[f"{layer}.weight"] + 3 / 2 * change.reshape(BASE[f"{layer}.weight"])
    assert np.allclose(whole.read(f"{layer}.weight"), expected, atol=1e-4)
    assert whole.entries.keys() == STATE.keys()
    assert all(np.array_equal(whole.read(name), STATE[name]) for name in STATE if name != f"{layer}.weight")


@pytest.mark.parametrize(
    ("case", "scale"), [("LoHa", 1.5), ("LoKr of whole factors", 1), ("LoKr of products", 1.5)]
)
def test_a_scale_beside_the_factors_is_over_their_rank_where_they_have_one(tmp_path, case, scale):
    layer, factors, change = CASES[case]
    tensors = {f"lora_unet_{layer}.{name}": values for name, values in factors.items()}
    tensors[f"lora_unet_{layer}.alpha"] = np.float32(3)
    adapter = saved(tmp_path / "k.safetensors", tensors)
    whole = merged(adapter, saved(tmp_path / "b" / "base.safetensors", STATE))
    expected = STATE[f"{layer}.weight"] + scale * change
    assert np.allclose(whole.read(f"{layer}.weight"), expected, atol=1e-4)


@pytest.mark.parametrize("is_turned", [False, True], ids=["as PyTorch", "as GPT-2"])
@pytest.mark.parametrize("of", ["outputs", "inputs"])
def test_ia3_multiplies_outputs_with_their_biases_or_inputs(tmp_path, of, is_turned):
    weights = STATE["fc.weight"]
    sizes = drawn(12, 1) if of == "outputs" else drawn(1, 8)
    expected = np.array(
        [[weights[i, j] * sizes[i % len(sizes), j % sizes.shape[1]] for j in range(8)] for i in range(12)]
    )
    base = STATE | ({"fc.weight": weights.T} if is_turned else {})
    adapter = saved(tmp_path / "a" / "x.safetensors", {f"{PREFIX}fc.ia3_l": sizes}, fan_in_fan_out=is_turned)
    whole = merged(adapter, saved(tmp_path / "base.safetensors", base))
    assert np.allclose(whole.read("fc.weight"), expected.T if is_turned else expected, atol=1e-6)
    bias = STATE["fc.bias"] * (sizes[:, 0] if of == "outputs" else 1)
    assert np.allclose(whole.read("fc.bias"), bias, atol=1e-6)


def test_a_bias_of_an_adapter_is_added_to_the_bases_with_the_scale(tmp_path):
    tensors = {"fc.lora_A.weight": drawn(2, 8), "fc.lora_B.weight": drawn(12, 2), "fc.lora_B.bias": drawn(12)}
    adapter = saved(
        tmp_path / "a" / "x.safetensors", {f"{PREFIX}{n}": v for n, v in tensors.items()}, lora_alpha=3
    )
    whole = merged(adapter, saved(tmp_path / "base.safetensors", STATE))
    assert np.allclose(whole.read("fc.bias"), STATE["fc.bias"] + 1.5 * tensors["fc.lora_B.bias"], atol=1e-6)


def test_rows_of_products_have_the_lengths_that_are_given_beside_them(tmp_path):
    layer, factors, _ = CASES["LoHa"]
    lengths = np.linspace(1, 2, 12).astype(np.float32)[:, None]
    tensors = {
        f"{PREFIX}{layer}.{name}": values for name, values in (factors | {"dora_scale": lengths}).items()
    }
    whole = merged(
        saved(tmp_path / "a.safetensors", tensors), saved(tmp_path / "b" / "base.safetensors", STATE)
    )
    assert np.allclose(np.linalg.norm(whole.read("fc.weight"), axis=1), lengths[:, 0], atol=1e-5)


def test_a_rule_of_scales_that_is_not_known_is_one_line(tmp_path):
    layer, factors, _ = CASES["LoHa"]
    tensors = {f"{PREFIX}{layer}.{name}": values for name, values in factors.items()}
    adapter = saved(tmp_path / "a" / "x.safetensors", tensors, alpha=3, init_weights="abba")
    whole = merged(adapter, saved(tmp_path / "base.safetensors", STATE))
    with pytest.raises(UserError, match=r"fc\.weight.*asks for ABBA"):
        whole.read("fc.weight")


@pytest.mark.parametrize("case", CASES)
def test_a_layer_whose_factors_do_not_fit_each_other_or_lack_one_is_not_merged(case):
    layer, factors, _ = CASES[case]
    shapes = {f"{layer}.{name}": values.shape for name, values in factors.items()}
    assert parts_of(shapes)
    assert kind_not_merged(shapes) is None
    for name in shapes:
        rest = {other: shape for other, shape in shapes.items() if other != name}
        if not name.endswith("lora_mid.weight"):  # without it, two factors remain that fit
            assert not parts_of(rest), name
        odd = shapes | {name: (7, *shapes[name], 5)}
        if not name.endswith("lokr_w2"):  # of any shape alone
            assert not parts_of(odd)
            assert kind_not_merged(odd).startswith(case[:4])


@pytest.mark.parametrize("shape", [(), (0,), (0, 0), (1, 1), (3, 2, 2), (2**40, 1)])
def test_factors_of_odd_shapes_raise_nothing(shape):
    for _, factors, _ in CASES.values():
        for odd in factors:
            shapes = {f"m.{name}": shape if name == odd else values.shape for name, values in factors.items()}
            assert parts_of(shapes) or kind_not_merged(shapes)


@pytest.mark.parametrize("kind", ["LoHa", "LoKr", "IA3"])
def test_a_child_of_a_merged_adapter_has_it_as_its_closest_candidate(tmp_path, kind):
    modules = [
        name.removesuffix(".weight") for name in ROOTS["p2"] if name.startswith("layer") and "weight" in name
    ]
    tensors = {}
    for module in modules:
        outputs, inputs = ROOTS["p2"][f"{module}.weight"].shape
        factors = {
            "LoHa": {name: 0.4 * values for name, values in loha(outputs, inputs).items()},
            "LoKr": {"lokr_w1": 0.04 * drawn(2, 2), "lokr_w2": drawn(outputs // 2, inputs // 2)},
            "IA3": {"ia3_l": 1 + 0.3 * drawn(outputs, 1)},
        }[kind]
        tensors |= {f"{PREFIX}{module}.{name}": np.float32(values) for name, values in factors.items()}
    for name, state in ROOTS.items():
        saved(tmp_path / "bases" / f"{name}.safetensors", state)
    adapter = saved(
        tmp_path / "adapter" / "adapter_model.safetensors", tensors, base_model_name_or_path="hub/p2"
    )
    whole = merged(adapter, open_model(tmp_path / "bases" / "p2.safetensors"))
    saved(tmp_path / "merged.safetensors", {name: whole.read(name) for name in whole.entries})
    saved(tmp_path / "child.safetensors", child_of({name: whole.read(name) for name in whole.entries}, 5))
    bases = [tmp_path / "bases" / f"{name}.safetensors" for name in ROOTS]
    given = [*bases, tmp_path / "adapter" / "adapter_model.safetensors"]
    same = audit(tmp_path / "merged.safetensors", given, store_digests=False)
    assert (same.verdict, same.closest) == ("same weights", "adapter_model")
    tuned = audit(tmp_path / "child.safetensors", given, store_digests=False)
    assert "adapter_model" in tuned.family
    alone = audit(tmp_path / "adapter" / "adapter_model.safetensors", bases, store_digests=False)
    assert alone.verdict == "cannot tell"
    assert "no more of its base than their names and shapes" in alone.reason
    assert shapes_of(adapter)
