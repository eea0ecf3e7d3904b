"""How well the kernels of two networks agree, with directional derivatives in closed form.

S [..., n, n] holds the squared distances of one network's samples, U = C g(S) C is their doubly centred kernel,
K = U / ‖U‖, and L the other network's, doubly centred and of norm one. They agree by s = <K, L>, and where S moves by
S', that moves by

    s' = <g'(S) ∘ (L - s K), S'> / ‖U‖:

centring is left out, because L and K are centred already. So one sum over matrices that are there already takes the
place of the derivative of every step from S to s.
"""

import torch
from torch import Tensor
from torch.linalg import vecdot


def agreement(S: Tensor, K: Tensor, L: Tensor, slope: Tensor) -> Tensor:
    """s [...], which moves with S.

    Args:
        S: squared distances [..., n, n].
        K: their kernel, where they do not move.
        L: the other network's kernel.
        slope: g'(S) / ‖U‖, where they do not move.
    """
    return _Agreement.apply(S, K, L, slope)


def moving_distances(gram: Tensor, known: Tensor) -> Tensor:
    """Squared distances [..., n, n] that are known, which move with the Gram matrix."""
    return _Distances.apply(gram, known)


class _Agreement(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(S: Tensor, K: Tensor, L: Tensor, slope: Tensor) -> Tensor:
        return vecdot(K.flatten(-2), L.flatten(-2))

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_forward(*inputs[1:], output)

    @staticmethod
    def jvp(ctx, moved: Tensor, *_) -> Tensor:
        K, L, slope, s = ctx.saved_tensors
        weights = torch.addcmul(L, K, s[..., None, None], value=-1) * slope
        return vecdot(weights.flatten(-2), moved.flatten(-2))


class _Distances(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(gram: Tensor, known: Tensor) -> Tensor:
        return known.view_as(known)

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_forward(inputs[1])

    @staticmethod
    def jvp(ctx, moved: Tensor, _) -> Tensor:
        (known,) = ctx.saved_tensors
        k = moved.diagonal(dim1=-2, dim2=-1)
        moved = torch.add(k.unsqueeze(-1) + k.unsqueeze(-2), moved, alpha=-2).to(known.dtype)
        return torch.where(known == 0, 0, moved)
