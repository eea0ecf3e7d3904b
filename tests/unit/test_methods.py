"""The table of methods: one row for every method that a run can make, true bounds, and colours that stay apart."""

import itertools
import re

import numpy as np
import pytest
import torch
from colorspacious import cspace_convert

from lineage.detector.model import INPUTS
from lineage.errors import UserError
from lineage.report import palette
from lineage.results.methods import (
    ANSWERS_GIVEN,
    AUDIT_CLOSEST,
    AUDIT_PARENT,
    DETECTORS,
    FAMILIES,
    INK,
    MIXED,
    MOST_SHOWN,
    TREE,
    best_score,
    family_of,
    method_of,
    shown_methods,
    similarity_of,
)
from lineage.similarity.measures import SIMILARITIES, WEIGHT_SIMILARITIES
from lineage.similarity.pairs import APPROXIMATIONS

EVERY_METHOD = [
    *(method_of(*names) for names in itertools.product(SIMILARITIES, APPROXIMATIONS)),
    *(method_of(name, "direct") for name in WEIGHT_SIMILARITIES),
    *(DETECTORS[inputs] for inputs in INPUTS),
    MIXED,
    *(AUDIT_CLOSEST, AUDIT_PARENT, TREE),
    *ANSWERS_GIVEN.values(),
]
PAGES = {"light": (255, 255, 255), "dark": (0x14, 0x18, 0x1F)}
BLIND = ("deuteranomaly", "protanomaly", "tritanomaly")
HUES = sorted({family.colour for family in FAMILIES} - {INK})


@pytest.mark.parametrize("method", EVERY_METHOD)
def test_every_method_of_a_run_has_exactly_one_row(method):
    rows = [family for family in FAMILIES if re.fullmatch(family.pattern, method)]
    assert [family_of(method)] == rows


def test_every_row_has_a_method():
    assert set(map(family_of, EVERY_METHOD)) == set(FAMILIES)


def test_a_method_of_no_family_is_named_with_the_file_that_lacks_its_row():
    with pytest.raises(UserError, match=r"'cka/quadratic'.*results/methods\.py"):
        family_of("cka/quadratic")


@pytest.mark.parametrize("name", SIMILARITIES)
def test_the_best_score_of_a_similarity_is_that_of_equal_features(name):
    generator = torch.Generator().manual_seed(0)
    scores = []
    for n, d in ((8, 3), (12, 40)):
        features = 7 * torch.randn(n, d, generator=generator, dtype=torch.float64)
        scores.append(SIMILARITIES[name](features, features.clone()).item())
    measured = scores[0] if scores[0] == pytest.approx(scores[1], abs=1e-9) else np.inf
    assert best_score(name) == pytest.approx(measured, abs=1e-9), (
        f"equal features have {name} {scores}, not {best_score(name)}: give it a line in BEST_SCORES of "
        "lineage/results/methods.py (infinity if the score depends on the features)"
    )


@pytest.mark.parametrize("name", WEIGHT_SIMILARITIES)
def test_the_best_score_of_a_similarity_of_weights_is_that_of_equal_weights(name):
    weights = {"a": torch.arange(1.0, 7.0).reshape(2, 3), "b": torch.ones(4)}
    score = WEIGHT_SIMILARITIES[name](weights, weights).item()
    assert score == pytest.approx(best_score(name), abs=1e-9)


def test_a_method_is_named_with_its_approximation_if_it_compares_features():
    assert method_of("cka", "path") == "cka/path"
    assert method_of("weight_l2", "direct") == "weight_l2"
    assert similarity_of("cka/path") == "cka"
    assert similarity_of("weight_l2") == "weight_l2"


def test_shown_methods_are_of_different_places_in_the_tables_before_any_is_of_the_same():
    found = shown_methods(["l1/path", "cka/path", "weight_l2", "detector/weights", "detector"])
    assert found == ["detector", "weight_l2", "cka/path", "detector/weights"]
    assert shown_methods(["l1/path", "cka/path"]) == ["cka/path", "l1/path"]
    assert len(shown_methods(EVERY_METHOD)) == MOST_SHOWN


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255


def luminance(colour: np.ndarray) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("colour", [*HUES, palette.WRONG])
def test_colours_have_a_contrast_of_3_with_the_page(colour, page):
    low, high = sorted([luminance(rgb(colour)), luminance(np.array(PAGES[page]) / 255)])
    assert (high + 0.05) / (low + 0.05) >= 3


@pytest.mark.parametrize("kind", [None, *BLIND])
def test_colours_stay_apart_for_the_colour_blind(kind):
    """In CAM02-UCS, where 1 is about what an eye can just tell."""

    def seen(colour: str) -> np.ndarray:
        if kind is None:
            return cspace_convert(rgb(colour), "sRGB1", "CAM02-UCS")
        sight = {"name": "sRGB1+CVD", "cvd_type": kind, "severity": 100}
        return cspace_convert(
            np.clip(cspace_convert(rgb(colour), sight, "sRGB1"), 0, 1), "sRGB1", "CAM02-UCS"
        )

    for left, right in itertools.combinations(HUES, 2):
        assert np.linalg.norm(seen(left) - seen(right)) > 20, (left, right)


def test_no_two_families_share_both_colour_and_marker_or_a_label():
    assert len({(family.colour, family.marker) for family in FAMILIES}) == len(FAMILIES)
    assert len({family.label for family in FAMILIES}) == len(FAMILIES)


def test_a_methods_look_does_not_depend_on_what_else_is_drawn():
    def look(method: str, *others: str) -> tuple[str, str]:
        scales = [encode([*others, method]).to_dict()["scale"] for encode in (palette.colour, palette.shape)]
        places = [scale["domain"].index(palette.label_of(method)) for scale in scales]
        return tuple(scale["range"][place] for scale, place in zip(scales, places, strict=True))

    for method in ("cka/path", "weight_l2", "detector/weights"):
        assert look(method) == look(method, "l1/direct", "detector", "l1/path") == look(method, *EVERY_METHOD)
