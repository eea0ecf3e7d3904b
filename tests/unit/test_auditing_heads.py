"""What is said of a head in the list of layers: of planted heads, whose origin is known."""

import numpy as np
import pytest
from audited_tensors import saved_sources
from small_networks import OF_P2, ROOTS, child_of

from lineage.auditing.audit import audit_sources

HEAD = "head.weight"
CHILD = child_of(ROOTS["p2"], 27)
ORIGINAL, OF_SIBLING = ROOTS["p2"][HEAD], OF_P2[HEAD]
SPREAD = float(ORIGINAL.std())


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).normal(0, SPREAD, shape).astype(np.float32)


def on_a_grid(values: np.ndarray) -> np.ndarray:
    """As int8 has them, a scale for each row; stored as they are."""
    scales = np.abs(values).max(1, keepdims=True) / 127
    return (np.round(values / scales) * scales).astype(np.float32)


@pytest.fixture
def state_of(tmp_path):
    """The state and the source of a child's head, among p0 to p3 and a sibling, with other heads for some of them."""

    def found(head: np.ndarray, **others: np.ndarray) -> tuple[str, str | None]:
        networks = ROOTS | {"sibling": OF_P2}
        networks |= {name: networks[name] | {HEAD: values} for name, values in others.items()}
        (child,) = saved_sources(tmp_path, {"the-child": CHILD | {HEAD: head}})
        audit = audit_sources(child.path, saved_sources(tmp_path, networks))
        assert audit.verdict.parent == "p2"
        (layer,) = [layer for layer in audit.layers if layer.tensor == HEAD]
        return str(layer.state), layer.source

    return found


@pytest.mark.parametrize(
    ("head", "state", "source"),
    [
        (ORIGINAL, "frozen", "p2"),
        (on_a_grid(ORIGINAL), "fine-tuned", "p2"),
        (ORIGINAL + 0.7 * drawn(10, 64), "fine-tuned", "p2"),
        (OF_SIBLING, "frozen", "sibling"),
        (OF_SIBLING + 0.05 * OF_SIBLING.std() * drawn(10, 64) / SPREAD, "fine-tuned", "sibling"),
        (drawn(10, 64), "re-initialised", None),
        (drawn(7, 64), "re-initialised", None),
    ],
    ids=["equal", "int8", "trained", "of a sibling", "near that", "new", "of other classes"],
)
def test_a_head_that_is_an_old_one_is_not_called_a_new_one(state_of, head, state, source):
    assert state_of(head) == (state, source)


def test_a_new_head_that_learnt_a_part_of_what_the_old_one_did_is_called_neither(state_of):
    """Its columns depend on those of the old one, as the neurons are the same; a cosine of 0.3 is no copy."""
    classes = np.random.default_rng(5).normal(0, SPREAD, (40, 64)).astype(np.float32)
    mixed = 0.3 * classes + np.sqrt(1 - 0.3**2) * drawn(40, 64)
    assert state_of(mixed, p2=classes)[0] == "not tested"


def test_nothing_is_said_of_a_head_of_two_classes_that_is_not_equal(state_of):
    assert state_of(drawn(2, 64), p2=drawn(2, 64)) == ("frozen", "p2")
    assert state_of(drawn(2, 64)[::-1].copy(), p2=drawn(2, 64)) == ("not tested", None)
