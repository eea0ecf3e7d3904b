"""The test of a child against an initialisation that its owner reveals, from files."""

import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.read import open_model
from lineage.errors import UserError
from lineage.relation.alignment.axes import UnknownStructureError
from lineage.relation.initialisation import InitialTest, initial_test
from lineage.seeds import seed_of


def against_initial(child: str, initial: str, *, alpha: float = 0.01, follow: bool = False) -> InitialTest:
    """Tests whether a child was trained from an initialisation, whatever the order and scale of its neurons.

    Args:
        child, initial: each `FILE` or `FILE::ID`; alpha: the false-positive rate that the p-value is held against.
        follow: links out of their folders.

    Raises:
        UserError: for a file that cannot be read or holds numbers that are not finite, for networks whose axes are
            not known, or a rate that is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise UserError(f"alpha: expected a rate between 0 and 1, got {alpha}")
    states = []
    for path in (child, initial):
        opened = open_model(path, follow=follow)
        states.append({name: _finite(opened, name, path) for name in opened.entries})
    try:
        return initial_test(*states, np.random.default_rng(seed_of("initialisation")))
    except UnknownStructureError as error:
        raise UserError(f"{initial}: cannot be tested as the start of {child}: {error}") from None


def _finite(opened: Checkpoint, name: str, path: str) -> np.ndarray:
    values = opened.read(name)
    if not np.isfinite(values).all():
        raise UserError(f"{path}: {name}: expected finite numbers, some are infinite or none (NaN)")
    return values


def sentence(child: str, initial: str, found: InitialTest, alpha: float) -> str:
    """The result in one line; alpha: the rate of false positives."""
    comes = "comes" if 10**found.log10_p <= alpha else "does not show that it comes"
    return (
        f"{child} {comes} from the initialisation {initial}: p {10**found.log10_p:.3f}, z {found.z:.1f}, against "
        f"{found.draws} initialisations with the same numbers in other places, by {' and '.join(found.tensors)}"
    )
