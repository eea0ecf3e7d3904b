"""Where fine-tuning would have moved a candidate's features on the way to the child.

theta_p and theta_c are the weights of a candidate and of the child, Delta = theta_c - theta_p, J the
Jacobian of the features F at theta_p, s a similarity. n samples, d features, A alphas.

- direct: s(F(theta_p)); alpha 0
- path:   s(F(theta_p + alpha Delta)), the real features on the straight line; one forward pass an alpha.
          Alpha 1 is left out: there the features are the child's own, whoever the candidate
- linear: s(F(theta_p) + alpha J Delta)
- taylor: s(F(theta_p)) + alpha <ds/dF, J Delta>, the paper's; unbounded, so it can overshoot

J Delta comes from one jvp (forward-mode differentiation) for `linear` and `taylor` together, at all alphas.

Source: Yu & Wang, Neural Lineage, CVPR 2024, section 3 (arXiv:2406.11129).
"""

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor
from torch.func import jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from lineage.errors import UserError
from lineage.networks.backbone import Backbone
from lineage.similarity.measures import Representation, compare

APPROXIMATIONS = ("direct", "path", "linear", "taylor")

State = dict[str, Tensor]

POWERS = {"l2": 2, "lp": 4}
"""Similarities that the paper expands before it takes the root: s = -m^(1/power), m a mean power."""


@torch.no_grad()
def linearised(backbone: Backbone, parent: State, delta: State, probe: Tensor) -> tuple[State, State]:
    """F(theta_p) and J Delta of every layer; running statistics stay the candidate's.

    Fused attention has no forward-mode rule, hence plain maths.
    """
    with _plain_attention(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)
        return jvp(
            lambda moving: backbone(parent | moving, probe),
            ({name: parent[name] for name in delta},),
            (delta,),
        )


@contextlib.contextmanager
def _plain_attention() -> Iterator[None]:
    """Makes attention compute step by step."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


@torch.no_grad()
def taylor(
    features: Tensor, slope: Tensor, child: Representation, names: Sequence[str], alphas: Sequence[float]
) -> dict[str, Tensor]:
    """Scores [A, ...] of each similarity by its first-order expansion at F(theta_p) along J Delta.

    A score above what the similarity can reach is an overshoot and is given as it is: where the paper clips l2
    and lp at 0 before the root, the root here keeps the sign.

    Args:
        features: F(theta_p) [..., n, d]; slope: J Delta, likewise.
        child: the child's features.
        names: similarities of features.
        alphas: the paper's grad scales.
    """
    values, rates = jvp(lambda moving: compare(moving, child, names), (features,), (slope,))
    steps = torch.tensor(alphas, dtype=features.dtype, device=features.device)
    steps = steps.reshape(-1, *[1] * (features.ndim - 2))
    scores = {}
    for name in names:
        power = POWERS.get(name, 1)
        mean_power = (-values[name]) ** power - steps * power * (-values[name]) ** (power - 1) * rates[name]
        scores[name] = -mean_power.sign() * mean_power.abs() ** (1 / power)
    return scores


def check_approximations(approximations: Iterable[str], alphas: Sequence[float]) -> None:
    """Raises a UserError for an unknown approximation, an alpha outside (0, 1], or none below 1 for `path`."""
    if unknown := sorted(set(approximations) - set(APPROXIMATIONS)):
        raise UserError(
            f"approximations: expected some of {', '.join(APPROXIMATIONS)}, but got {unknown[0]!r}"
        )
    if outside := [alpha for alpha in alphas if not 0 < alpha <= 1]:
        raise UserError(f"alphas: expected numbers in (0, 1], but got {outside[0]}")
    if "path" in approximations and not any(alpha < 1 for alpha in alphas):
        raise UserError(
            "alphas: expected one below 1 for path: at 1 every candidate has the child's own features"
        )
