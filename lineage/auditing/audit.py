"""The audit of one child against its candidates, from weights alone.

First every candidate's digest is tested against the child's, one at a time; then only those that are not independent
of it are opened, and compared tensor by tensor.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lineage.auditing.ancestry import Ways, nearest_ancestor
from lineage.auditing.candidates import Candidate
from lineage.auditing.pair_tests import ChildSketches, digest_of_child, digests_of
from lineage.auditing.probing import Prober
from lineage.auditing.verdict import CANNOT_TELL, Evidence, Verdict, decide
from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.find import Source, id_of
from lineage.checkpoints.read import MEMBER, open_model, open_models
from lineage.errors import UserError
from lineage.index.cache import DigestCache
from lineage.index.digest import Digest
from lineage.progress import Tracked, untracked
from lineage.relation.comparison import Pair, compare, evenly, sampled
from lineage.relation.layers import LayerOrigin, looks_random, origin
from lineage.relation.matching import match
from lineage.relation.mixture import Mixture, mixture
from lineage.relation.naming import heads, layer_of, matrices
from lineage.relation.permutation_test import RowTest, combined, conformal, row_test
from lineage.relation.sketch import sketch

MOST_RELATIVES, MOST_MIXED = 64, 12
"""Relatives that are compared tensor by tensor, and those that a mixture may be of: the most alike ones."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to audit: alpha, the false-positive rate; follow: links out of the folders; claimed: a claimed parent."""

    alpha: float = 0.01
    follow: bool = False
    claimed: str = ""

    def __post_init__(self):
        if not 0 < self.alpha < 1:
            raise UserError(f"alpha: expected a rate between 0 and 1, got {self.alpha}")


class Audit:
    """One child, its candidates, and networks known to be unrelated.

    Args:
        child: its file, as `FILE` or `FILE::ID`.
        candidates: possible parents; unrelated: networks that are none for sure, a second null.
        settings: how; cache: of digests; tracked: says how far it is.
        known: tests made before, by the candidate's id.

    Raises:
        UserError: for a child that cannot be read, or if no candidate can.
    """

    def __init__(
        self,
        child: str,
        candidates: list[Source],
        unrelated: list[Source] = (),
        *,
        settings: Settings = Settings(),
        cache: DigestCache | None = None,
        known: dict[str, dict[str, RowTest]] | None = None,
        tracked: Tracked = untracked,
    ):
        self.child_path, self.settings = child, settings
        self._cache = cache or DigestCache(None)
        self._known = known or {}
        self.refused: dict[str, str] = {}
        self._opened: dict[tuple[str, Path | None], list[Checkpoint]] = {}
        self.child = open_model(child, follow=settings.follow)
        self.digest = digest_of_child(self.child, self._cache)
        self.heads = heads(self.digest.shapes)
        self.sketches = ChildSketches(self.child, self.digest)
        self.candidates = self._tested(candidates, tracked)
        self.unrelated = self._tested(unrelated, tracked) if unrelated else []
        if not self.candidates:
            raise UserError(
                next(iter(self.refused.values()), f"{child}: is the only candidate for itself; give others")
            )
        self.limit = math.log10(settings.alpha / len(self.candidates))
        self.relatives = self._compared(tracked)
        self.mixture = self._mixture()
        self.evidence: list[Evidence] = []
        self.verdict = self._decided()
        self.layers = list(self._origins())

    @staticmethod
    def tests_of(child: str, candidate: Source, cache: DigestCache) -> dict[str, RowTest]:
        """The tests of one pair alone."""
        opened = open_model(child)
        digest = digest_of_child(opened, cache)
        (other,) = digests_of(candidate, cache, follow=False)
        return ChildSketches(opened, digest).tests(match(digest.shapes, other.shapes), other)

    def _tested(self, sources: list[Source], tracked: Tracked) -> list[Candidate]:
        """Every readable candidate with its tests; digests are let go as soon as they are tested."""

        def of_source(source: Source) -> list[Candidate]:
            try:
                digests = digests_of(source, self._cache, follow=self.settings.follow)
                others = [digest for digest in digests if not self._is_child(source, digest)]
                return [self._test(source, digest, len(digests) == 1) for digest in others]
            except UserError as error:
                self.refused[source.id] = str(error)
                return []

        with ThreadPoolExecutor(2) as workers:
            found = tracked(workers.map(of_source, sources), "candidate files")
            return [candidate for models in found for candidate in models]

    def _is_child(self, source: Source, digest: Digest) -> bool:
        real = Path(source.path.partition(MEMBER)[0]).resolve()
        return real == self.child.files[0].real and digest.name == self.child.name

    def _test(self, source: Source, digest: Digest, is_alone: bool) -> Candidate:
        matching = match(self.digest.shapes, digest.shapes)
        tests = self._known.get(source.id)
        if tests is None:
            tests = self.sketches.tests(matching, digest)
        return Candidate(
            id=id_of(source, digest.name, is_alone=is_alone),
            source=source,
            model=digest.name,
            format=digest.format,
            hashes=digest.hashes,
            matching=matching,
            tests=tests,
            log10_p=combined([test.log10_p for test in tests.values()]),
            notes=digest.notes,
        )

    def _compared(self, tracked: Tracked) -> list[Candidate]:
        """Candidates that are not independent of the child, most alike first, compared tensor by tensor."""
        related = [candidate for candidate in self.candidates if candidate.log10_p <= self.limit]
        related.sort(key=lambda candidate: -candidate.likeness)
        related = related[:MOST_RELATIVES]
        for candidate in tracked(related, "relatives"):
            candidate.opened = self._open(candidate)
            pair = Pair(self.child, candidate.opened, candidate.matching)
            candidate.comparison = compare(pair, self._backbone(candidate))
        return related

    def _open(self, candidate: Candidate) -> Checkpoint:
        source = candidate.source
        path = source.path.partition(MEMBER)[0]
        if (path, source.inside) not in self._opened:
            self._opened[path, source.inside] = open_models(
                path, inside=source.inside, follow=self.settings.follow
            )
        return next(model for model in self._opened[path, source.inside] if model.name == candidate.model)

    def _backbone(self, candidate: Candidate) -> list[str]:
        """The child's matched matrices that are no head."""
        wide = matrices(self.digest.shapes)
        return [name for name in wide if name in candidate.matching.pairs and name not in self.heads]

    def _mixture(self) -> Mixture | None:
        relatives = self.relatives[:MOST_MIXED]
        shared = [name for name in self.digest.shapes if all(name in one.tests for one in relatives)]
        if len(relatives) < 2 or not shared:
            return None
        count = len(relatives)
        gram, products, energy = np.zeros((count, count)), np.zeros(count), 0.0
        for name in evenly(shared):
            ours = sampled(self.child.read(name)).ravel().astype(np.float64)
            theirs = np.stack(
                [sampled(Pair(self.child, one.opened, one.matching)(name)[0]).ravel() for one in relatives]
            ).astype(np.float64)
            gram += theirs @ theirs.T
            products += theirs @ ours
            energy += float(ours @ ours)
        return mixture([one.id for one in relatives], gram, products, energy)

    def _nearest_ancestor(self) -> tuple[Candidate | None, Candidate | None]:
        ways = Ways(lambda one: Pair(self.child, one.opened, one.matching))
        return nearest_ancestor(self.relatives, ways.came_before, ways)

    def _decided(self) -> Verdict:
        if self.unrelated and min(one.log10_p for one in self.unrelated) <= math.log10(
            self.settings.alpha / len(self.unrelated)
        ):
            alike = min(self.unrelated, key=lambda one: one.log10_p)
            return Verdict(
                CANNOT_TELL,
                decided_by="unrelated networks",
                reason=f"{alike.id} is given as unrelated, but is as dependent on the child as a relative",
                helps=[
                    "take it from the unrelated ones, if it is a relative",
                    "fix its rows' order, if it is a table",
                ],
            )
        merged = self.mixture.parents if self.mixture and self.mixture.is_merge else {}
        nearest, found_by = (None, None) if merged else self._nearest_ancestor()
        self.evidence = [self._evidence(one, nearest, found_by) for one in self.candidates]
        return decide(self.evidence, merged, self.settings.alpha)

    def _evidence(self, one: Candidate, nearest: Candidate | None, found_by: Candidate | None) -> Evidence:
        sizes = {name: math.prod(self.digest.shapes[name]) for name in {*self.digest.sketches, *one.tests}}
        limit = self.limit - math.log10(max(1, len(one.tests)))
        dependent = sum(sizes[name] for name, test in one.tests.items() if test.log10_p <= limit)
        others = [
            other.z for other in [*self.candidates, *self.unrelated] if other is not one and other.tests
        ]
        compared = one.comparison
        return Evidence(
            id=one.id,
            testable=len(one.tests),
            log10_p=one.log10_p,
            coverage=dependent / sum(sizes.values()) if sizes else 0.0,
            distance=compared.distance if compared else None,
            is_same=compared is not None and self._is_same(one),
            reading=compared.direction.reading if compared and compared.direction else None,
            is_nearest_ancestor=one is nearest,
            found_by=found_by.id if found_by and one is nearest else None,
            conformal_p=conformal(one.z, others) if one.tests else None,
        )

    def _is_same(self, one: Candidate) -> bool:
        """Whether all that is no head is equal to rounding, and nothing is missing."""
        of_heads = {layer_of(name) for name in self.heads}
        rest = [name for name in self.digest.shapes if layer_of(name) not in of_heads]
        return bool(rest) and all(name in one.comparison.unchanged for name in rest)

    def _origins(self) -> Iterator[LayerOrigin]:
        parent_id = self.verdict.parent
        parent = next((one for one in self.relatives if one.id == parent_id), None)
        if parent is None and self.relatives:
            parent = self.relatives[0]
        count = max(1, len(self.digest.sketches))
        for name in matrices(self.digest.shapes):
            tests = {
                one.id: (one.tests[name].z, one.tests[name].log10_p)
                for one in self.candidates
                if name in one.tests
            }
            is_evidence = bool(tests)
            if not tests:
                tests = self._tests_of_untestable(name)
            limit = self.limit - math.log10(count)
            found = any(test[1] <= limit for test in tests.values())
            yield origin(
                name,
                tests,
                parent=parent.id if parent else None,
                limit=limit,
                change=parent.comparison.changes.get(name) if parent else None,
                is_unchanged=bool(parent) and name in parent.comparison.unchanged,
                is_head=name in self.heads,
                is_random=bool(self.relatives) and not found and looks_random(sampled(self.child.read(name))),
                is_evidence=is_evidence,
            )

    def _tests_of_untestable(self, name: str) -> dict[str, tuple[float, float]]:
        """The same test for matrices whose rows' order is not free: it describes, and is no evidence."""
        tests, ours = {}, sketch(self.child.read(name))[0]
        for one in self.relatives:
            if ours is None or name not in one.matching.pairs:
                continue
            theirs, _ = sketch(Pair(self.child, one.opened, one.matching)(name)[0])
            if theirs is not None:
                test = row_test(theirs.astype(np.float32), ours.astype(np.float32))
                tests[one.id] = (test.z, test.log10_p)
        return tests

    def probed(self, prober: Prober) -> dict:
        """The candidates' scores on a probe, best first, and whether the best is the verdict's parent.

        Raises:
            UserError: if the child has not the architecture.
        """
        scores, refused = {}, {}
        prober.score(self.child, self.child)
        for one in self.candidates:
            try:
                scores[one.id] = prober.score(self._open(one), self.child)
            except UserError as error:
                refused[one.id] = str(error)
        ranked = dict(sorted(scores.items(), key=lambda item: -item[1]))
        best = next(iter(ranked), None)
        return {
            "architecture": prober.architecture,
            "inputs": prober.name,
            "scores": ranked,
            "refused": refused,
            "best": best,
            "agrees": best in self.verdict.parents or best == self.verdict.parent,
        }
