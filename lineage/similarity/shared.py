"""What similarities need of a network's features, each computed once if asked for.

Below them, arithmetic that has a value and a derivative where a plain formula divides by zero or takes its root.

Letters as in `lineage.similarity.measures`.
"""

from functools import cached_property, lru_cache

import torch
from torch import Tensor
from torch.linalg import vecdot, vector_norm

SAME_ROW = 1e-14
"""Samples whose squared distance is below this part of the largest squared row norm count as equal."""

NO_SIGNAL = 1e-13
"""An unbiased HSIC below this part of the biased one is rounding noise, and counts as 0."""


class Representation:
    """Features [..., n, d] of one network, and all that depends on them alone, computed once if asked for.

    Args:
        features: they may move, for a derivative.
        still: the same features where they do not, whose products are used in place of computing them again.
    """

    def __init__(self, features: Tensor, still: "Representation | None" = None):
        self.features = as_float(features)
        self._still, self.is_moving = still, still is not None

    @cached_property
    def row_norms(self) -> Tensor:
        """Norm of each sample's features [..., n]."""
        return vector_norm(self.features, dim=-1)

    @cached_property
    def unit(self) -> Tensor:
        """X: taking the first sample off first makes constant features exactly zero."""
        shifted = self.features - self.features[..., :1, :].double()
        return unit(shifted - shifted.mean(-2, keepdim=True))

    @cached_property
    def gram(self) -> Tensor:
        """K = X Xᵀ."""
        return symmetric_product(self.unit, None if self._still is None else self._still.gram)

    @cached_property
    def covariance(self) -> Tensor:
        """XᵀX [..., d, d]."""
        return symmetric_product(self.unit.mT, None if self._still is None else self._still.covariance)

    @cached_property
    def diagonal(self) -> Tensor:
        """Diagonal of K [..., n]."""
        return vecdot(self.unit, self.unit)

    @cached_property
    def hsic(self) -> Tensor:
        """‖K‖² = ‖XᵀX‖², the biased HSIC of the network with itself [...]."""
        if has_small_gram(self, self):
            return inner(self.gram, self.gram)
        return vector_norm(self.covariance, dim=(-2, -1)).square()

    @cached_property
    def unbiased_hsic(self) -> Tensor:
        """Unbiased HSIC of the network with itself [...]."""
        hsic = debias(self.hsic, self.diagonal, self.diagonal)
        return torch.where(hsic <= NO_SIGNAL * self.hsic, 0, hsic)

    @cached_property
    def squared_distances(self) -> Tensor:
        """‖x_i - x_j‖² [..., n, n] in the features' dtype, exactly 0 on the diagonal and between equal samples."""
        if self._still is not None:
            return moving_distances(self.gram, self._still.squared_distances)
        k = self.gram.diagonal(dim1=-2, dim2=-1)
        squares = torch.add(k.unsqueeze(-1) + k.unsqueeze(-2), self.gram, alpha=-2).to(self.features.dtype)
        return torch.where(squares <= (SAME_ROW * k.amax(-1)[..., None, None]).to(squares.dtype), 0, squares)

    @cached_property
    def distance_kernel(self) -> Tensor:
        """Doubly centred distances ‖x_i - x_j‖ of norm one; a floor keeps the root's derivative finite."""
        return unit(self._centred_distances)

    def distance_agreement(self, child: "Representation") -> Tensor:
        """Frobenius inner product [...] of the distance kernel with the child's."""
        still = self._still
        if still is None:
            return inner(self.distance_kernel, child.distance_kernel)
        return agreement(
            self.squared_distances, still.distance_kernel, child.distance_kernel, still._distance_slope
        )

    @cached_property
    def _centred_distances(self) -> Tensor:
        return doubly_centred(floored(self.squared_distances).sqrt_())

    @cached_property
    def _distance_slope(self) -> Tensor:
        """Derivative of a distance by its square, over the kernel's norm; 0 between equal samples."""
        scale = 0.5 / nonzero(vector_norm(self._centred_distances, dim=(-2, -1), keepdim=True))
        return torch.where(self.squared_distances == 0, 0, scale * floored(self.squared_distances).rsqrt_())

    @cached_property
    def rbf_kernel(self) -> Tensor:
        """Doubly centred exp(-‖x_i - x_j‖² / 2σ²) of norm one; σ² is the median squared distance.

        Where more than half of the pairs are equal, σ² is 0 and the kernel is its limit: 1 if equal, else 0.
        """
        return unit(doubly_centred(self._gaussians))

    def rbf_agreement(self, child: "Representation") -> Tensor:
        """Frobenius inner product [...] of the Gaussian kernel with the child's."""
        still = self._still
        if still is None:
            return inner(self.rbf_kernel, child.rbf_kernel)
        in_variances = self.squared_distances / self._variance
        return agreement(in_variances, still.rbf_kernel, child.rbf_kernel, still._rbf_slope)

    @cached_property
    def _variance(self) -> Tensor:
        """σ² [..., 1, 1]."""
        return _median_above_diagonal(self.squared_distances).clamp_min(1e-30)[..., None, None]

    @cached_property
    def _gaussians(self) -> Tensor:
        return (self.squared_distances / (-2 * self._variance)).exp_()

    @cached_property
    def _rbf_slope(self) -> Tensor:
        """Derivative of a Gaussian by the squared distance in variances, over the kernel's norm."""
        scale = nonzero(vector_norm(doubly_centred(self._gaussians), dim=(-2, -1), keepdim=True))
        return self._gaussians / (-2 * scale)

    @cached_property
    def short(self) -> Tensor:
        """S [..., n, min(n, d)] such that XᵀS has the singular values of XᵀY: Y, or Rᵀ where Yᵀ = Q R."""
        n, d = self.unit.shape[-2:]
        return self.unit if d <= n else torch.linalg.qr(self.unit.mT, mode="r").R.mT


def symmetric_product(A: Tensor, known: Tensor | None = None) -> Tensor:
    """A Aᵀ, or `known` where that has been computed; its derivative is one product and its transpose, not two."""
    return _SymmetricProduct.apply(A, known)


class _SymmetricProduct(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(A: Tensor, known: Tensor | None) -> Tensor:
        return A @ A.mT if known is None else known.view_as(known)

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_forward(inputs[0])
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def jvp(ctx, slope: Tensor, _) -> Tensor:
        half = slope @ ctx.saved_tensors[0].mT
        return half + half.mT

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (A,) = ctx.saved_tensors
        return (gradient + gradient.mT) @ A, None


def agreement(S: Tensor, K: Tensor, L: Tensor, slope: Tensor) -> Tensor:
    """How well the kernels of two networks agree, [...]: s, which moves with S in closed form.

    S holds squared distances of samples, U = C g(S) C is their doubly centred kernel, K = U / ‖U‖. Where S moves by
    S', s = <K, L> moves by <g'(S) ∘ (L - s K), S'> / ‖U‖: centring is left out, because L and K are centred already.

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
        ctx.set_materialize_grads(False)
        ctx.save_for_forward(*inputs[1:], output)

    @staticmethod
    def jvp(ctx, moved: Tensor, *_) -> Tensor:
        K, L, slope, s = ctx.saved_tensors
        weights = torch.addcmul(L, K, s[..., None, None], value=-1).mul_(slope)
        return vecdot(weights.flatten(-2), moved.flatten(-2))


class _Distances(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(gram: Tensor, known: Tensor) -> Tensor:
        return known.view_as(known)

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_forward(inputs[1])

    @staticmethod
    def jvp(ctx, moved: Tensor, _) -> Tensor:
        (known,), k = ctx.saved_tensors, moved.diagonal(dim1=-2, dim2=-1)
        squares = (k.unsqueeze(-1) + k.unsqueeze(-2)).sub_(moved, alpha=2).to(known.dtype)
        return squares.masked_fill_(known == 0, 0)


def has_small_gram(F: Representation, G: Representation) -> bool:
    """Whether a Gram matrix costs less than feature products."""
    n, d = F.unit.shape[-2:]
    return n < d + G.unit.shape[-1]


def debias(hsic: Tensor, k: Tensor, l: Tensor) -> Tensor:  # noqa: E741
    """n(n-3) times the unbiased HSIC: rows of a centred K sum to 0, so that only its diagonal k has to go."""
    n = k.shape[-1]
    return hsic - n / (n - 2) * vecdot(k, l) + k.sum(-1) * l.sum(-1) / ((n - 1) * (n - 2))


def _median_above_diagonal(A: Tensor) -> Tensor:
    """Median (the mean of the two middle ones) of the entries above the diagonal of A [..., n, n], or 0."""
    n = A.shape[-1]
    count = n * (n - 1) // 2
    if count == 0:
        return A.new_zeros(A.shape[:-2])
    entries = A.flatten(-2).index_select(-1, _above_diagonal(n, A.device))
    lower = _lower_median(entries)
    if count % 2:
        return lower
    is_above = entries > lower.unsqueeze(-1)
    next_above = torch.where(is_above, entries, torch.inf).amin(-1)
    repeats = (~is_above).sum(-1) > count // 2
    return (lower + torch.where(repeats, lower, next_above)) / 2


@lru_cache(maxsize=2)
def _above_diagonal(n: int, device: torch.device) -> Tensor:
    """Places of the entries above the diagonal of a flat [n, n]."""
    rows, columns = torch.triu_indices(n, n, 1, device=device)
    return rows * n + columns


def _lower_median(entries: Tensor) -> Tensor:
    """The lower of the middle ones along the last axis; sorted on CUDA, whose own median is not deterministic."""
    if not entries.is_cuda:
        return entries.median(-1).values
    middle = entries.sort(-1).values[..., (entries.shape[-1] - 1) // 2]
    return torch.where(entries.isnan().any(-1), torch.nan, middle)


def as_float(x: Tensor) -> Tensor:
    """x in its own floating dtype, float32 at least."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def nonzero(x: Tensor) -> Tensor:
    """x with ones in place of zeros, to divide by."""
    return torch.where(x == 0, 1, x)


def unit(A: Tensor) -> Tensor:
    """A [..., n, m] over its Frobenius norm, or zeros."""
    return A / nonzero(vector_norm(A, dim=(-2, -1), keepdim=True))


def inner(A: Tensor, B: Tensor) -> Tensor:
    """Frobenius inner product [...] of A and B [..., n, m]."""
    return vecdot(A.flatten(-2), B.flatten(-2))


def floored(x: Tensor) -> Tensor:
    """x, at least the dtype's smallest normal number."""
    return x.clamp_min(torch.finfo(x.dtype).tiny)


def doubly_centred(A: Tensor) -> Tensor:
    """Symmetric A [..., n, n] less its row and column means, plus its mean."""
    means = A.mean(-1, keepdim=True)
    return (means.mean(-2, keepdim=True) - means - means.mT).add_(A)
