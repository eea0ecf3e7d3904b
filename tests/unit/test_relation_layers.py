"""Where a layer comes from, and whether a spectrum is that of random numbers."""

import numpy as np
import pytest
from small_networks import learnt

from lineage.relation.layers import LayerOrigin, State, looks_random, moves, origin
from lineage.relation.permutation_test import RowTest


def test_random_numbers_look_random_and_trained_matrices_do_not():
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(100, 300))
    assert looks_random(noise)
    assert looks_random(generator.uniform(-1, 1, (64, 64, 3, 3)))
    assert not looks_random(noise + 40 * learnt(generator, 100, 300))


def of(z: float, similarity: float = 0.1) -> RowTest:
    return RowTest(rows=64, similarity=similarity, change=1.3, z=z, matches=1, log10_p=-z)


HEAD = {"is_head": True}


@pytest.mark.parametrize(
    ("tests", "given", "state", "source"),
    [
        ({"p": of(50)}, {}, State.FINE_TUNED, "p"),
        ({"p": of(50)}, {"equal_to": ["p"]}, State.FROZEN, "p"),
        ({}, {"equal_to": ["p"]}, State.FROZEN, "p"),
        ({}, {"equal_to": ["q", "p"]}, State.FROZEN, "p"),
        ({}, {"equal_to": ["q"]}, State.FROZEN, "q"),
        ({"p": of(10), "q": of(50)}, {"equal_to": ["q"]}, State.FROZEN, "q"),
        ({"p": of(1), "q": of(50)}, {"equal_to": ["q"]}, State.GRAFTED, "q"),
        ({"p": of(1), "q": of(50)}, {}, State.GRAFTED, "q"),
        ({"p": of(10), "q": of(50)}, {}, State.FINE_TUNED, "p"),
        ({"q": of(50)}, {"parent": None}, State.FINE_TUNED, "q"),
        ({"q": of(60, 0.5), "r": of(50, 0.9)}, {}, State.GRAFTED, "r"),
        ({"p": of(1)}, {}, State.UNRELATED, None),
        ({}, {}, State.UNTESTED, None),
        ({}, {"is_random": True}, State.UNTESTED, None),
        ({"p": of(1)}, {"is_random": True}, State.REINITIALISED, None),
        ({}, HEAD, State.REINITIALISED, None),
        ({}, HEAD | {"is_open": True}, State.UNTESTED, None),
        ({"p": of(1)}, HEAD, State.REINITIALISED, None),
        ({"p": of(1)}, HEAD | {"is_open": True}, State.UNTESTED, None),
        ({"p": of(50, 0.3)}, HEAD, State.UNTESTED, None),
        ({"p": of(50, 0.6)}, HEAD, State.FINE_TUNED, "p"),
        ({"p": of(50, 0.3), "q": of(50, 0.6)}, HEAD, State.FINE_TUNED, "q"),
        ({"p": of(1), "q": of(50, 0.6)}, HEAD, State.FINE_TUNED, "q"),
        ({"p": of(1), "q": of(50, 1.0)}, HEAD | {"equal_to": ["q"]}, State.FROZEN, "q"),
    ],
)
def test_a_layer_has_one_state_and_one_source(tests, given, state, source):
    known = {"parent": "p", "equal_to": (), "is_head": False, "is_random": False} | given
    found = origin("w", tests, limit=-5, change=0.3, is_evidence=True, **known)
    assert (found.state, found.source) == (state, source)
    assert found.change == (0.3 if source == known["parent"] else None)


@pytest.mark.parametrize(
    ("tensor", "source", "moved"),
    [
        ("h.7.mlp.weight", "h.9.mlp.weight", {"h.7": "h.9"}),
        ("model.layers.10.a.weight", "layers.2.a.weight", {"layers.10": "layers.2"}),
        ("layer2.0.conv1.weight", "layer2.3.conv1.weight", {"layer2.0": "layer2.3"}),
        ("h.7.mlp.weight", "h.7.mlp.weight", {}),
        ("blocks.3.fc1.weight", "encoder.layers.4.mlp.0.weight", {}),
        ("h.7.mlp.weight", None, {}),
    ],
)
def test_a_layer_has_moved_if_its_number_differs_in_its_source(tensor, source, moved):
    layer = LayerOrigin(tensor, State.FINE_TUNED, "p", 0.1, 30.0, -40.0, is_evidence=True, of=source)
    assert moves([layer]) == moved
