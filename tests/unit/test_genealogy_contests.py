"""Contests of possible parents against generalised least squares, and against trees whose parents are known."""

import math

import numpy as np
import pytest

from lineage.genealogy.distances.geometry import at_one_scale, squared_from
from lineage.genealogy.evidence.contests import FLOOR, MOST, RIDGE, Contests

SIZE = 48


def known(count: int, probability: float = 0.9) -> dict[tuple[int, int], float]:
    """Every model may be the parent of the last one."""
    return dict.fromkeys(((place, count - 1) for place in range(count - 1)), probability)


def family(seed: int, parents: list[int], learned: list[float], changes: list[float]) -> np.ndarray:
    """Matrices [n, SIZE, SIZE]: a parent's plus some of what all learn alike, and an own change."""
    draw = np.random.default_rng(seed)
    alike = np.outer(draw.normal(size=SIZE), draw.normal(size=SIZE))
    found = [draw.normal(size=(SIZE, SIZE))]
    for parent, much, own in zip(parents, learned, changes, strict=True):
        found.append(found[parent] + much * alike + own * draw.normal(size=(SIZE, SIZE)))
    return np.stack(found)


def said_of(contests: Contests) -> dict[tuple[int, int], float]:
    return contests.evidence()


@pytest.mark.parametrize("seed", range(4))
def test_a_sibling_that_learned_alike_is_nearer_than_the_parent_and_yet_loses(seed):
    matrices = family(seed, [0, 0], [0.15, 0.6], [0.1, 0.1])
    apart = squared_from(matrices.reshape(3, -1), np.arange(3))
    said = said_of(Contests([matrices], known(3)))
    assert apart[1, 2] < apart[0, 2]
    assert said[0, 2] > 0.9 > -0.9 > said[1, 2]


@pytest.mark.parametrize("seed", range(4))
def test_a_parent_wins_against_its_own_parent(seed):
    said = said_of(Contests([family(seed, [0, 1], [0.1, 0.1], [0.1, 0.2])], known(3)))
    assert said[1, 2] > 0.5 > -0.5 > said[0, 2]


def test_two_models_with_nearly_the_same_weights_have_a_contest_that_neither_wins():
    matrices = family(1, [0, 0], [0.0, 0.5], [1e-5, 0.2])
    said = said_of(Contests([matrices], known(3)))
    assert max(map(abs, said.values())) < 0.5 < MOST


def test_a_contest_is_generalised_least_squares_over_all_coordinates():
    """The slow way: the inverse of the covariance of all entries, a Kronecker product."""
    draw = np.random.default_rng(2)
    matrices = [draw.normal(size=(3, 8, 10)) + 4 * draw.normal(size=(8, 10)) for _ in range(2)]

    def sums(values: np.ndarray, parent: int, rival: int) -> tuple[float, float, float]:
        change = values[2] - values[parent]
        row, column = change @ change.T, change.T @ change
        row, column = row / np.mean(np.linalg.eigvalsh(row)), column / np.mean(np.linalg.eigvalsh(column))
        covariance = np.kron(row + RIDGE * np.eye(8), column + RIDGE * np.eye(10))
        apart = (values[rival] - values[parent]).ravel()
        weighed = np.linalg.solve(covariance, np.stack([apart, change.ravel()], axis=1))
        variance = change.ravel() @ weighed[:, 1] / change.size
        return tuple(
            np.array([apart @ weighed[:, 1], apart @ weighed[:, 0], change.ravel() @ weighed[:, 1]])
            / variance
        )

    scaled = [at_one_scale(values) for values in matrices]
    share, aside = {}, {}
    for parent, rival in ((0, 1), (1, 0)):
        product, size, moved = np.sum([sums(values, parent, rival) for values in scaled], axis=0)
        share[parent] = abs(product) / size
        aside[parent] = np.clip((moved - product) / min(moved, moved + size - 2 * product), 0, 1)
    wanted = np.clip(math.log((share[1] + FLOOR) / (share[0] + FLOOR)), -MOST, MOST) * min(aside.values())
    said = said_of(Contests(matrices, known(3)))
    assert said == {(0, 2): pytest.approx(wanted), (1, 2): pytest.approx(-wanted)}


@pytest.mark.parametrize("own", [0.05, 0.2])
def test_a_model_between_its_parent_and_its_child_has_no_contest_of_them(own):
    matrices = family(5, [0, 1], [0.0, 0.0], [0.2, own])[[0, 2, 1]]
    said = said_of(Contests([matrices], known(3)))
    assert max(map(abs, said.values())) < 0.1


def test_without_a_rival_a_parent_wins_and_merges_have_no_contests():
    matrices = family(3, [0, 0], [0.1, 0.1], [0.1, 0.1])
    assert said_of(Contests([matrices], {(0, 2): 0.9})) == {(0, 2): MOST}
    assert said_of(Contests([matrices], {(0, 2): 0.01, (1, 2): 0.001})) == {}
    assert said_of(Contests([matrices], known(3), merges=[2])) == {}


def test_what_cannot_be_a_parent_is_no_rival():
    contests = Contests([family(4, [0, 1], [0.1, 0.1], [0.1, 0.2])], known(3))
    assert contests.evidence()[0, 2] < 0
    assert contests.evidence({(1, 2)})[0, 2] == MOST
