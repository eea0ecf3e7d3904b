"""The CPU and CUDA give the same scores, within stated tolerances.

An error is relative to the size of the score, or of the similarity's `direct` score at that layer where that is
larger: a gap that an extrapolation brings near 0 has lost its leading digits on either device. Where `taylor` takes a
root of an expanded power (l2, lp), the powers are compared: near 0 a root magnifies rounding without bound.
"""

import pandas as pd
import pytest

from gpu.networks import SMALL, family
from lineage.similarity.measures import SIMILARITIES, WEIGHT_SIMILARITIES
from lineage.similarity.pairs import POWERS
from lineage.similarity.score import score_pair

REAL_FEATURES = 5e-5
"""`direct` and `path`: float32 features whose sums the devices take in other orders, and convolutions by other
algorithms. Rounding is 6e-8 a step, and between float32 and float64 on a CPU these networks' scores differ by up to
5e-7, so this leaves a factor of 100; TF32 would give some 1e-3."""
EXTRAPOLATED = 5e-4
"""`linear` and `taylor`: a derivative through the network besides, and differences of features that are near."""
WEIGHTS = 1e-8
"""Similarities of weights: float64 sums over the same float32 differences."""
KEYS = ["layer", "similarity", "approximation", "alpha"]


def tolerance(similarity: str, approximation: str) -> float:
    """How far the devices may differ."""
    if similarity in WEIGHT_SIMILARITIES:
        return WEIGHTS
    return REAL_FEATURES if approximation in ("direct", "path") else EXTRAPOLATED


def errors(reference: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Rows of scores of the reference with their relative `error`."""
    both = reference.merge(found, on=KEYS, suffixes=("", "_found"), validate="one_to_one")
    assert len(both) == len(reference) == len(found)
    direct = both[both["approximation"] == "direct"].set_index(["layer", "similarity"])["score"].abs()
    scale = pd.Series(
        [direct[layer, name] for layer, name in zip(both["layer"], both["similarity"], strict=True)]
    )
    expanded = both["approximation"] == "taylor"
    power = both["similarity"].map(POWERS).where(expanded, 1).fillna(1)

    def raised(values: pd.Series) -> pd.Series:
        return values.abs() ** power * values.map(lambda value: -1 if value < 0 else 1)

    gap = (raised(both["score_found"]) - raised(both["score"])).abs()
    return both.assign(error=gap / raised(both["score"].abs().clip(lower=scale)))


@pytest.mark.parametrize("name", SMALL)
def test_every_similarity_and_approximation_agrees_with_the_cpu(name, device, figures):
    parent, child, probe = family(SMALL[name])
    on_cpu = score_pair(parent, child, probe)
    found = errors(on_cpu, score_pair(parent.to(device), child.to(device), probe.to(device)))
    assert set(found["similarity"]) == {*SIMILARITIES, *WEIGHT_SIMILARITIES}
    worst = found.groupby(["similarity", "approximation"])["error"].max()
    seen = {"/".join(method): error for method, error in worst.items()}
    figures.add("largest difference from the CPU", name, seen, "relative", n=len(probe))
    beyond = {method: error for method, error in seen.items() if not error <= tolerance(*method.split("/"))}
    assert not beyond
