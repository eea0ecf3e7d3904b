"""Whole audits of small networks with planted relations."""

import numpy as np
import pytest
from audited_tensors import saved_sources
from small_networks import OF_P2, ROOTS, child_of, network

from lineage.auditing.audit import Audit, Auditor, audit_sources
from lineage.auditing.stages import comparing
from lineage.auditing.stages.thirds import together
from lineage.auditing.stages.verdict import Evidence, Word, decide
from lineage.checkpoints.find import Source
from lineage.errors import UserError
from lineage.relation.comparison import compare
from lineage.relation.direction.updates import shares_both_ways
from lineage.relation.multiple_testing import Level
from lineage.relation.relations import Relation


@pytest.fixture
def zoo(tmp_path):
    """Saves networks, and audits one against others by name."""

    class Zoo:
        def save(self, name: str, tensors: dict[str, np.ndarray]) -> Source:
            return saved_sources(tmp_path, {name: tensors})[0]

        def audit(self, child: dict[str, np.ndarray], candidates: dict[str, dict], unrelated=()) -> Audit:
            sources = [self.save(name, tensors) for name, tensors in candidates.items()]
            others = [self.save(f"u{number}", tensors) for number, tensors in enumerate(unrelated)]
            return audit_sources(self.save("the-child", child).path, sources, others)

    return Zoo()


def test_the_parent_is_found_among_independent_networks_and_a_sibling(zoo):
    audit = zoo.audit(child_of(ROOTS["p2"], 27), ROOTS | {"sibling": OF_P2})
    assert (audit.verdict.word, audit.verdict.parent) == (Word.PARENT, "p2")
    assert audit.verdict.log10_p < -50


def test_without_the_parent_it_is_none_of_these(zoo):
    others = {name: tensors for name, tensors in ROOTS.items() if name != "p2"}
    assert zoo.audit(child_of(ROOTS["p2"], 27), others).verdict.word == Word.NONE


def test_the_same_weights_under_another_head_are_the_same_weights(zoo):
    copy = ROOTS["p1"] | {"head.weight": np.ones((7, 64), np.float32), "head.bias": np.zeros(7, np.float32)}
    audit = zoo.audit(copy, ROOTS)
    assert (audit.verdict.word, audit.verdict.parent) == (Word.SAME, "p1")


def test_half_precision_of_the_same_weights_is_the_same_weights(zoo):
    copy = {name: values.astype(np.float16) for name, values in ROOTS["p1"].items()}
    assert zoo.audit(copy, ROOTS).verdict.word == Word.SAME


def test_networks_of_one_initialisation_are_related_and_neither_is_the_parent(zoo):
    origin = network(40)
    first, second = (child_of(origin, seed) for seed in (41, 42))
    assert zoo.audit(first, {"second": second}).verdict.word == Word.FAMILY
    assert zoo.audit(second, {"first": first}).verdict.word == Word.FAMILY


def test_children_given_as_candidates_are_told_from_a_parent(zoo):
    children = {"child": child_of(ROOTS["p0"], 9), "another": child_of(ROOTS["p0"], 10, strength=2.0)}
    audit = zoo.audit(ROOTS["p0"], children)
    assert audit.verdict.word == Word.FAMILY
    assert audit.verdict.relation is Relation.DESCENDANT


def test_the_nearest_of_two_ancestors_is_the_parent(zoo):
    middle = child_of(ROOTS["p0"], 9)
    audit = zoo.audit(child_of(middle, 10), ROOTS | {"middle": middle})
    assert (audit.verdict.word, audit.verdict.parent) == (Word.PARENT, "middle")


def test_a_later_audit_of_one_child_finds_what_a_first_one_does(zoo, monkeypatch):
    """Among more candidates and fewer, in another order; what was compared before is not compared again."""
    middle = child_of(ROOTS["p0"], 9)
    child = zoo.save("the-child", child_of(middle, 10)).path
    sources = [zoo.save(name, tensors) for name, tensors in (ROOTS | {"middle": middle}).items()]
    auditor = Auditor(child)
    among = [sources, sources[::-1], [source for source in sources if source.id != "middle"], sources[1:]]
    expected, compared, shared = [audit_sources(child, candidates) for candidates in among], [], []
    monkeypatch.setattr(
        comparing, "compare", lambda pair, names: compared.append(pair) or compare(pair, names)
    )
    monkeypatch.setattr(
        together, "shares_both_ways", lambda *updates: shared.append(updates) or shares_both_ways(*updates)
    )
    for candidates, first in zip(among, expected, strict=True):
        later = auditor.audit(candidates)
        assert (later.verdict, later.evidence, later.layers) == (first.verdict, first.evidence, first.layers)
        assert [place.features for place in later.places] == [place.features for place in first.places]
    assert len(compared) == 2
    assert len(shared) == 2 * len(auditor.audit(sources).together.names)


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
    audit = zoo.audit(child_of(ROOTS["p2"], 27), ROOTS, unrelated=[child_of(ROOTS["p2"], 11)])
    assert audit.verdict.word == Word.CANNOT_TELL


@pytest.mark.parametrize("weight", [0.5, 0.7])
def test_a_mixture_names_both_parents_and_their_weights(zoo, weight):
    mixed = {name: weight * ROOTS["p1"][name] + (1 - weight) * ROOTS["p3"][name] for name in ROOTS["p1"]}
    audit = zoo.audit({name: values.astype(np.float32) for name, values in mixed.items()}, ROOTS)
    assert audit.verdict.word == Word.PARENT
    assert audit.verdict.parents == pytest.approx({"p1": weight, "p3": 1 - weight}, abs=0.01)


def test_of_a_merge_its_parts_alone_are_parents_and_the_report_agrees_with_the_headline(zoo):
    first, second, other = (child_of(ROOTS["p1"], seed) for seed in (1, 2, 3))
    mixed = {name: (0.7 * first[name] + 0.3 * second[name]).astype(np.float32) for name in first}
    audit = zoo.audit(mixed, {"root": ROOTS["p1"], "first": first, "second": second, "other": other})
    relatives = audit.verdict.relatives
    assert [each.id for each in relatives[:2]] == list(audit.verdict.family[:2]) == ["first", "second"]
    assert {each.id for each in relatives if each.relation is Relation.PARENT} == {"first", "second"}


def test_weight_decay_that_relatives_share_brings_none_of_them_nearer(zoo):
    """A sibling of the parent that shrank as the child did is nearer to it, but for the scale."""
    parent = child_of(ROOTS["p1"], 1)
    child, sibling = (
        {name: np.float32(0.8) * values for name, values in child_of(start, seed, strength=0.1).items()}
        for start, seed in ((parent, 2), (ROOTS["p1"], 3))
    )
    plain = [sum(np.square(child[name] - each[name]).sum() for name in child) for each in (parent, sibling)]
    assert plain[1] < plain[0]
    verdict = zoo.audit(child, {"parent": parent, "sibling": sibling}).verdict
    assert verdict.closest == "parent"
    beside_scale = {each.id: each.beside_scale for each in verdict.relatives}
    assert beside_scale["parent"] < beside_scale["sibling"]


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
    child = child_of(ROOTS["p2"], 27)
    turned = {f"onnx::MatMul_{number}": values.T if values.ndim == 2 else values
              for number, values in enumerate(child.values())}  # fmt: skip
    audit = zoo.audit(turned, ROOTS | {"sibling": OF_P2})
    assert (audit.verdict.word, audit.verdict.parent) == (Word.PARENT, "p2")
    assert len(audit.candidates[0].matching.transposed) >= 3


def test_a_candidate_that_cannot_be_read_is_left_out_and_named(zoo, tmp_path):
    (tmp_path / "broken.pt").write_text("<html>")
    sources = [zoo.save(name, tensors) for name, tensors in (ROOTS | {"sibling": OF_P2}).items()]
    broken = Source(id="b", path=f"{tmp_path}/broken.pt")
    audit = audit_sources(zoo.save("c", child_of(ROOTS["p2"], 27)).path, [*sources, broken])
    assert audit.verdict.parent == "p2"
    assert "web page" in audit.refused["b"]


def test_the_child_is_no_candidate_for_itself(zoo, tmp_path):
    source = zoo.save("c", ROOTS["p0"])
    with pytest.raises(UserError, match="only candidate for itself"):
        audit_sources(source.path, [source])


def test_same_architecture_alone_is_no_evidence():
    verdict = decide([Evidence(id="p0", testable=9, log10_p=0.0)], [], {}, Level(0.01, 1))
    assert verdict.word == Word.NONE


def test_noise_leaves_the_parent(zoo):
    generator = np.random.default_rng(0)
    child = {
        name: (values + 0.05 * values.std() * generator.normal(size=values.shape)).astype(np.float32)
        for name, values in child_of(ROOTS["p2"], 27).items()
    }
    audit = zoo.audit(child, ROOTS | {"sibling": OF_P2})
    assert (audit.verdict.word, audit.verdict.parent) == (Word.PARENT, "p2")
