"""What independent networks have in common without being related, and relatives that share little else."""

import itertools

import numpy as np
import pytest
from audited_tensors import audit_of, saved_sources
from fixed_parts import alibi, dirac, forecasts, fourier, gabor, interleaved_fourier, mel, principal_axes
from small_networks import ROOTS, child_of, learnt, network, save_all

import lineage
from lineage.auditing.audit import Audit
from lineage.auditing.report.build import report_of
from lineage.auditing.stages.verdict import Word
from lineage.relation.sketch import Reason

Tensors = dict[str, np.ndarray]
FIRST, SECOND = network(77), network(78)
"""Independent."""


@pytest.fixture
def audited(tmp_path):
    """Audits one network against others, by name."""

    def stored(tensors: Tensors) -> Tensors:
        return {key: values if values.dtype == np.float16 else values.astype(np.float32)
                for key, values in tensors.items()}  # fmt: skip

    def audit(child: Tensors, **candidates: Tensors) -> Audit:
        others = {name: stored(tensors) for name, tensors in candidates.items()}
        return audit_of(tmp_path, stored(child), others)

    return audit


def random(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def chain(seed: int, prefix: str, widths: tuple[int, ...] = (3, 16, 32, 32, 64)) -> Tensors:
    """Convolutions that training made, one after another."""
    generator = np.random.default_rng(seed)
    return {
        f"{prefix}{number}.weight": generator.normal(size=(outputs, inputs, 3, 3))
        + learnt(generator, outputs, inputs * 9).reshape(outputs, inputs, 3, 3)
        for number, (inputs, outputs) in enumerate(itertools.pairwise(widths))
    }


SAVED_ALONG = {
    "STFT": {"stft.real": fourier(256)["real"], "stft.imag": fourier(256)["imag"], "mel": mel(64, 129)},
    "Fourier": {"basis": interleaved_fourier(128), "inverse": interleaved_fourier(128)[:, 0].T},
    "Gabor": {"gabor.even": gabor(9, 8, [2, 4, 6, 8]), "gabor.odd": gabor(11, 8, [2, 4, 6, 8], 2)},
    "biases of attention": {"bias.0": alibi(16, 32), "bias.1": alibi(32, 32)},
    "random features": {"features.0": random(0, 128, 48), "features.1": random(1, 96, 128)},
    "hashes": {"hash.0": np.sign(random(0, 64, 48)), "hash.1": np.sign(random(1, 64, 48))},
    "constants": {"anchor.0": random(0, 64, 40), "anchor.1": random(1, 50, 64)},
    "the network of a loss": chain(0, "perceptual_loss.net.slice"),
    "the network of a loss, unnamed": chain(0, "vgg.features."),
    "axes": {"pca.0": principal_axes(64, 0), "pca.1": principal_axes(48, 0)},
}


@pytest.mark.parametrize("name", SAVED_ALONG)
def test_what_is_saved_along_with_independent_networks_makes_no_family(audited, name):
    fixed = SAVED_ALONG[name]
    audit = audited(FIRST | fixed, other=SECOND | fixed)
    assert audit.verdict.family == ()
    assert audit.verdict.word in {Word.NONE, Word.CANNOT_TELL}
    left_out, (evidence,) = audit.child.digest.untestable, audit.evidence
    assert all(tensor in left_out or tensor in evidence.no_evidence for tensor in fixed)


@pytest.mark.parametrize("name", SAVED_ALONG)
def test_what_is_saved_along_hides_no_parent(audited, name):
    fixed = SAVED_ALONG[name]
    candidates = {root: tensors | fixed for root, tensors in ROOTS.items()}
    assert set(audited(child_of(ROOTS["p2"], 27) | fixed, **candidates).verdict.family) == {"p2"}


@pytest.mark.parametrize("name", SAVED_ALONG)
def test_filters_of_networks_of_other_architectures_make_no_family(audited, name):
    """Nothing but the filters corresponds, and each network has more than them."""
    fixed = SAVED_ALONG[name]
    other = {f"decoder.{key}": value for key, value in network(78, widths=(100, 90, 70, 10)).items()}
    assert audited(FIRST | fixed, other=other | fixed).verdict.family == ()


def test_a_fixed_part_in_half_precision_makes_no_family(audited):
    fixed = chain(0, "vgg.features.")
    halved = {name: values.astype(np.float16) for name, values in fixed.items()}
    assert audited(FIRST | halved, other=SECOND | fixed).verdict.family == ()


def test_a_fixed_part_is_named_with_its_reason(audited):
    fixed = chain(0, "vgg.features.")
    audit = audited(FIRST | fixed, other=SECOND | fixed)
    (evidence,) = audit.evidence
    assert audit.verdict.word == Word.CANNOT_TELL
    assert "frozen, or saved along" in audit.verdict.reason
    assert evidence.no_evidence == dict.fromkeys(fixed, Reason.FIXED_PART)
    (reported,) = report_of(audit).to_dict()["candidates"]
    assert reported["no_evidence"] == dict.fromkeys(fixed, Reason.FIXED_PART.value)
    assert Reason.FIXED_PART.value in reported["reason"]


def trained_from(start: np.ndarray, seed: int) -> np.ndarray:
    """Half as far from the start again as independent networks would be."""
    generator, size = np.random.default_rng(seed), np.sqrt(start[0].size)
    change = learnt(generator, len(start), start[0].size).reshape(start.shape)
    return start + change + 0.5 * generator.normal(size=start.shape) / size


@pytest.mark.parametrize(
    "starts",
    [
        [dirac(64, 3), dirac(64, 64), dirac(128, 64), dirac(128, 128), dirac(96, 128)],
        [dirac(64, 16, 3, 2), dirac(64, 32, 3, 2), dirac(128, 32, 3, 2), dirac(96, 48, 3, 4)],
        [np.eye(96, 48), np.eye(80, 96), np.eye(64, 80)],
    ],
    ids=["dirac", "dirac in groups", "identity"],
)
def test_networks_that_started_from_one_structure_are_no_family(audited, starts):
    first, second = (
        {
            f"layer{number}.weight": trained_from(start, 100 * seed + number)
            for number, start in enumerate(starts)
        }
        | {"head.weight": random(seed, 10, 64)}
        for seed in (1, 2)
    )
    assert audited(first, other=second).verdict.family == ()


def test_forecasts_of_one_series_are_no_family(audited):
    """Rows are future moments, columns past ones: networks that were fitted apart agree in their order."""
    first, second = (
        {f"channel{number}.weight": forecasts(64, 48, 10 * seed + number) for number in range(4)}
        for seed in (1, 2)
    )
    audit = audited(first, other=second)
    assert audit.verdict.family == ()
    assert {why.reason for why in audit.child.digest.untestable.values()} <= {
        Reason.ORDERED, Reason.DIAGONAL, Reason.HEAD,
    }  # fmt: skip


@pytest.mark.parametrize("change", [0.0, 0.3], ids=["equal", "trained on"])
def test_one_matrix_alone_is_no_evidence(audited, change):
    first = {"encoder.weight": random(0, 64, 48), "head.weight": random(1, 10, 64)}
    second = {
        "encoder.weight": first["encoder.weight"] + change * random(2, 64, 48),
        "head.weight": random(3, 10, 64),
    }
    audit = audited(first, other=second)
    assert audit.verdict.word == Word.CANNOT_TELL
    assert "only one matrix" in audit.verdict.reason
    assert audit.evidence[0].no_evidence == {"encoder.weight": Reason.LONE}


def test_a_frozen_backbone_under_a_new_head_is_of_the_family(audited):
    child = ROOTS["p1"] | {"head.weight": random(0, 7, 64), "head.bias": random(1, 7)}
    assert set(audited(child, **ROOTS).verdict.family) == {"p1"}


def test_a_frozen_backbone_with_more_layers_is_of_the_family_of_the_backbone(audited):
    """The candidate is in the child as a whole."""
    child = ROOTS["p1"] | {"decoder.0.weight": random(0, 90, 70), "decoder.1.weight": random(1, 70, 90)}
    assert set(audited(child, **ROOTS).verdict.family) == {"p1"}


def test_adapters_in_a_frozen_backbone_leave_it_in_the_family(audited):
    child = ROOTS["p1"] | {"layer1.adapter.weight": random(0, 16, 20)}
    candidates = {name: tensors | {"pooler.weight": random(9, 20, 21)} for name, tensors in ROOTS.items()}
    assert set(audited(child, **candidates).verdict.family) == {"p1"}


def test_a_backbone_that_is_frozen_but_for_a_layer_is_of_the_family(audited):
    child = ROOTS["p1"] | {"layer2.weight": child_of(ROOTS["p1"], 9)["layer2.weight"]}
    assert set(audited(child, **ROOTS).verdict.family) == {"p1"}


def test_copies_are_told_by_their_tensors_whatever_they_are_called(audited):
    renamed = {f"module.{name}": values for name, values in reversed(ROOTS["p1"].items())}
    audit = audited(child_of(ROOTS["p1"], 9), first=ROOTS["p1"], other=ROOTS["p2"], second=renamed)
    keys = {candidate.id: candidate.copy_key for candidate in audit.candidates}
    assert keys["first"] == keys["second"] != keys["other"]
    assert {audit.verdict.closest, *audit.verdict.copies} == {"first", "second"}


def grown(table: np.ndarray, seed: int) -> np.ndarray:
    return np.concatenate([table, random(seed, 24, table.shape[1])])


@pytest.mark.parametrize("of_child", [False, True])
def test_a_table_that_grew_in_one_of_them_and_is_most_of_the_weights_is_no_part_that_was_not_looked_at(
    audited, tmp_path, of_child
):
    rest, tables = FIRST, (random(1, 900, 64), random(2, 900, 64))
    small = [rest | {"words.w": table} for table in tables]
    large = [rest | {"words.w": grown(table, seed)} for seed, table in enumerate(tables, start=3)]
    children, parents = (large, small) if of_child else (small, large)
    assert audited(children[0], p=parents[0], q=SECOND).verdict.family == ["p"]
    assert audited(children[0], p=parents[1], q=SECOND).verdict.word is Word.CANNOT_TELL
    (tmp_path / "zoo").mkdir()
    zoo = {"child": children[0], "p": parents[0], "q": parents[1]}
    in_32_bits = {name: {key: values.astype(np.float32) for key, values in zoo[name].items()} for name in zoo}
    families = lineage.tree(save_all(tmp_path / "zoo", in_32_bits), store_digests=False).families
    assert sorted(map(sorted, families.values())) == [["child", "p"], ["q"]]


OWN = {"own.0.weight": random(20, 90, 70), "own.1.weight": random(21, 70, 90)}
OTHER = {"other.0.weight": random(22, 80, 100), "other.1.weight": random(23, 100, 80)}
"""Layers of two networks, of other shapes."""


@pytest.mark.parametrize("name", ["pos_embed.weight", "relative_position_bias_table.weight", "words.w"])
def test_a_frozen_part_and_a_table_of_another_length_beside_own_layers_tell_nothing(audited, name):
    """Positions are counted by nobody; of a table of words, what both have counts, and no more."""
    table, is_of_words = random(1, 3000, 64), name == "words.w"
    longer = np.concatenate([table[:60], random(2, 2000, 64)]) if is_of_words else table
    shorter = table[: 60 if is_of_words else 2000]
    found = audited(FIRST | OWN | {name: longer}, p=FIRST | OTHER | {name: shorter}, q=SECOND)
    assert found.verdict.word is Word.CANNOT_TELL


def test_an_unrelated_network_that_shares_a_table_that_grew_withholds_the_verdict(tmp_path):
    table = random(1, 900, 64)
    child, beside = FIRST | {"words.w": grown(table, 3)}, FIRST | {"words.w": table}
    in_32_bits = [
        {key: np.float32(values) for key, values in state.items()} for state in (child, beside, SECOND)
    ]
    (unrelated,) = saved_sources(tmp_path, {"unrelated": in_32_bits[1]})
    found = audit_of(tmp_path, in_32_bits[0], {"p": in_32_bits[1], "q": in_32_bits[2]}, unrelated=[unrelated])
    assert found.verdict.word is Word.CANNOT_TELL
    assert "unrelated" in found.verdict.reason
