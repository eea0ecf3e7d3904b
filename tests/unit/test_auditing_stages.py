"""The stages of an audit, each alone, on small files and arrays."""

import math

import numpy as np
import pytest
import torch
from known_verdicts import candidate_of
from safetensors.numpy import save_file
from scipy.optimize import nnls
from small_networks import ROOTS, child_of, save_all

from lineage.auditing import pair_tests
from lineage.auditing.audit import dependent_of
from lineage.auditing.stages import comparing
from lineage.auditing.stages.candidates import Candidate, level_of
from lineage.auditing.stages.child import read_child
from lineage.auditing.stages.comparing import Opener, compare_relatives, mixture_of
from lineage.auditing.stages.evidence import coverage_of
from lineage.auditing.stages.layers import layer_origins
from lineage.auditing.stages.testing import run_tests
from lineage.auditing.stages.verdict import EXIT_CODES, Evidence, Word, decide
from lineage.checkpoints.find import Source, open_source
from lineage.errors import UserError
from lineage.index.digest import DigestCache
from lineage.relation.layers import State
from lineage.relation.multiple_testing import Level
from lineage.relation.relations import Related, Relation
from lineage.storage.hdf5 import write_weights

NO_CACHE = DigestCache(None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """p0 … p3, and `child` of p2."""
    return save_all(tmp_path_factory.mktemp("stages"), ROOTS | {"child": child_of(ROOTS["p2"], 27)})


@pytest.fixture(scope="module")
def child(folder):
    return read_child(str(folder / "child.safetensors"), NO_CACHE, follow=False)


@pytest.fixture(scope="module")
def sources(folder):
    return [Source(id=path.stem, path=str(path)) for path in sorted(folder.glob("*.safetensors"))]


@pytest.fixture(scope="module")
def tested(child, sources):
    return run_tests(child, sources, NO_CACHE).candidates


def candidate(name: str, log10_ps: list[float]) -> Candidate:
    """A candidate whose matrices have such p, and z of as many digits."""
    return candidate_of(name, [(-p, p) for p in log10_ps])


def test_reading_knows_the_matrices_the_head_and_the_backbone(child):
    assert child.matrices == ["head.weight", *(f"layer{number}.weight" for number in range(3))]
    assert child.heads == {"head.weight"}
    assert set(child.backbone) == {f"layer{n}.{part}" for n in range(3) for part in ("weight", "bias")}


def test_testing_leaves_out_the_child_itself_and_finds_the_relative(tested):
    assert [found.id for found in tested] == ["p0", "p1", "p2", "p3"]
    assert [found.id for found in tested if found.log10_p < -10] == ["p2"]
    assert set(tested[0].tests) == {"layer0.weight", "layer1.weight", "layer2.weight"}


def test_testing_names_what_cannot_be_read_and_goes_on(child, sources, tmp_path):
    (tmp_path / "broken.pt").write_text("<html>")
    found = run_tests(child, [Source(id="b", path=str(tmp_path / "broken.pt")), *sources[1:3]], NO_CACHE)
    assert list(found.refused) == ["b"]
    assert [candidate.id for candidate in found.candidates] == ["p0", "p1"]


def test_testing_takes_the_tests_of_earlier_jobs_as_they_are(child, sources):
    known = dict(
        zip(("layer0.weight", "layer1.weight"), candidate("p0", [-7.0, -8.0]).tests.values(), strict=True)
    )
    (found,) = run_tests(child, sources[1:2], NO_CACHE, known={"p0": known}).candidates
    assert found.tests is known
    assert found.log10_p == pytest.approx(-7.0)


@pytest.mark.parametrize(
    ("of_child", "is_tested"),
    [("cell.recurrent_kernel", False), ("cell.weight_ih", False), ("cell.dense", True)],
)
def test_a_recurrent_matrix_is_not_tested_where_the_candidate_has_it_transposed(
    tmp_path, of_child, is_tested
):
    values = np.random.default_rng(0).normal(size=(80, 20)).astype(np.float32)
    save_file({of_child: values, "head.weight": values[:10]}, tmp_path / "c.safetensors")
    save_file(
        {"onnx_7": np.ascontiguousarray(values.T), "head.weight": values[:10]}, tmp_path / "p.safetensors"
    )
    given = read_child(str(tmp_path / "c.safetensors"), NO_CACHE, follow=False)
    source = Source(id="p", path=str(tmp_path / "p.safetensors"))
    (found,) = run_tests(given, [source], NO_CACHE).candidates
    assert found.matching.transposed == {of_child}
    assert set(found.tests) == ({of_child} if is_tested else set())


@pytest.mark.parametrize(("alpha", "count"), [(0.01, 1), (0.05, 7)])
def test_a_p_value_is_corrected_once_by_bonferroni_over_the_candidates_that_can_be_evidence(alpha, count):
    candidates = [candidate(str(number), [-3.0, -2.0]) for number in range(count)]
    lone, untested = candidate("lone", [-300.0]), candidate("untested", [])
    level = level_of([*candidates, lone, untested], alpha)
    assert 10**level.limit == pytest.approx(alpha / count)
    assert 10 ** level.corrected(-3.0) == pytest.approx(min(1, count * 1e-3))
    assert level.corrected(0.0) == 0


def test_each_p_value_is_the_candidates_own():
    found = [candidate("p", [-300.0, -300.0]), candidate("q", [-1.0, -1.0])]
    assert [each.log10_p for each in found] == [-300, -1]


def test_comparing_opens_relatives_alone_most_similar_first(child, tested, folder):
    opened = []

    def opener(found):
        opened.append(found.id)
        return Opener(follow=False)(found)

    relatives = compare_relatives(child, tested, -10, opener)
    assert opened == [relative.id for relative in relatives] == ["p2"]
    parent, ours = ROOTS["p2"], child_of(ROOTS["p2"], 27)
    names = [f"layer{number}.weight" for number in range(3)]
    energy = sum(np.square(parent[name]).sum() for name in names)
    moved = sum(np.square(ours[name] - parent[name]).sum() for name in names)
    left = sum(np.linalg.lstsq(parent[name].reshape(-1, 1), ours[name].ravel())[1].item() for name in names)
    comparison = relatives[0].comparison
    assert comparison.distance == pytest.approx(math.sqrt(moved / energy), rel=1e-5)
    assert comparison.beside_scale == pytest.approx(math.sqrt(left / energy), rel=1e-5)
    every = compare_relatives(child, tested, 0.0, Opener(follow=False))
    assert every[0].id == "p2"
    similarities = [relative.candidate.similarity for relative in every]
    assert similarities == sorted(similarities, reverse=True)


@pytest.mark.parametrize(("suffix", "each"), [("h5", [1, 1]), ("pt", [2])])
def test_of_a_file_of_several_models_the_asked_one_is_opened_alone_or_all_of_them_once(
    tmp_path, child, monkeypatch, suffix, each
):
    path, opened = tmp_path / f"zoo.{suffix}", []
    models = {id: {key: torch.from_numpy(values) for key, values in ROOTS[id].items()} for id in ("p0", "p1")}
    if suffix == "h5":
        write_weights(path, [({"id": id, "seed": 0}, models[id]) for id in models], code="", device="cpu")
    else:
        torch.save(models, path)

    def counted(source, *, follow):
        opened.append(open_source(source, follow=follow))
        return opened[-1]

    monkeypatch.setattr(comparing, "open_source", counted)
    sources = [Source(id=id, path=f"{path}::{id}") for id in models]
    found, opener = run_tests(child, sources, NO_CACHE).candidates, Opener(follow=False)
    values = [opener(candidate).read("layer1.weight") for candidate in found]
    assert [len(models) for models in opened] == each
    np.testing.assert_array_equal(values, [ROOTS[id]["layer1.weight"] for id in models])


def test_the_mixture_is_that_of_scipy_on_all_shared_matrices(child, tested):
    relatives = compare_relatives(child, tested, 0.0, Opener(follow=False))
    names = [f"layer{number}.weight" for number in range(3)]
    columns = np.stack(
        [np.concatenate([ROOTS[relative.id][name].ravel() for name in names]) for relative in relatives], 1
    ).astype(np.float64)
    target = np.concatenate([child.checkpoint.read(name).ravel() for name in names]).astype(np.float64)
    expected, _ = nnls(columns, target)
    found = mixture_of(child, relatives, ()).weights
    assert [found[relative.id] for relative in relatives] == pytest.approx(expected, abs=1e-6)
    assert mixture_of(child, relatives[:1], ()) is None


def test_what_looks_like_a_descendant_enters_no_mixture(child, tested):
    relatives = compare_relatives(child, tested, 0.0, Opener(follow=False))
    first, *others = relatives
    found = mixture_of(child, relatives, {first.id})
    assert found.weights == pytest.approx(mixture_of(child, others, ()).weights)
    assert mixture_of(child, relatives, {relative.id for relative in others}) is None


def test_coverage_is_the_share_of_testable_weights_in_dependent_matrices():
    tests = candidate("p", [-9.0, -1.0]).tests
    sizes = {"w0": 300, "w1": 500, "w2": 200, "bias": 7}
    assert coverage_of(tests, sizes, {"w0", "w1", "w2"}, limit=-2) == 0.3
    assert coverage_of(tests, sizes, {"w0", "w1", "w2"}, limit=-0.5) == 0.8
    assert coverage_of({}, sizes, set(), limit=-2) == 0.0


@pytest.mark.parametrize(("limit", "covered"), [(-0.69, 1.0), (-0.71, 0.5)])
def test_each_matrix_is_tested_at_its_share_of_the_level(limit, covered):
    """Two tests: log10 p of −1 is dependence if the limit, less log10 2, is at least that."""
    tests = candidate("p", [-9.0, -1.0]).tests
    assert coverage_of(tests, {"w0": 5, "w1": 5}, {"w0", "w1"}, limit) == covered


def test_layers_without_relatives_come_from_nobody(child, tested):
    found = layer_origins(child, [found for found in tested if found.id != "p2"], [], None, -10)
    assert {(layer.tensor, layer.state, layer.source) for layer in found} == {
        ("head.weight", State.UNTESTED, None),
        *((f"layer{number}.weight", State.UNRELATED, None) for number in range(3)),
    }


def test_an_unrelated_network_counts_as_dependent_at_the_level_over_all_of_them():
    networks = [candidate("u0", [-2.5, -2.1]), candidate("u1", [-1.0, -1.0])]
    assert dependent_of(networks, 0.01) is None
    assert dependent_of(networks[:1], 0.01) is networks[0]
    assert dependent_of([], 0.01) is None


def evidence(name="p", **known) -> Evidence:
    return Evidence(id=name, **({"testable": 3, "log10_p": -20.0, "coverage": 1.0} | known))


def related(name="p", relation=Relation.PARENT) -> Related:
    return Related(id=name, relation=relation, decided_by="", reason="")


@pytest.mark.parametrize(
    ("found", "relatives", "merged", "word", "closest", "parent"),
    [
        ([evidence(testable=0)], [], {}, Word.CANNOT_TELL, None, None),
        ([evidence(log10_p=-1.9)], [], {}, Word.NONE, None, None),
        ([evidence()], [related(relation=Relation.SAME)], {}, Word.SAME, "p", "p"),
        ([evidence(), evidence("q")], [related()], {"q": 0.6, "p": 0.4}, Word.PARENT, "q", "q"),
        ([evidence(), evidence("q")], [related(relation=Relation.SAME)], {"q": 0.6, "p": 0.4}, Word.SAME, "p", "p"),
        ([evidence()], [related()], {}, Word.PARENT, "p", "p"),
        ([evidence(coverage=0.49)], [related()], {}, Word.FAMILY, "p", None),
        ([evidence()], [related(relation=Relation.UNDETERMINED)], {}, Word.FAMILY, "p", None),
        ([evidence()], [related(relation=Relation.DESCENDANT)], {}, Word.FAMILY, "p", None),
        ([evidence(), evidence("q")], [related("q", Relation.SIBLING), related("p", Relation.ANCESTOR)], {},
         Word.FAMILY, "q", None),
    ],
)  # fmt: skip
def test_the_verdict_is_the_first_rule_that_holds(found, relatives, merged, word, closest, parent):
    verdict = decide(found, relatives, merged, Level(0.01, len(found)))
    assert (verdict.word, verdict.closest, verdict.parent) == (word, closest, parent)
    assert list(verdict.family) == ([relative.id for relative in relatives] if closest else [])[:2] or merged


def test_the_p_value_is_the_closest_ones_over_all_tested_candidates():
    others = [evidence(f"o{number}", log10_p=0.0) for number in range(3)]
    few = decide([evidence(log10_p=-2.5)], [related()], {}, Level(0.01, 1))
    many = decide([evidence(log10_p=-2.5), *others], [related()], {}, Level(0.01, 1 + len(others)))
    assert (few.log10_p, few.word) == (-2.5, Word.PARENT)
    assert many.log10_p == pytest.approx(-2.5 + math.log10(4))
    assert many.word is Word.NONE
    assert many.p_value == pytest.approx(4 * 10**-2.5)
    stronger = evidence("q", log10_p=-30.0)
    both = decide([evidence(), stronger], [related("p"), related("q", Relation.ANCESTOR)], {}, Level(0.01, 2))
    assert both.log10_p == pytest.approx(-20 + math.log10(2))


def test_candidates_with_the_tensors_of_the_closest_are_named_as_copies():
    found = [evidence("p", copy="h"), evidence("q", copy="h"), evidence("r", copy="other"), evidence("s")]
    assert decide(found, [related("p")], {}, Level(0.01, len(found))).copies == ["q"]


def test_every_verdict_has_an_exit_code():
    assert EXIT_CODES.keys() == set(Word)


def test_pairs_that_cannot_be_tested_alone_are_left_to_the_audit_of_their_child(folder, tmp_path):
    paths = {path.stem: str(path) for path in folder.glob("*.safetensors")}
    (tmp_path / "broken.npz").write_text("<html>")
    paths |= {"broken": str(tmp_path / "broken.npz"), "lost": str(tmp_path / "lost.npz")}
    said: list[str] = []
    pairs = [("child", "p2"), ("child", "broken"), ("lost", "p2")]
    found = pair_tests.tested_pairs(paths, pairs, NO_CACHE, said.append)
    assert {child: list(tests) for child, tests in found.items()} == {"child": ["p2"]}
    assert [line.partition(":")[0] for line in said] == ["child and broken", "lost and p2"]


def test_a_model_that_its_file_does_not_hold_is_an_error_whether_or_not_the_file_is_in_the_cache(
    folder, tmp_path
):
    cache, path = DigestCache(tmp_path), str(folder / "p0.safetensors")
    for _ in range(2):
        with pytest.raises(UserError, match="holds no model 'x'"):
            pair_tests.digests_of(f"{path}::x", cache)
        pair_tests.digests_of(path, cache)
