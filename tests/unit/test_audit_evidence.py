"""Matching, digests, layers and mixtures, against planted truths and independent libraries."""

import itertools

import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy.optimize import lsq_linear

from lineage.auditing.audit import Audit, audit_sources
from lineage.auditing.stages.verdict import Evidence, Word, decide
from lineage.checkpoints.find import Source, sources_of
from lineage.checkpoints.read import open_model
from lineage.errors import UserError
from lineage.index.cache import DigestCache
from lineage.index.digest import digest_of
from lineage.relation.direction import measured, position, retention
from lineage.relation.layers import looks_random
from lineage.relation.matching import match
from lineage.relation.mixture import mixture
from lineage.relation.naming import canonical, heads, reason_against
from lineage.relation.sketch import sketch

WIDTHS = (48, 96, 80, 64, 10)


def network(seed: int, *, widths=WIDTHS) -> dict[str, np.ndarray]:
    """An untrained network with a few strong directions in each matrix, as training makes them."""
    generator = np.random.default_rng(seed)
    tensors = {}
    for number, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        name = "head" if number == len(widths) - 2 else f"layer{number}"
        random = generator.normal(0, inputs**-0.5, (outputs, inputs))
        tensors[f"{name}.weight"] = (random + learnt(generator, outputs, inputs)).astype(np.float32)
        tensors[f"{name}.bias"] = generator.normal(0, 0.01, outputs).astype(np.float32)
    return tensors


def learnt(generator: np.random.Generator, rows: int, columns: int, rank: int = 8) -> np.ndarray:
    left, right = generator.normal(size=(rows, rank)), generator.normal(size=(rank, columns))
    return 0.8 * left @ right / np.sqrt(rows * columns)


def child_of(parent: dict[str, np.ndarray], seed: int, *, strength: float = 1.0) -> dict[str, np.ndarray]:
    """Fine-tuned: other strong directions and a little noise are added, under a new head."""
    generator = np.random.default_rng(seed)
    child = {}
    for name, values in parent.items():
        change = 0.001 * generator.normal(size=values.shape)
        if values.ndim == 2:
            change = learnt(generator, *values.shape) + 10 * change
        child[name] = (values + strength * change).astype(np.float32)
    child["head.weight"] = generator.normal(0, 0.1, child["head.weight"].shape).astype(np.float32)
    return child


@pytest.fixture
def zoo(tmp_path):
    """Saves networks, and audits one against others by name."""

    class Zoo:
        def save(self, name: str, tensors: dict[str, np.ndarray]) -> Source:
            path = tmp_path / f"{name}.safetensors"
            save_file({key: np.ascontiguousarray(values) for key, values in tensors.items()}, path)
            return Source(id=name, path=str(path))

        def audit(self, child: dict[str, np.ndarray], candidates: dict[str, dict], unrelated=()) -> Audit:
            sources = [self.save(name, tensors) for name, tensors in candidates.items()]
            others = [self.save(f"u{number}", tensors) for number, tensors in enumerate(unrelated)]
            return audit_sources(self.save("the-child", child).path, sources, others)

    return Zoo()


ROOTS = {f"p{seed}": network(seed) for seed in range(4)}


def test_the_parent_is_found_among_independent_networks(zoo):
    audit = zoo.audit(child_of(ROOTS["p2"], 9), ROOTS)
    assert (audit.verdict.word, audit.verdict.parent) == (Word.PARENT, "p2")
    assert audit.verdict.log10_p < -50


def test_without_the_parent_it_is_none_of_these(zoo):
    others = {name: tensors for name, tensors in ROOTS.items() if name != "p2"}
    assert zoo.audit(child_of(ROOTS["p2"], 9), others).verdict.word == Word.NONE


def test_the_same_weights_under_another_head_are_the_same_weights(zoo):
    copy = ROOTS["p1"] | {"head.weight": np.ones((7, 64), np.float32), "head.bias": np.zeros(7, np.float32)}
    audit = zoo.audit(copy, ROOTS)
    assert (audit.verdict.word, audit.verdict.parent) == (Word.SAME, "p1")


def test_half_precision_of_the_same_weights_is_the_same_weights(zoo):
    copy = {name: values.astype(np.float16) for name, values in ROOTS["p1"].items()}
    assert zoo.audit(copy, ROOTS).verdict.word == Word.SAME


def test_networks_of_one_initialisation_are_related_and_neither_is_the_parent(zoo):
    origin = network(40)
    one, other = (child_of(origin, seed) for seed in (41, 42))
    assert zoo.audit(one, {"other": other}).verdict.word == Word.RELATED
    assert zoo.audit(other, {"one": one}).verdict.word == Word.RELATED


def test_a_child_given_as_candidate_is_told_from_a_parent(zoo):
    audit = zoo.audit(ROOTS["p0"], {"child": child_of(ROOTS["p0"], 9)})
    assert audit.verdict.word == Word.RELATED
    assert "child came before" in audit.verdict.reason


def test_the_nearest_of_two_ancestors_is_the_parent(zoo):
    middle = child_of(ROOTS["p0"], 9)
    audit = zoo.audit(child_of(middle, 10), ROOTS | {"middle": middle})
    assert (audit.verdict.word, audit.verdict.parent) == (Word.PARENT, "middle")


def test_a_sibling_that_learnt_less_of_the_same_is_no_step_on_the_way(zoo):
    sibling, child = (
        {
            name: (values + strength * learnt(np.random.default_rng(number), *values.shape) + noise).astype(
                "f4"
            )
            for number, (name, values) in enumerate(ROOTS["p0"].items())
            if values.ndim == 2
            for noise in [np.random.default_rng([seed, number]).normal(0, 0.01, values.shape)]
        }
        for seed, strength in ((9, 0.3), (10, 1.0))
    )
    audit = zoo.audit(child, ROOTS | {"sibling": sibling})
    assert (audit.verdict.word, audit.verdict.parent) == (Word.PARENT, "p0")


def test_a_shared_first_layer_alone_is_no_relation(zoo):
    child = network(77)
    child["layer0.weight"] = ROOTS["p0"]["layer0.weight"]
    assert zoo.audit(child, ROOTS).verdict.word == Word.NONE


def test_shared_tables_ones_and_zeros_are_no_relation(zoo):
    position = np.arange(64)[:, None] / 10000 ** (np.arange(0, 48, 2) / 48)
    fixed = {
        "encoder.table": np.concatenate([np.sin(position), np.cos(position)], 1).astype(np.float32),
        "norm.weight": np.ones(96, np.float32),
        "ones.weight": np.ones((96, 48), np.float32),
        "zeros.weight": np.zeros((96, 48), np.float32),
        "unnamed": np.tril(np.ones((64, 64), np.float32)),
        "mixing.weight": np.eye(96, dtype=np.float32),
    }
    audit = zoo.audit(fixed | network(77), {name: fixed | tensors for name, tensors in ROOTS.items()})
    assert audit.verdict.word == Word.NONE
    assert set(fixed) & set(audit.child.digest.sketches) == set()


def test_networks_that_have_nothing_in_common_cannot_be_told(zoo):
    audit = zoo.audit(network(1, widths=(30, 50, 40, 10)), ROOTS)
    assert audit.verdict.word == Word.CANNOT_TELL
    assert audit.verdict.helps


def test_a_relative_among_the_networks_given_as_unrelated_withholds_the_verdict(zoo):
    audit = zoo.audit(child_of(ROOTS["p2"], 9), ROOTS, unrelated=[child_of(ROOTS["p2"], 11)])
    assert audit.verdict.word == Word.CANNOT_TELL


@pytest.mark.parametrize("weight", [0.5, 0.7])
def test_a_mixture_names_both_parents_and_their_weights(zoo, weight):
    mixed = {name: weight * ROOTS["p1"][name] + (1 - weight) * ROOTS["p3"][name] for name in ROOTS["p1"]}
    audit = zoo.audit({name: values.astype(np.float32) for name, values in mixed.items()}, ROOTS)
    assert audit.verdict.word == Word.PARENT
    assert audit.verdict.parents == pytest.approx({"p1": weight, "p3": 1 - weight}, abs=0.01)


def test_grafted_layers_are_located(zoo):
    child = child_of(ROOTS["p0"], 9)
    child["layer2.weight"] = ROOTS["p3"]["layer2.weight"]
    origins = {layer.tensor: (layer.state, layer.source) for layer in zoo.audit(child, ROOTS).layers}
    assert origins["layer0.weight"] == ("fine-tuned", "p0")
    assert origins["layer1.weight"] == ("fine-tuned", "p0")
    assert origins["layer2.weight"] == ("grafted", "p3")
    assert origins["head.weight"][0] == "re-initialised"


def test_frozen_and_reinitialised_layers_are_told_apart(zoo):
    child = child_of(ROOTS["p0"], 9)
    child["layer0.weight"] = ROOTS["p0"]["layer0.weight"]
    child["layer2.weight"] = np.random.default_rng(5).normal(size=(64, 80)).astype(np.float32)
    states = {layer.tensor: layer.state for layer in zoo.audit(child, ROOTS).layers}
    assert states["layer0.weight"] == "frozen"
    assert states["layer1.weight"] == "fine-tuned"
    assert states["layer2.weight"] == "re-initialised"


def test_renamed_and_transposed_tensors_give_the_same_parent(zoo):
    child = child_of(ROOTS["p2"], 9)
    turned = {f"onnx::MatMul_{number}": values.T if values.ndim == 2 else values
              for number, values in enumerate(child.values())}  # fmt: skip
    audit = zoo.audit(turned, ROOTS)
    assert (audit.verdict.word, audit.verdict.parent) == (Word.PARENT, "p2")
    assert len(audit.candidates[0].matching.transposed) >= 3


def test_a_candidate_that_cannot_be_read_is_left_out_and_named(zoo, tmp_path):
    (tmp_path / "broken.pt").write_text("<html>")
    sources = [zoo.save(name, tensors) for name, tensors in ROOTS.items()]
    broken = Source(id="b", path=f"{tmp_path}/broken.pt")
    audit = audit_sources(zoo.save("c", child_of(ROOTS["p2"], 9)).path, [*sources, broken])
    assert audit.verdict.parent == "p2"
    assert "web page" in audit.refused["b"]


def test_the_child_is_no_candidate_for_itself(zoo, tmp_path):
    source = zoo.save("c", ROOTS["p0"])
    with pytest.raises(UserError, match="only candidate for itself"):
        audit_sources(source.path, [source])


def test_a_cached_digest_is_the_digest(zoo, tmp_path):
    source = zoo.save("p0", ROOTS["p0"])
    model = open_model(source.path)
    cache, fresh = DigestCache(tmp_path / "cache"), digest_of(model)
    state = model.files[0].state
    assert cache.get(state) is None
    cache.put(state, [fresh], {str(file.real): file.state for file in model.files})
    stored = cache.get(state)[0]
    assert {key: value for key, value in vars(stored).items() if key != "sketches"} == {
        key: value for key, value in vars(fresh).items() if key != "sketches"
    }
    assert all(np.array_equal(stored.sketches[name], fresh.sketches[name]) for name in fresh.sketches)
    zoo.save("p0", ROOTS["p1"])
    assert cache.get(open_model(source.path).files[0].state) is None


def test_a_sketch_keeps_inner_products_on_average():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(200, 3000)).astype(np.float32)
    folded = sketch(values).astype(np.float64)
    centred = values - values.mean(0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    error = folded @ folded.T - centred @ centred.T
    assert abs(error.mean()) < 1e-3
    assert error.std() < 1.5 / np.sqrt(128)


def test_retention_and_position_of_a_planted_parent_child_and_sibling():
    generator = np.random.default_rng(0)
    origin = generator.normal(size=(128, 400)) / 20
    parent = origin + 3 * learnt(generator, 128, 400)
    child = 0.97 * parent + 3 * learnt(generator, 128, 400)
    sibling = origin + 3 * learnt(generator, 128, 400)
    assert retention(parent, child) == pytest.approx(1, abs=0.03)
    assert retention(child, parent) < 0.8
    assert position(parent, child) == pytest.approx(0, abs=0.1)
    assert position(child, parent) == pytest.approx(1, abs=0.15)
    assert position(parent, sibling) == pytest.approx(0.5, abs=0.2)
    assert measured(parent, child).reading == "candidate first"
    assert measured(child, parent).reading == "child first"
    assert measured(parent, sibling).reading == "unclear"


@pytest.mark.parametrize("seed", range(5))
def test_mixtures_are_those_of_scipys_bounded_least_squares(seed):
    generator = np.random.default_rng(seed)
    columns = generator.normal(size=(300, 4))
    target = columns @ [0.6, 0.4, 0, 0] + 0.3 * generator.normal(size=300)
    found = mixture(list("abcd"), columns.T @ columns, columns.T @ target, target @ target)
    expected = lsq_linear(columns, target, bounds=(0, np.inf)).x
    assert list(found.weights.values()) == pytest.approx(expected, abs=1e-3)


def test_random_numbers_look_random_and_trained_matrices_do_not():
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(100, 300))
    assert looks_random(noise)
    assert looks_random(generator.uniform(-1, 1, (64, 64, 3, 3)))
    assert not looks_random(noise + 40 * learnt(generator, 100, 300))


@pytest.mark.parametrize(("name", "kept"), [
    ("module.model.layer1.weight", "layer1.weight"), ("backbone.fc.bias", "fc.bias"), ("models.x", "models.x"),
    ("_orig_mod.module.a", "a"),
])  # fmt: skip
def test_prefixes_of_wrappers_are_taken_off(name, kept):
    assert canonical(name) == kept


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


def test_folders_globs_and_tables_name_models(tmp_path):
    for name in ("a/x.safetensors", "b/x.pt", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [source.id for source in sources_of(str(tmp_path))] == ["a/x", "b/x"]
    assert [source.id for source in sources_of(f"{tmp_path}/*/x.*")] == ["a/x", "b/x"]
    table = tmp_path / "models.tsv"
    table.write_text("id\tpath\trole\nA\ta/x.safetensors\tcandidate\nB\tb/x.pt\tunrelated\n")
    assert [source.id for source in sources_of(str(table))] == ["A"]
    assert [source.id for source in sources_of(str(table), role="unrelated")] == ["B"]
    table.write_text("id\tpath\trole\nA\ta/x.safetensors\tuncle\n")
    with pytest.raises(UserError, match="line 2: role: expected one of candidate"):
        sources_of(str(table))


def test_same_architecture_alone_is_no_evidence():
    verdict = decide([Evidence(id="p0", testable=9, log10_p=0.0)], {}, 0.01)
    assert verdict.word == Word.NONE


@pytest.mark.parametrize("change", ["pruned", "noisy"])
def test_pruning_and_noise_leave_the_parent(zoo, change):
    generator = np.random.default_rng(0)
    child = child_of(ROOTS["p2"], 9)
    for name, values in child.items():
        if change == "noisy":
            child[name] = (values + 0.05 * values.std() * generator.normal(size=values.shape)).astype(
                np.float32
            )
        elif values.ndim == 2:
            child[name] = np.where(np.abs(values) < np.median(np.abs(values)), 0, values)
    audit = zoo.audit(child, ROOTS)
    assert (audit.verdict.word, audit.verdict.parent) == (Word.PARENT, "p2")
