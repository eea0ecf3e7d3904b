"""Candidates, relatives and verdicts as an audit would find them, written by hand."""

from lineage.auditing.stages.candidates import Candidate
from lineage.auditing.stages.place import Place
from lineage.auditing.stages.verdict import Verdict, Word
from lineage.checkpoints.find import Source
from lineage.relation.matching import match
from lineage.relation.permutation_test import RowTest
from lineage.relation.relations import Related, Relation

ALPHA = 0.01


def candidate_of(name: str, found: list[tuple[float, float]], rows: int = 64) -> Candidate:
    """A candidate whose matrices, of so many rows, have each a z and a log10 of p."""
    tests = {
        f"w{number}": RowTest(rows=rows, similarity=0.1, change=1.3, z=z, matches=1, log10_p=log10_p)
        for number, (z, log10_p) in enumerate(found)
    }
    return Candidate(
        id=name, source=Source(id=name, path=name), model=name, format="", hashes={}, copy_key=name,
        matching=match({}, {}), tests=tests, notes=[],
    )  # fmt: skip


def candidate(
    name: str, z: float = 0.0, *, log10_p: float = 0.0, rows: int = 64, tests: int = 2
) -> Candidate:
    """A candidate whose matrices are all alike."""
    return candidate_of(name, [(z, log10_p)] * tests, rows)


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


def place(name: str, distance: float) -> Place:
    return Place(id=name, similarity=0.5, tests=2, distance=distance, beside_scale=distance)
