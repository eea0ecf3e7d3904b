"""Audits the cases of families: files in, a verdict and what is true of it out.

For a child C and a candidate A whose lines part at B, the child branched off within ‖A - B‖ / ‖C - B‖ of its own
change from A; norms are over the backbone's matrices. It is 0 where A is an ancestor, and infinite for a descendant.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from safetensors.numpy import load_file, save_file

from lineage.auditing.audit import Audit, Settings, audit_sources
from lineage.auditing.report.claims import claim_of
from lineage.auditing.report.types import ClaimState
from lineage.auditing.stages.thirds.passing import passage_of
from lineage.auditing.stages.verdict import Word
from lineage.checkpoints.find import Source
from lineage.families.cases import tree
from lineage.families.cases.changes import State, changed, matrices
from lineage.families.cases.lines import Case, Member
from lineage.families.plan import Family
from lineage.families.random_trees import RandomTree
from lineage.index.digest import DigestCache
from lineage.relation.direction.estimate import RESOLUTION, unmodelled
from lineage.seeds import seed_of

Kin = Family | RandomTree
"""Networks whose ancestors are known."""
STARTS = 2
"""Relatives that are no ancestors of a child, from which the others' passages are looked at."""


class Bench:
    """Audits cases one by one.

    Args:
        folders: of each family's weights, by the family's id.
        scratch: an empty folder, for copies and digests.
        settings: how to audit; a claim is each case's own.
    """

    def __init__(self, folders: dict[str, Path], scratch: Path, settings: Settings):
        self._folders, self._scratch, self._settings = folders, scratch, settings
        self._cache = DigestCache(scratch / "digests")
        self._state = lru_cache(maxsize=8)(load_file)
        self._files: dict[Member, Path] = {}

    def audited(self, case: Case, family: Kin) -> dict:
        """A row of the table of verdicts."""
        child = self._file(case.child)
        sources = [Source(id=member.id, path=str(self._file(member))) for member in case.candidates]
        began = time.process_time()
        audit = audit_sources(str(child), sources, settings=self._settings, cache=self._cache)
        seconds, verdict = time.process_time() - began, audit.verdict
        claim = claim_of(case.claimed, verdict, audit.candidates, audit.refused, self._settings.alpha)
        members = {member.id: member for member in case.candidates}
        own = {member.id: member.model for member in case.candidates if member.family == case.child.family}
        closest = tree.closest(case.child.model, list(own.values()), family.parents)
        named = verdict.parent if verdict.word in (Word.PARENT, Word.SAME) else None
        return {
            "line": case.line,
            "family": family.id,
            "architecture": family.architecture,
            "optimiser": family.optimiser,
            "width": family.width,
            "child": case.child.id,
            "candidates": list(members),
            "parent": case.parent,
            "never": list(case.never),
            "claimed": case.claimed or None,
            "word": str(verdict.word),
            "closest": verdict.closest,
            "closest_right": None if not closest else own.get(verdict.closest) in closest,
            "relation": None if verdict.relation is None else str(verdict.relation),
            "named": named,
            "is_same": verdict.word is Word.SAME,
            "bound": verdict.bound,
            "probability": verdict.probability,
            "closest_within": self._within(members.get(verdict.closest), case.child, child, family),
            "named_within": self._within(members.get(named), case.child, child, family),
            "is_contradicted": claim is not None and claim.state is ClaimState.CONTRADICTED,
            "dependent": len(verdict.family),
            "seconds": seconds,
        }

    def described(self, case: Case, family: Kin) -> Iterator[dict]:
        """A row of the table of features for each relative whose common ancestor with the child is on disk."""
        child, members, audit = self._examined(case)
        for place in audit.places:
            real = self._within(members[place.id], case.child, child, family)
            if real is not None and not place.is_same and place.features:
                yield {
                    **_common(case, family),
                    "candidate": place.id,
                    "within": real,
                    "features": place.features,
                }

    def passages(self, case: Case, family: Family) -> Iterator[dict]:
        """A row of the table of passages for each relative beside another one.

        Beside each ancestor of the child, and STARTS of the others, drawn from the family's seed. A relative that is
        as good as on the way from one of the others, a near copy of an ancestor, is neither a yes nor a no.
        """
        child, members, audit = self._examined(case)
        own = {id: member.model for id, member in members.items() if member.family == family.id}
        above = tree.line_of_descent(case.child.model)
        others = [id for id, model in own.items() if model not in above]
        draw = np.random.default_rng(family.seed_for(f"starts of {case.line} {case.child.id}"))
        chosen = draw.permutation(others)[:STARTS]
        for start in [*(id for id, model in own.items() if model in above), *map(str, chosen)]:
            for id, model in own.items():
                is_between = tree.is_on_the_way(own[start], model, case.child.model)
                is_copy = (
                    start in chosen and self._within(members[id], case.child, child, family) <= RESOLUTION
                )
                is_asked = id != start and (is_between or not is_copy)
                if is_asked and (features := passage_of(audit.together, start, id)):
                    yield {
                        **_common(case, family),
                        "start": start,
                        "candidate": id,
                        "is_between": is_between,
                        "features": features,
                    }

    def _examined(self, case: Case) -> tuple[Path, dict[str, Member], Audit]:
        """The child's file, the candidates by id, and their audit."""
        child = self._file(case.child)
        members = {member.id: member for member in case.candidates}
        sources = [Source(id=id, path=str(self._file(member))) for id, member in members.items()]
        return child, members, audit_sources(str(child), sources, settings=self._settings, cache=self._cache)

    def _file(self, member: Member) -> Path:
        """The file of a network, written if it is a changed one."""
        own = self._folders[member.family] / f"{member.model}.safetensors"
        if not member.change:
            return own
        if member not in self._files:
            decoy = None if member.decoy is None else self._state(self._file(member.decoy))
            state = changed(
                self._state(own), member.change, share=member.share, decoy=decoy, seed=seed_of(member.id)
            )
            self._files[member] = path = self._scratch / f"{len(self._files)}.safetensors"
            save_file({name: np.ascontiguousarray(values) for name, values in state.items()}, path)
        return self._files[member]

    def _within(self, candidate: Member | None, child: Member, file: Path, family: Kin) -> float | None:
        """The share of its own change from a candidate within which the child branched off; None if unrelated."""
        if candidate is None or candidate.family != child.family:
            return None
        shared = tree.common_ancestor(candidate.model, child.model, family.parents)
        if shared is None:
            return None
        start = self._state(self._folders[child.family] / f"{shared}.safetensors")
        return within(self._state(self._file(candidate)), start, self._state(file))


def within(candidate: State, start: State, child: State) -> float:
    """‖candidate - start‖ / ‖child - start‖ over the backbone's matrices."""
    names = matrices(start)
    of_candidate, of_child = (
        sum(float(np.square(state[name].astype(np.float64) - start[name]).sum()) for name in names)
        for state in (candidate, child)
    )
    if of_candidate == 0:
        return 0.0
    return float(np.sqrt(of_candidate / of_child)) if of_child else float("inf")


RowsOf = Callable[[Bench, Case, Kin], Iterator[dict]]
"""Rows of a table from one case."""


def _common(case: Case, family: Kin) -> dict:
    """What the rows of the tables of features and of passages begin with."""
    return {
        "family": family.id,
        "line": case.line,
        "architecture": family.architecture,
        "optimiser": family.optimiser,
        "width": family.width,
        "child": case.child.id,
    }


def described_family(
    family: Kin, cases: Sequence[Case], folders: dict[str, Path], rows_of: RowsOf
) -> Iterator[list[dict]]:
    """The rows of a table of features, case by case; changed networks are left out.

    Args:
        rows_of: `Bench.described` or `Bench.passages`.
    """
    with TemporaryDirectory() as scratch:
        bench = Bench(folders, Path(scratch), Settings(direction=unmodelled))
        for case in cases:
            whole = not case.child.change and not any(member.change for member in case.candidates)
            yield list(rows_of(bench, case, family)) if whole else []


def audited_family(
    family: Kin, cases: Sequence[Case], folders: dict[str, Path], settings: Settings
) -> Iterator[dict]:
    """The rows of the table of verdicts, case by case; changed copies and digests go to a temporary folder."""
    with TemporaryDirectory() as scratch:
        bench = Bench(folders, Path(scratch), settings)
        for case in cases:
            yield bench.audited(case, family)
