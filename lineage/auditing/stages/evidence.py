"""Decide, first part: what is known of each candidate, in the numbers that the verdict rests on."""

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from lineage.auditing.stages.candidates import ELSEWHERE, Candidate, Relative
from lineage.auditing.stages.child import Child
from lineage.auditing.stages.verdict import MOST, Evidence, Verdict, Word
from lineage.relation.comparison import Tensors
from lineage.relation.direction.norms import norms_among
from lineage.relation.permutation_test import RowTest, conformal_p_values
from lineage.relation.scars.grown import GROWN
from lineage.relation.structure.composed import composed
from lineage.relation.structure.screen import SURE
from lineage.relation.structure.settle import shapes_of
from lineage.relation.tensor_names import canonical, heads, layer_of, matrices

HEAD, SIZES, SCALES, BIASES, NORMS = "head", "number of rows", "scale of rows", "biases", "norms"
REST, NAMES = "tensors beside them", "set of tensors"
ORDER = (HEAD, SIZES, SCALES, BIASES, NORMS, REST, NAMES)
"""What may differ where matrices are the same, in the order in which a headline says "not the same" of it."""
BIAS = "bias"


def evidence_of(
    child: Child,
    candidates: Sequence[Candidate],
    unrelated: Sequence[Candidate],
    relatives: Sequence[Relative],
    limit: float,
) -> list[Evidence]:
    """The evidence of every candidate.

    Args:
        child: opened and digested; candidates, unrelated: tested; relatives: compared.
        limit: log10 p at most this is dependence, over all candidates.
    """
    tested = [candidate for candidate in [*candidates, *unrelated] if candidate.tests]
    conformal_ps = conformal_p_values([candidate.z for candidate in tested])
    conformal_p_of = dict(zip(tested, conformal_ps, strict=True))
    relative_of = {relative.id: relative for relative in relatives}
    sizes = {name: math.prod(shape) for name, shape in child.digest.shapes.items()}
    found = []
    for candidate in candidates:
        relative = relative_of.get(candidate.id)
        tests = {**(relative.described if relative else {}), **candidate.tests}
        found.append(
            Evidence(
                id=candidate.id,
                testable=len(candidate.tests),
                log10_p=candidate.log10_p,
                no_evidence=candidate.no_evidence(limit),
                coverage=coverage_of(tests, sizes, set(child.digest.sketches), limit),
                distance=relative.comparison.distance if relative else None,
                conformal_p=conformal_p_of.get(candidate),
                copy=candidate.copy_key,
            )
        )
    return found


def coverage_of(
    tests: Mapping[str, RowTest], sizes: Mapping[str, int], sketched: set[str], limit: float
) -> float:
    """The share of the testable weights that are in matrices dependent on a candidate.

    Args:
        tests: of the candidate, by the child's name of each matrix; sizes: of the child's tensors.
        sketched: the child's matrices that can be tested as they are.
        limit: log10 p at most this is dependence of the whole; divided by the number of tests for each matrix.
    """
    of_matrix = limit - math.log10(max(1, len(tests)))
    dependent = sum(sizes[name] for name, test in tests.items() if test.log10_p <= of_matrix)
    testable = sum(sizes[name] for name in sketched | tests.keys())
    return dependent / testable if testable else 0.0


def is_same(child: Child, relative: Relative) -> bool:
    """Whether all matrices that are no head are equal to rounding, and one of the two has none that the other lacks.

    Nor has either of them more beside these than they are: a network that holds another one has its weights in part.
    A network that is another one but for what was added to it is none of the same weights: its source is known.
    """
    matching = relative.pair.matching
    matched = [name for name in child.matrices if name in matching.pairs and name not in child.heads]
    if not matched or any(scar.is_copy and scar.kind in GROWN for scar in relative.comparison.scars):
        return False
    theirs = shapes_of(relative.pair.candidate)
    ours = set(child.matrices) - child.heads
    alone = ours & set(matching.only_child), backbone_of(theirs) & set(matching.only_candidate)

    def shares(of_child: Collection[str], of_candidate: Collection[str]) -> tuple[float, float]:
        return _share(of_child, ours, child.digest.shapes), _share(of_candidate, backbone_of(theirs), theirs)

    if min(shares(*alone)) >= ELSEWHERE or not relative.comparison.unchanged.issuperset(matched):
        return False
    if max(shares(*alone)) < 1 - MOST:
        return True
    partners = [matching.pairs[name] for name in matched]
    more = _untied(child.checkpoint, alone[0], matched), _untied(relative.pair.candidate, alone[1], partners)
    return max(shares(*more)) < 1 - MOST


def _untied(network: Tensors, names: Collection[str], beside: Collection[str]) -> list[str]:
    """Those of some matrices that are no copies of others, as tied ones are that are stored twice."""
    shapes = {network.entries[name].shape for name in names}
    known = {_content(network, name) for name in beside if network.entries[name].shape in shapes}
    return [name for name in names if _content(network, name) not in known]


def _content(network: Tensors, name: str) -> bytes:
    return hashlib.sha256(network.read(name).tobytes()).digest()


def differences_of(child: Child, relative: Relative) -> tuple[str, ...]:
    """What is not equal to rounding beside the matrices; empty where all tensors are.

    Of what only one of the two has, a head is named, and all else is another set of tensors.
    """
    matching, shapes = relative.pair.matching, child.digest.shapes
    of_heads = {layer_of(name) for name in child.heads}
    norms = {layer_of(name) for name in norms_among(shapes)}
    theirs = {layer_of(name) for name in heads(shapes_of(relative.pair.candidate))}
    found = {
        HEAD if layer in layers else NAMES
        for names, layers in ((matching.only_child, of_heads), (matching.only_candidate, theirs))
        for layer in map(layer_of, names)
    }
    for name in matching.pairs:
        if layer_of(name) in of_heads:
            if _differs(name, relative):
                found.add(HEAD)
        elif name in matching.resized:
            found.add(SIZES)
        elif name in matching.scaled:
            found.add(SCALES)
        elif _differs(name, relative):
            found.add(NORMS if layer_of(name) in norms else BIASES if _is_bias(name) else REST)
    return tuple(sorted(found, key=ORDER.index))


def _differs(name: str, relative: Relative) -> bool:
    return name in relative.pair.matching.resized or name not in relative.comparison.unchanged


def _is_bias(name: str) -> bool:
    return BIAS in canonical(name).rpartition(".")[2]


def backbone_of(shapes: Mapping[str, tuple[int, ...]]) -> set[str]:
    """The matrices of a network that are no head."""
    return set(matrices(shapes)) - heads(shapes)


def _share(some: Collection[str], every: Collection[str], shapes: Mapping[str, tuple[int, ...]]) -> float:
    """The share of the weights of some matrices in those of all."""
    total = sum(math.prod(shapes[name]) for name in every)
    return sum(math.prod(shapes[name]) for name in some) / total if total else 0.0


def parts_of(child: Child, candidates: Sequence[Candidate]) -> dict[str, float]:
    """The candidates whose layers make up the child, with their shares; of copies the first. Empty if none do."""
    sizes = {name: math.prod(child.digest.shapes[name]) for name in child.digest.sketches}
    first = {candidate.copy_key: candidate for candidate in reversed(candidates)}
    belonging = {
        candidate.id: {
            name: test.similarity
            for name, test in candidate.tests.items()
            if test.log10_p <= SURE and name in sizes
        }
        for candidate in reversed(first.values())
    }
    return composed(belonging, sizes, {candidate.id: candidate.apart for candidate in candidates})


def as_parts(candidates: Sequence[Candidate], parts: Mapping[str, float]) -> list[Candidate]:
    """The candidates, with those that are parts of the child marked: what is the same in both is no fixed part."""
    return [
        replace(candidate, is_part=True) if candidate.id in parts else candidate for candidate in candidates
    ]


def of_parts(verdict: Verdict, parts: Mapping[str, float]) -> Verdict:
    """A verdict of several parents, whose layers make up the child."""
    if verdict.word is not Word.PARENT or verdict.parents != parts:
        return verdict
    said = ", ".join(f"{share:.0%} of {id}" for id, share in parts.items())
    by_layers = "order of neurons, layer by layer"
    return replace(
        verdict,
        relatives=[
            replace(each, decided_by=by_layers) if each.id in parts else each for each in verdict.relatives
        ],
        decided_by=by_layers,
        reason=f"its layers are those of several: {said}",
    )
