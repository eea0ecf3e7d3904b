"""The audit of one child against its candidates, from weights alone.

First every candidate's digest is tested against the child's, one at a time; then only those that are not independent
of it are opened, and compared tensor by tensor.
"""

import math
import platform
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np

from lineage.audit.checkpoint import Checkpoint
from lineage.audit.comparison import Comparison, Pair, compare, sampled
from lineage.audit.digest import Digest, DigestCache, digest_of, sketch
from lineage.audit.direction import INHERITED, corner, inherited, measured, oriented, overall
from lineage.audit.exchangeability import RowTest, combined, conformal, row_test
from lineage.audit.files import safe_file
from lineage.audit.layers import LayerOrigin, looks_random, origin
from lineage.audit.matching import Matching, match
from lineage.audit.merging import Mixture, mixture
from lineage.audit.naming import heads, layer_of, matrices
from lineage.audit.reading import MEMBER, open_model, open_models
from lineage.audit.sources import Source, id_of
from lineage.audit.verdict import CANNOT_TELL, Evidence, Verdict, decide
from lineage.errors import UserError
from lineage.progress import Tracked, untracked

FORMAT = 1
"""The version of the report's layout."""
MOST_RELATIVES = 12
"""Relatives that are compared tensor by tensor: the most alike ones."""
LIBRARIES = ("neural-lineage", "numpy", "scipy", "safetensors", "h5py", "onnx", "torch")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to audit: alpha, the false-positive rate; follow: links out of the folders; claimed: a claimed parent."""

    alpha: float = 0.01
    follow: bool = False
    claimed: str = ""

    def __post_init__(self):
        if not 0 < self.alpha < 1:
            raise UserError(f"alpha: expected a rate between 0 and 1, got {self.alpha}")


@dataclass
class Candidate:
    """One candidate as far as it has been looked at."""

    id: str
    source: Source
    model: str
    format: str
    hashes: dict[str, str]
    matching: Matching
    tests: dict[str, RowTest]
    log10_p: float
    notes: list[str]
    comparison: Comparison | None = None
    opened: Checkpoint | None = field(default=None, repr=False)

    @property
    def z(self) -> float | None:
        """The mean over the tested matrices."""
        return float(np.mean([test.z for test in self.tests.values()])) if self.tests else None


class ChildSketches:
    """The child's side of the test, also of matrices that a candidate has the other way round."""

    def __init__(self, child: Checkpoint, digest: Digest):
        self._child, self._digest = child, digest
        self._heads = heads(digest.shapes)
        self._turned: dict[str, np.ndarray | None] = {}

    def tests(self, matching: Matching, candidate: Digest) -> dict[str, RowTest]:
        """The test of every matched matrix that both sides can be tested at."""
        tests = {}
        for name, other in matching.pairs.items():
            if other not in candidate.sketches:
                continue
            ours = self._turn(name) if name in matching.transposed else self._digest.sketches.get(name)
            if ours is not None and ours.shape == candidate.sketches[other].shape:
                tests[name] = row_test(candidate.sketches[other].astype(np.float32), ours.astype(np.float32))
        return tests

    def _turn(self, name: str) -> np.ndarray | None:
        if name not in self._turned:
            why = self._digest.untestable.get(name, "")
            is_fixed = name in self._heads or "attention" in why or "table" in why
            self._turned[name] = None if is_fixed else sketch(self._child.read(name).T)[0]
        return self._turned[name]


def digests_of(source: Source, cache: DigestCache, *, follow: bool) -> list[Digest]:
    """The digests of a source's models, made if the cache has none; raises as `open_models`."""
    path, _, wanted = source.path.partition(MEMBER)
    file = safe_file(Path(path), inside=source.inside, follow=follow)
    digests = cache.get(file.state)
    if digests is None:
        models = open_models(path, inside=source.inside, follow=follow)
        digests = [digest_of(model) for model in models]
        cache.put(file.state, digests, {str(f.real): f.state for model in models for f in model.files})
    return [digest for digest in digests if not wanted or digest.name.partition(MEMBER)[2] == wanted]


def digest_of_child(child: Checkpoint, cache: DigestCache) -> Digest:
    """The digest of one open model."""
    state = [child.name, *(file.state for file in child.files)]
    if found := cache.get(state):
        return found[0]
    digest = digest_of(child)
    cache.put(state, [digest], {str(file.real): file.state for file in child.files})
    return digest


class Audit:
    """One child, its candidates, and networks known to be unrelated.

    Args:
        child: its file, as `FILE` or `FILE::ID`.
        candidates: possible parents; unrelated: networks that are none for sure, a second null.
        settings: how; cache: of digests; known: tests made before, by candidate; tracked: says how far it is.

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
        self.relatives = self._compared()
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

    def _compared(self) -> list[Candidate]:
        """Candidates that are not independent of the child, most alike first, compared tensor by tensor."""
        related = [candidate for candidate in self.candidates if candidate.log10_p <= self.limit]
        related.sort(key=lambda candidate: -candidate.z)
        for candidate in related[:MOST_RELATIVES]:
            candidate.opened = self._open(candidate)
            pair = Pair(self.child, candidate.opened, candidate.matching)
            candidate.comparison = compare(pair, self._backbone(candidate))
        return related[:MOST_RELATIVES]

    def _open(self, candidate: Candidate) -> Checkpoint:
        path = candidate.source.path.partition(MEMBER)[0]
        models = open_models(path, inside=candidate.source.inside, follow=self.settings.follow)
        return next(model for model in models if model.name == candidate.model)

    def _backbone(self, candidate: Candidate) -> list[str]:
        """The child's matched matrices that are no head."""
        wide = matrices(self.digest.shapes)
        return [name for name in wide if name in candidate.matching.pairs and name not in self.heads]

    def _shared_matrices(self, relatives: list[Candidate], most: int) -> list[str]:
        """Testable matrices that all relatives have, evenly chosen."""
        shared = [
            name for name in self.digest.shapes if all(name in candidate.tests for candidate in relatives)
        ]  # fmt: skip
        return (
            [shared[round(at)] for at in np.linspace(0, len(shared) - 1, min(most, len(shared)))]
            if shared
            else []
        )

    def _mixture(self) -> Mixture | None:
        relatives = self.relatives
        names = self._shared_matrices(relatives, 12) if len(relatives) >= 2 else []
        if not names:
            return None
        count = len(relatives)
        gram, products, energy = np.zeros((count, count)), np.zeros(count), 0.0
        for name in names:
            ours = sampled(self.child.read(name)).ravel().astype(np.float64)
            theirs = np.stack(
                [sampled(Pair(self.child, one.opened, one.matching)(name)[0]).ravel() for one in relatives]
            ).astype(np.float64)
            gram += theirs @ theirs.T
            products += theirs @ ours
            energy += float(ours @ ours)
        return mixture([one.id for one in relatives], gram, products, energy)

    def _nearest_ancestor(self) -> Candidate | None:
        """Of the candidates that came first, the one that the child descends from most directly."""
        first = [
            one for one in self.relatives
            if one.comparison.direction and one.comparison.direction.reading == "candidate first"
        ]  # fmt: skip
        first.sort(key=lambda one: one.comparison.distance)
        nearest = first[0] if first else None
        for other in first[1:]:
            nearest = self._nearer(nearest, other)
        return nearest

    def _nearer(self, one: Candidate, other: Candidate) -> Candidate:
        """Of two ancestors, the later if the child holds its news, else the earlier; the closer if unclear."""
        names = self._shared_matrices([one, other], 8)
        readers = [Pair(self.child, each.opened, each.matching) for each in (one, other)]
        flow = overall([measured(*(read(name)[0] for read in readers)) for name in names])
        if flow is None or flow.reading == "unclear":
            return one
        is_in_order = flow.reading == "candidate first"
        shares = []
        for name in names:
            before, after = (read(name)[0] for read in (readers if is_in_order else readers[::-1]))
            parts = [oriented(values) for values in (before, after, self.child.read(name))]
            if parts[0] is not None and not np.array_equal(before, after):
                shares.append(inherited(*(corner(part) for part in parts)))
        holds_news = bool(shares) and np.median(shares) >= INHERITED
        return other if holds_news == is_in_order else one

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
        nearest = self._nearest_ancestor() if not merged else None
        self.evidence = [self._evidence(one, nearest) for one in self.candidates]
        return decide(self.evidence, merged, self.settings.alpha)

    def _evidence(self, one: Candidate, nearest: Candidate | None) -> Evidence:
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

    def report(self) -> dict:
        """All of it as JSON takes it."""
        verdict = self.verdict
        ranked = sorted(self.candidates, key=lambda one: (one.log10_p, -(one.z or 0)))
        evidence = {one.id: one for one in self.evidence}
        return {
            "format": FORMAT,
            "verdict": verdict.word,
            "parent": verdict.parent,
            "parents": verdict.parents,
            "p_value": verdict.p_value,
            "log10_p": verdict.log10_p,
            "alpha": self.settings.alpha,
            "decided_by": verdict.decided_by,
            "reason": verdict.reason,
            "helps": verdict.helps,
            "margin": self._margin(ranked),
            "claimed": self._claim(),
            "child": {
                "path": self.child_path,
                "format": self.child.format,
                "tensors": len(self.digest.shapes),
                "testable": list(self.digest.sketches),
                "untestable": self.digest.untestable,
                "left_out": self.digest.left_out,
            },
            "candidates": [self._row(one, evidence.get(one.id)) for one in ranked],
            "unrelated": [{"id": one.id, "z": one.z, "log10_p": one.log10_p} for one in self.unrelated],
            "layers": [asdict(layer) for layer in self.layers],
            "mixture": asdict(self.mixture) if self.mixture else None,
            "refused": dict(sorted(self.refused.items())),
            "notes": sorted({*self.digest.notes, *(note for one in self.candidates for note in one.notes)}),
            "inputs": self._inputs(),
            "config": asdict(self.settings),
            "versions": versions(),
        }

    def _margin(self, ranked: list[Candidate]) -> dict | None:
        """How far the best candidate is from the next, in mean z."""
        tested = sorted((one for one in ranked if one.tests), key=lambda one: -one.z)
        if not tested:
            return None
        best = next((one for one in tested if one.id == self.verdict.parent), tested[0])
        others = [one for one in tested if one is not best]
        if not others:
            return {"best": best.id, "z": best.z, "runner_up": None, "runner_up_z": None}
        return {"best": best.id, "z": best.z, "runner_up": others[0].id, "runner_up_z": others[0].z}

    def _claim(self) -> dict | None:
        claimed = self.settings.claimed
        if not claimed:
            return None
        known = any(one.id == claimed for one in self.candidates)
        return {
            "parent": claimed,
            "is_known": known,
            "is_contradicted": known
            and claimed not in self.verdict.parents
            and claimed != self.verdict.parent
            and self.verdict.word != CANNOT_TELL,
        }

    def _row(self, one: Candidate, evidence: Evidence | None) -> dict:
        compared = one.comparison
        flow = compared.direction if compared else None
        return {
            "id": one.id,
            "path": one.source.path,
            "format": one.format,
            "log10_p": one.log10_p,
            "p_value": 10.0**one.log10_p,
            "conformal_p": evidence.conformal_p if evidence else None,
            "z": one.z,
            "tested": len(one.tests),
            "coverage": evidence.coverage if evidence else None,
            "distance": compared.distance if compared else None,
            "reading": flow.reading if flow else None,
            "retention_of_candidate": flow.of_candidate if flow else None,
            "retention_of_child": flow.of_child if flow else None,
            "position": flow.position if flow else None,
            "tests": {name: asdict(test) for name, test in one.tests.items()},
            "matched_by_name": sum(how == "name" for how in one.matching.how.values()),
            "matched_by_order": sum(how == "order" for how in one.matching.how.values()),
            "transposed": sorted(one.matching.transposed),
            "unmatched_of_child": one.matching.only_child,
            "unmatched_of_candidate": one.matching.only_candidate,
        }

    def _inputs(self) -> dict[str, str]:
        hashes = dict(self.digest.hashes)
        for one in [*self.candidates, *self.unrelated]:
            hashes |= one.hashes
        return dict(sorted(hashes.items()))


def versions() -> dict[str, str]:
    """Of Python and of the libraries that decide a result."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            found[library] = "not installed"
    return found
