"""What an audit says: the sentence, the claim, the margin, the summary of a table and the terminal."""

import dataclasses
import json
import math
import re

import pandas as pd
import pytest
from safetensors.numpy import save_file
from small_networks import OF_P2, ROOTS, child_of

from lineage.auditing.report.build import margin_of
from lineage.auditing.report.bundle import write_html, write_json
from lineage.auditing.report.claims import claim_of, least_p
from lineage.auditing.report.headline import headline_of, shown, within
from lineage.auditing.report.summary import closing_lines, totals, write_summary
from lineage.auditing.report.terminal import print_report
from lineage.auditing.run import audit
from lineage.auditing.stages.candidates import Candidate
from lineage.auditing.stages.hints import hints_of
from lineage.auditing.stages.place import Place
from lineage.auditing.stages.relating import relate
from lineage.auditing.stages.verdict import EXIT_CODES, Verdict, Word
from lineage.auditing.table import audited
from lineage.checkpoints.find import Source
from lineage.errors import UserError
from lineage.index.digest import DigestCache
from lineage.relation.direction.between import Passage
from lineage.relation.direction.estimate import Estimate
from lineage.relation.matching import match
from lineage.relation.permutation_test import RowTest
from lineage.relation.relations import Related, Relation

ALPHA = 0.01


def candidate(
    name: str, z: float = 0.0, *, log10_p: float = 0.0, rows: int = 64, tests: int = 2
) -> Candidate:
    found = {
        f"w{number}": RowTest(rows=rows, similarity=0.1, change=1.3, z=z, matches=1, log10_p=log10_p)
        for number in range(tests)
    }
    return Candidate(
        id=name, source=Source(id=name, path=name), model=name, format="", hashes={}, copy_key=name,
        matching=match({}, {}), tests=found, notes=[],
    )  # fmt: skip


def related(name: str, relation: Relation, **known) -> Related:
    return Related(id=name, relation=relation, decided_by="", reason="why", **known)


def verdict(word: Word, **known) -> Verdict:
    return Verdict(word=word, decided_by="", reason="why", **known)


PARENT = verdict(
    Word.PARENT, family=["p", "q", "d"], closest="p", copies=["copy"], relation=Relation.PARENT, parent="p",
    parents={"p": 1.0}, bound=0.118, probability=0.987, log10_p=-20.0,
    relatives=[related("p", Relation.PARENT), related("q", Relation.SIBLING), related("d", Relation.DESCENDANT)],
)  # fmt: skip


def family(relation: Relation, **known) -> Verdict:
    return verdict(
        Word.FAMILY, family=["p", "q"], closest="p", relation=relation, log10_p=-20.0,
        relatives=[related("p", relation), related("q", Relation.UNDETERMINED)], **known,
    )  # fmt: skip


NONE = verdict(Word.NONE, log10_p=-0.3)
CANNOT_TELL = verdict(Word.CANNOT_TELL)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (PARENT, "c was fine-tuned from p (copy is a copy of it), or from a model within 12 % of its own change "
                 "from it (probability 0.99)."),
        (verdict(Word.SAME, closest="p", parent="p", family=["p"]), "c has the same weights as p."),
        (verdict(Word.PARENT, closest="p", parent="p", family=["p", "q"], parents={"p": 0.7, "q": 0.3}),
         "c is a mixture of 0.70 p + 0.30 q."),
        (family(Relation.UNDETERMINED, bound=0.12, probability=0.5),
         "c is derived from the same family as p, q; closest: p; relation undetermined; it branched off within "
         "12 % of its own change from p."),
        (family(Relation.UNDETERMINED, bound=1.7),
         "c is derived from the same family as p, q; closest: p; relation undetermined."),
        (family(Relation.DESCENDANT, bound=0.9, probability=0.98),
         "c is of the same family as p, q; closest: p; a descendant of this network (probability 0.98)."),
        (family(Relation.INITIALISATION),
         "c is derived from the same family as p, q; closest: p; both were trained from the same initialisation."),
        (NONE, "None of the 5 candidates is related to c, as far as the order of neurons shows."),
        (CANNOT_TELL, "Whether c comes from one of the candidates cannot be told: why."),
    ],
)  # fmt: skip
def test_the_sentence_says_what_was_found_and_no_more(found, sentence):
    assert headline_of("c", found, 5) == sentence


@pytest.mark.parametrize("relation", sorted(set(Relation) - {Relation.SAME}))
def test_no_sentence_says_fine_tuned_from_where_no_parent_is_named(relation):
    said = headline_of("c", family(relation), 2)
    assert "fine-tuned from" not in said
    assert "closest: p; " in said


@pytest.mark.parametrize(("bound", "percent"), [(0.12, 12), (0.1201, 13), (0.0, 0), (0.004, 1)])
def test_a_bound_is_never_rounded_down(bound, percent):
    assert within(bound) == f"within {percent} % of its own change"


@pytest.mark.parametrize(
    ("probability", "said"),
    [(0.994, "0.99"), (0.995, "> 0.99"), (1.0, "> 0.99"), (0.005, "0.01"), (0.0, "< 0.01")],
)
def test_no_probability_is_said_to_be_certain(probability, said):
    assert shown(probability) == said


CANDIDATES = [
    candidate("p", 30, log10_p=-40), candidate("q", 20, log10_p=-30), candidate("d", 20, log10_p=-30),
    candidate("copy", 30, log10_p=-40), candidate("stranger"), candidate("small", rows=3),
    candidate("other", tests=0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("claimed", "found", "state"),
    [
        ("p", PARENT, "supported"),
        ("copy", PARENT, "supported"),
        ("q", PARENT, "contradicted"),
        ("d", PARENT, "contradicted"),
        ("stranger", PARENT, "contradicted"),
        ("small", PARENT, "undetermined"),
        ("other", PARENT, "undetermined"),
        ("unknown", PARENT, "undetermined"),
        ("p", family(Relation.UNDETERMINED), "undetermined"),
        ("q", family(Relation.UNDETERMINED), "undetermined"),
        ("p", family(Relation.DESCENDANT), "contradicted"),
        ("stranger", family(Relation.UNDETERMINED), "contradicted"),
        ("stranger", NONE, "contradicted"),
        ("stranger", verdict(Word.CANNOT_TELL, log10_p=-0.2), "contradicted"),
        ("stranger", CANNOT_TELL, "undetermined"),
        ("broken", NONE, "undetermined"),
    ],
)
def test_a_claim_is_contradicted_only_by_a_named_parent_independence_or_descent(claimed, found, state):
    claim = claim_of(claimed, found, CANDIDATES, {"broken": "broken.pt: is a web page"}, ALPHA)
    assert (claim.parent, claim.state) == (claimed, state)
    assert claim.reason
    assert claimed != "broken" or claim.reason == "broken.pt: is a web page"


def test_both_parents_of_a_mixture_support_a_claim():
    mixture = verdict(
        Word.PARENT, family=["p", "q", "d"], closest="p", parent="p", parents={"p": 0.6, "q": 0.4},
        relatives=[related(name, Relation.ANCESTOR, distance=0.1) for name in "pqd"],
    )  # fmt: skip
    states = {name: claim_of(name, mixture, CANDIDATES, {}, ALPHA).state for name in "pqd"}
    assert states == {"p": "supported", "q": "supported", "d": "contradicted"}
    assert claim_of("", mixture, CANDIDATES, {}, ALPHA) is None


@pytest.mark.parametrize(
    ("relation", "distance", "state"),
    [
        (Relation.ANCESTOR, 0.100, "undetermined"),
        (Relation.UNDETERMINED, 0.124, "undetermined"),
        (Relation.UNDETERMINED, 0.126, "contradicted"),
        (Relation.ANCESTOR, 0.300, "contradicted"),
        (Relation.SIBLING, 0.100, "contradicted"),
        (Relation.DESCENDANT, 0.100, "contradicted"),
    ],
)
def test_a_claimed_relative_may_be_the_parent_while_it_is_as_near_as_the_bound_of_the_named_one_allows(
    relation, distance, state
):
    """The child branched off within 0.2 of its own change from p: its parent is within 0.1 / 0.8 of it."""
    relatives = [related("p", Relation.PARENT, distance=0.1), related("q", relation, distance=distance)]
    found = dataclasses.replace(PARENT, bound=0.2, relatives=relatives)
    assert claim_of("q", found, CANDIDATES, {}, ALPHA).state == state


def test_beside_a_copy_of_the_child_its_ancestors_may_be_its_parent():
    relatives = [related("p", Relation.SAME, distance=0.0), related("q", Relation.ANCESTOR, distance=0.1)]
    found = verdict(Word.SAME, family=["p", "q"], closest="p", parent="p", bound=0.0, relatives=relatives)
    assert claim_of("q", found, CANDIDATES, {}, ALPHA).state == "undetermined"


def test_every_candidate_with_the_childs_weights_is_named_and_supports_a_claim():
    relatives = [related(name, Relation.SAME) for name in "pq"]
    found = verdict(Word.SAME, family=["p", "q"], closest="p", parent="p", relatives=relatives)
    assert headline_of("c", found, 2) == "c has the same weights as p and as q."
    assert claim_of("q", found, CANDIDATES, {}, ALPHA).state == "supported"


def test_a_fixed_part_that_both_hold_leaves_a_claim_undetermined():
    alike = dataclasses.replace(
        candidate("p", 30, log10_p=-40), unmoved=frozenset({"w0", "w1"}), elsewhere=0.9
    )
    claim = claim_of("p", verdict(Word.CANNOT_TELL, log10_p=0.0), [alike], {}, ALPHA)
    assert claim.state == "undetermined"
    assert "fixed part" in claim.reason


@pytest.mark.parametrize(("log10_p", "state"), [(-40, "undetermined"), (-1.5, "contradicted")])
def test_a_claimed_candidate_with_one_dependent_matrix_is_not_called_independent(log10_p, state):
    """As after all other layers were initialised again: too little for a family, too much for independence."""
    claimed = candidate("p")
    tests = claimed.tests | {"w0": dataclasses.replace(claimed.tests["w0"], log10_p=log10_p)}
    claim = claim_of("p", NONE, [dataclasses.replace(claimed, tests=tests)], {}, ALPHA)
    assert claim.state == state


@pytest.mark.parametrize(
    ("candidate_counts", "child_counts", "hints"),
    [
        ({"step": 4}, {"step": 9, "epoch": 1},
         ["step is 4 there and 9 in the child, as if the child was trained for longer"]),
        ({"step": 9}, {"step": 4},
         ["step is 9 there and 4 in the child, as if the candidate was trained for longer"]),
        ({"step": 4}, {"step": 4}, ["step is 4 there and 4 in the child, as if both were counted alike"]),
        ({"step": 4}, {}, []),
    ],
)  # fmt: skip
def test_a_counter_that_both_files_have_gives_a_hint(candidate_counts, child_counts, hints):
    assert hints_of(candidate_counts, child_counts) == hints


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_counters_of_files_are_shown_and_decide_nothing(tmp_path, suffix):
    import torch
    from safetensors.torch import save_file as save_safetensors

    save = save_safetensors if suffix == ".safetensors" else torch.save
    (tmp_path / "bases").mkdir()
    for name, state, batches in (("p2", ROOTS["p2"], 30), ("p0", ROOTS["p0"], 5), ("sibling", OF_P2, 20)):
        tensors = {key: torch.from_numpy(values) for key, values in state.items()}
        counter = {"norm.num_batches_tracked": torch.tensor(batches)}
        save(tensors | counter, tmp_path / "bases" / f"{name}{suffix}")
    child = {key: torch.from_numpy(values) for key, values in child_of(ROOTS["p2"], 27).items()}
    save(child | {"norm.num_batches_tracked": torch.tensor(20)}, tmp_path / f"child{suffix}")
    report = audit(tmp_path / f"child{suffix}", tmp_path / "bases", store_digests=False)
    assert report.parent == "p2"
    hints = {found.id: list(found.hints) for found in report.candidates}
    assert hints == {
        "p2": [
            "num_batches_tracked is 30 there and 20 in the child, as if the candidate was trained for longer"
        ],
        "p0": [],
        "sibling": ["num_batches_tracked is 20 there and 20 in the child, as if both were counted alike"],
    }


def test_the_least_p_of_two_matrices_of_n_rows_is_one_over_n_factorial():
    assert least_p(candidate("p", rows=7)) == pytest.approx(-math.log10(math.factorial(7)))


def place(name: str, distance: float) -> Place:
    return Place(id=name, similarity=0.5, tests=2, distance=distance)


def test_the_margin_is_to_the_next_the_farthest_and_the_most_similar_outside():
    """With shares of 0, 0.75 and 0.36 the child made all, half and 0.8 of the changes of 0.1, 1 and 0.5."""
    candidates = [
        candidate(name, z) for name, z in {"a": 9.0, "b": 8.0, "c": 7.0, "x": 1.0, "y": 0.5}.items()
    ]
    shares = {"a": 0.0, "c": 0.36, "b": 0.75}
    relatives = [related(name, Relation.UNDETERMINED, share=share) for name, share in shares.items()]
    found = verdict(Word.FAMILY, family=["a", "c", "b"], closest="a", relatives=relatives)
    margin = margin_of(candidates, found, {"a": place("a", 0.1), "b": place("b", 1.0), "c": place("c", 0.5)})
    assert (margin.parted, margin.next, margin.next_parted) == (0.1, "c", pytest.approx(0.4))
    assert (margin.farthest, margin.farthest_parted) == ("b", pytest.approx(0.5))
    assert (margin.z, margin.outside, margin.outside_z) == (9.0, "x", 1.0)


def test_a_copy_of_the_closest_is_not_the_next():
    candidates = [candidate(name) for name in "abc"]
    relatives = [related(name, Relation.UNDETERMINED, share=0.0) for name in "abc"]
    found = verdict(Word.SAME, family=["a", "b", "c"], closest="a", copies=["b"], relatives=relatives)
    margin = margin_of(candidates, found, {name: place(name, 0.4) for name in "abc"})
    assert (margin.next, margin.farthest, margin.outside) == ("c", "c", None)
    assert margin_of(candidates, NONE, {}) is None


def test_only_a_named_parent_or_the_same_weights_end_with_0():
    assert EXIT_CODES == {
        Word.SAME: 0, Word.PARENT: 0, Word.FAMILY: 6, Word.NONE: 3, Word.CANNOT_TELL: 4
    }  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> list[Source]:
    """p0 … p3 and a candidate that is broken; a child of p2, and one that is missing."""
    folder = tmp_path_factory.mktemp("models")
    for name, tensors in (ROOTS | {"child": child_of(ROOTS["p2"], 27)}).items():
        save_file(tensors, folder / f"{name}.safetensors")
    (folder / "broken.safetensors").write_text("<html>")
    roles = dict.fromkeys([*ROOTS, "broken"], "candidate") | dict.fromkeys(["child", "lost"], "child")
    claims = {"lost": "p2"}
    return [
        Source(id=name, path=f"{folder}/{name}.safetensors", role=role, claimed_parent=claims.get(name, ""))
        for name, role in roles.items()
    ]


def test_a_child_that_cannot_be_read_has_a_report_that_says_so(models, tmp_path):
    report = audited(models, "lost", [], DigestCache(None), ALPHA)
    assert (report.verdict, report.id, report.closest) == (Word.CANNOT_TELL, "lost", None)
    assert "found no such file" in report.reason
    assert report.reason in report.headline
    assert (report.claimed.parent, report.claimed.state) == ("p2", "undetermined")
    write_html(report.to_dict(), tmp_path / "page.html")
    assert "found no such file" in (tmp_path / "page.html").read_text()


def test_a_candidate_that_cannot_be_read_is_named_beside_the_verdict(models):
    report = audited(models, "child", [], DigestCache(None), ALPHA)
    assert report.closest == "p2"
    assert "web page" in report.refused["broken"]


@pytest.fixture
def folder(models, tmp_path):
    """The results of a table of models, as the workflow writes them."""
    (tmp_path / "children").mkdir()
    reports = []
    for child in ("child", "lost"):
        report = audited(models, child, [], DigestCache(None), ALPHA)
        write_json(report, tmp_path / "children" / f"{child}.json")
        reports.append(json.loads((tmp_path / "children" / f"{child}.json").read_text()))
    write_summary(reports, ALPHA, tmp_path / "summary.tsv")
    return tmp_path


def test_the_summary_has_the_three_answers_and_the_reason_of_every_child(folder):
    table = pd.read_csv(folder / "summary.tsv", sep="\t", keep_default_na=False).set_index("child")
    child, lost = table.loc["child"], table.loc["lost"]
    assert (child["family"], child["closest"]) == ("p2", "p2")
    assert child["relation"] in set(Relation)
    assert (child["significant"], child["claim"]) == ("True", "")
    assert (lost["verdict"], lost["family"], lost["claim"]) == ("cannot tell", "", "undetermined")
    assert "found no such file" in lost["reason"]


def test_the_closing_lines_name_each_childs_three_answers_and_where_they_stand(folder):
    lines = closing_lines(folder)
    assert re.match(r"child: .*; family: 1 candidate; closest: p2; relation: \w+", lines[0])
    assert any(line.startswith("  left out: ") and "web page" in line for line in lines)
    assert any(line.startswith("lost: cannot tell: ") for line in lines)
    assert f"summary: {folder / 'summary.tsv'}" in lines
    with pytest.raises(UserError, match="run `make audit` first"):
        closing_lines(folder / "children")


def test_the_terminal_gives_the_sentence_and_the_three_answers(models, capsys):
    report = audited(models, "child", [], DigestCache(None), ALPHA)
    print_report(report)
    first, *others = capsys.readouterr().out.splitlines()
    assert first == report.headline
    said = {line.split(":")[0].strip() for line in others}
    assert {"verdict", "family", "closest", "relation", "because", "layers"} <= said


def share_of_place(shares: dict[str, float]):
    return lambda features: Estimate(shares[features["of"]], *INTERVALS[shares[features["of"]]])


INTERVALS = {0.0: (0.0, 0.1), 0.5: (0.0, 1.0)}
"""Of a share: an ancestor's, and one that leaves the relation open."""


SURE, PROBABLE, NO = Passage(0.999, is_sure=True), Passage(0.9, is_sure=False), Passage(0.1, is_sure=False)


@pytest.mark.parametrize(
    ("way", "relation", "first"),
    [
        (None, "undetermined", "near"),
        (PROBABLE, "undetermined", "near"),
        (SURE, "parent", "near"),
        (NO, "parent", "early"),
    ],
    ids=["not compared", "probably on the way", "surely on the way", "elsewhere"],
)
def test_no_ancestor_is_named_where_a_nearer_relative_may_lie_between(way, relation, first):
    """A relative whose own relation is open has the bound of the ancestor that it is surely on the way from."""
    early = dataclasses.replace(place("early", 1.0), features={"of": "early"})
    near = dataclasses.replace(place("near", 0.2), features={"of": "near"})
    direction = share_of_place({"early": 0.0, "near": 0.5})
    closest, _ = relate([early, near], direction, lambda start, relative: way)
    assert (closest.id, closest.relation) == (first, relation)
    assert closest.relation != "parent" or closest.bound == pytest.approx((0.1 / 0.9) ** 0.5)


@pytest.mark.parametrize(("back", "first"), [(0.7, "early"), (0.3, "copy")])
def test_a_near_copy_of_an_ancestor_is_closest_if_the_reverse_is_less_probable_and_both_have_a_bound(
    back, first
):
    """The copy is a tenth of the child's own change away from the ancestor; its own relation is open."""
    early = dataclasses.replace(place("early", 1.0), features={"of": "early"})
    copy = dataclasses.replace(place("copy", 1.0), features={"of": "copy"})
    probabilities = {"early": 0.8, "copy": back}
    closest, _ = relate(
        [early, copy],
        share_of_place({"early": 0.0, "copy": 0.5}),
        lambda start, relative: Passage(probabilities[start], is_sure=False, apart=0.01),
    )
    assert (closest.id, closest.relation) == (first, "parent")
    most = 1.25**2 * 0.01 / (1 - 0.1) if first == "copy" else 0.1
    assert closest.bound == pytest.approx((most / (1 - most)) ** 0.5)


def test_a_relative_that_is_far_from_the_ancestor_keeps_its_own_relation_open():
    early = dataclasses.replace(place("early", 1.0), features={"of": "early"})
    far = dataclasses.replace(place("far", 0.8), features={"of": "far"})
    way = Passage(0.9, is_sure=False, apart=0.4)
    closest, _ = relate([early, far], share_of_place({"early": 0.0, "far": 0.5}), lambda start, relative: way)
    assert (closest.id, closest.relation) == ("far", "undetermined")


def test_without_an_ancestor_the_relative_on_the_ways_of_the_others_is_closest():
    """Three siblings and the network that they come from: it lies between each and the child; nothing is named."""
    shares = {"a": 0.5, "b": 0.5, "c": 0.5, "root": 0.5}
    places = [
        dataclasses.replace(place(name, distance), features={"of": name})
        for name, distance in zip(shares, (0.3, 0.4, 0.5, 0.35), strict=True)
    ]
    ways = {"root": SURE}
    found = relate(places, share_of_place(shares), lambda start, relative: ways.get(relative, NO))
    assert (found[0].id, found[0].relation) == ("root", "undetermined")
    found = relate(places[:3], share_of_place(dict(list(shares.items())[:3])), lambda start, relative: NO)
    assert found[0].id == "a"


@pytest.mark.parametrize(("as_descendant", "first"), [(0.9, "before"), (0.1, "after")])
def test_what_is_probably_a_descendant_is_not_the_closest(as_descendant, first):
    """Two stages of one training around the child, whose own relations are open: the later one is nearer."""
    before = dataclasses.replace(place("before", 0.4), features={"of": "before"})
    after = dataclasses.replace(place("after", 0.3), features={"of": "after"})
    probabilities = {"before": (0.5, 0.1), "after": (0.1, as_descendant)}
    found = relate([after, before], lambda features: Estimate(0.5, 0.0, 1.0, *probabilities[features["of"]]))
    assert next(related.id for related in found) == first
    assert all(related.relation == "undetermined" for related in found)


def test_no_direction_is_said_of_a_relative_farther_than_those_that_were_compared():
    near = dataclasses.replace(place("near", 0.3), features={"of": "near"})
    far = dataclasses.replace(place("far", 0.9), features={"of": "far"}, is_outlying=True)
    closest, outlying = relate([near, far], share_of_place({"near": 0.0, "far": 0.0}))
    assert (closest.id, closest.relation) == ("near", "parent")
    assert (outlying.relation, outlying.bound) == ("undetermined", None)


def test_one_child_is_no_plural():
    assert totals(["parent"]) == "1 child: 1 parent"
    assert totals(["parent", "cannot tell", "parent"]) == "3 children: 2 parent, 1 cannot tell"
