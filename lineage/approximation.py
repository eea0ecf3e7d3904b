"""Features half-way to the child: what fine-tuning would have made of a candidate's features.

theta_p and theta_c are the weights of a candidate and of the child, Delta = theta_c - theta_p, J the
Jacobian of the features F at theta_p. n samples, d features, A alphas.

- direct: F(theta_p)
- path:   F(theta_p + alpha Delta), the real features on the straight line; one forward pass an alpha.
          Alpha 1 is left out: there the features are the child's own, whoever the candidate
- linear: F(theta_p) + alpha J Delta, exact by forward-mode differentiation; one jvp for all alphas

Source of the idea: Yu & Wang, Neural Lineage, CVPR 2024, section 3 (arXiv:2406.11129).
"""

import warnings
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor
from torch.func import jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from lineage.backbone import Backbone
from lineage.errors import UserError

APPROXIMATIONS = ("direct", "path", "linear")

Features = dict[str, Tensor]


def change(backbone: Backbone, parent: Features, child: Features) -> Features:
    """Delta over the backbone's parameters.

    Raises:
        UserError: if the child lacks one of them or has it in another shape.
    """
    delta = {}
    for name in backbone.parameter_names:
        if name not in child or child[name].shape != parent[name].shape:
            came = f"shape {tuple(child[name].shape)}" if name in child else "none"
            raise UserError(
                f"{name}: expected the child's to have the shape {tuple(parent[name].shape)} of the parent's, "
                f"but got {came}; compare networks of one architecture, or name layers before it"
            )
        delta[name] = child[name] - parent[name]
    return delta


def approximated(
    backbone: Backbone,
    parent: Features,
    delta: Features,
    probe: Tensor,
    approximations: Iterable[str],
    alphas: Sequence[float],
    *,
    parent_features: Features | None = None,
) -> Iterator[tuple[str, tuple[float, ...], Features]]:
    """Approximated features of every layer, one approximation after the other.

    Args:
        backbone: F.
        parent: theta_p, with the buffers.
        delta: Delta.
        probe: inputs.
        approximations: some of APPROXIMATIONS.
        alphas: how far along Delta, in (0, 1].
        parent_features: F(theta_p) where it is known already.

    Yields:
        (approximation, its alphas, features [A, n, d] of each layer); `direct` has the one alpha 0.
    """
    chosen = set(approximations)
    if unknown := sorted(chosen - set(APPROXIMATIONS)):
        raise UserError(
            f"approximation: expected some of {', '.join(APPROXIMATIONS)}, but got {unknown[0]!r}"
        )
    with torch.no_grad():
        if "direct" in chosen:
            features = backbone(parent, probe) if parent_features is None else parent_features
            yield "direct", (0.0,), {layer: value.unsqueeze(0) for layer, value in features.items()}
        if "path" in chosen:
            for alpha in (alpha for alpha in alphas if alpha < 1):
                moved = parent | {name: parent[name] + alpha * step for name, step in delta.items()}
                yield "path", (alpha,), {layer: f.unsqueeze(0) for layer, f in backbone(moved, probe).items()}
        if "linear" in chosen:
            features, slope = _linearised(backbone, parent, delta, probe)
            steps = torch.tensor(alphas, dtype=probe.dtype, device=probe.device)[:, None, None]
            yield (
                "linear",
                tuple(alphas),
                {layer: features[layer] + steps * slope[layer] for layer in features},
            )


def _linearised(
    backbone: Backbone, parent: Features, delta: Features, probe: Tensor
) -> tuple[Features, Features]:
    """F(theta_p) and J Delta of every layer. Fused attention has no forward-mode rule, hence plain maths."""
    with sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)
        return jvp(
            lambda moving: backbone(parent | moving, probe), ({n: parent[n] for n in delta},), (delta,)
        )
