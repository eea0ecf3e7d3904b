"""How alike two networks are, from their features or from their weights; larger means more alike.

Letters: n samples, d features; F [..., n, d] holds a candidate's features, with any leading axes (alphas of an
approximation, layers); G holds the child's, and its leading axes broadcast to F's. Scores come back as [...] in
F's dtype. D = F - G is their gap. X and Y are F and G centred over the samples and scaled to Frobenius norm
one; K = X Xᵀ and L = Y Yᵀ.

`SIMILARITIES` names every score of features, `compare` evaluates several at once, and `Representation` keeps
what depends on one network alone: wrap the child's features once, then compare all candidates with it.
Gaps are taken in the dtype given; all that is centred runs in float64, for it subtracts nearly equal numbers.
A correlation is 0 where either network's features are constant (one sample always is), and NaN gives NaN.

Sources: gaps, Yu & Wang, "Neural Lineage", CVPR 2024 (arXiv:2406.11129); CKA, Kornblith et al., ICML 2019
(arXiv:1905.00414); unbiased HSIC, Song et al., JMLR 13 (2012); distance correlation, Székely et al., Ann.
Statist. 35 (2007), doi:10.1214/009053607000000505.
"""

from collections.abc import Callable, Iterable
from functools import cached_property, wraps
from math import log, sqrt

import torch
from torch import Tensor
from torch.linalg import svdvals, vecdot, vector_norm

from lineage.errors import UserError

LSE_RATE, LSE_CEILING = 0.02, 10.0
SAME_ROW = 1e-14
"""Samples whose squared distance is below this part of the largest squared row norm count as equal."""
NO_SIGNAL = 1e-13
"""An unbiased HSIC below this part of the biased one is rounding noise, and counts as 0."""


class Representation:
    """Features [..., n, d] of one network, and all that depends on them alone, computed once if asked for."""

    def __init__(self, features: Tensor):
        self.features = _as_float(features)

    @cached_property
    def row_norms(self) -> Tensor:
        """Norm of each sample's features [..., n]."""
        return vector_norm(self.features, dim=-1)

    @cached_property
    def unit(self) -> Tensor:
        """X: taking the first sample off first makes constant features exactly zero."""
        shifted = self.features - self.features[..., :1, :].double()
        return _unit(shifted - shifted.mean(-2, keepdim=True))

    @cached_property
    def gram(self) -> Tensor:
        """K = X Xᵀ."""
        return self.unit @ self.unit.mT

    @cached_property
    def diagonal(self) -> Tensor:
        """Diagonal of K [..., n]."""
        return vecdot(self.unit, self.unit)

    @cached_property
    def hsic(self) -> Tensor:
        """‖K‖², the biased HSIC of the network with itself [...]."""
        return _cross_energy(self, self)

    @cached_property
    def unbiased_hsic(self) -> Tensor:
        """Unbiased HSIC of the network with itself [...]."""
        hsic = _debias(self.hsic, self.diagonal, self.diagonal)
        return torch.where(hsic <= NO_SIGNAL * self.hsic, 0, hsic)

    @cached_property
    def squared_distances(self) -> Tensor:
        """‖x_i - x_j‖² [..., n, n] in the features' dtype, exactly 0 on the diagonal and between equal samples."""
        k = self.gram.diagonal(dim1=-2, dim2=-1)
        squares = torch.add(k.unsqueeze(-1) + k.unsqueeze(-2), self.gram, alpha=-2).to(self.features.dtype)
        return torch.where(squares <= (SAME_ROW * k.amax(-1)[..., None, None]).to(squares.dtype), 0, squares)

    @cached_property
    def distance_kernel(self) -> Tensor:
        """Doubly centred distances ‖x_i - x_j‖ of norm one; a floor keeps the root's derivative finite."""
        return _unit(_doubly_centred(_floored(self.squared_distances).sqrt_()))

    @cached_property
    def rbf_kernel(self) -> Tensor:
        """Doubly centred exp(-‖x_i - x_j‖² / 2σ²) of norm one; σ² is the median squared distance.

        Where more than half of the pairs are equal, σ² is 0 and the kernel is its limit: 1 if equal, else 0.
        """
        variance = _median_above_diagonal(self.squared_distances).clamp_min(1e-30)
        return _unit(_doubly_centred((self.squared_distances / (-2 * variance[..., None, None])).exp_()))

    @cached_property
    def short(self) -> Tensor:
        """S [..., n, min(n, d)] such that XᵀS has the singular values of XᵀY: Y, or Rᵀ where Yᵀ = Q R."""
        n, d = self.unit.shape[-2:]
        return self.unit if d <= n else torch.linalg.qr(self.unit.mT, mode="r").R.mT


class Pair:
    """A candidate F and the child G, with what their similarities share."""

    def __init__(self, F: Tensor | Representation, G: Tensor | Representation):
        self.F, self.G = (x if isinstance(x, Representation) else Representation(x) for x in (F, G))
        self.require_equal(-2, "samples")

    def require_equal(self, axis: int, what: str) -> None:
        """Stops what is matched one to one from broadcasting over a single one."""
        f, g = (x.features.shape[axis] for x in (self.F, self.G))
        if f != g:
            raise UserError(f"{f} and {g} {what} cannot be compared: this similarity needs equally many")

    @cached_property
    def gap(self) -> Tensor:
        """|D| [..., n, d]."""
        self.require_equal(-1, "features")
        return (self.F.features - self.G.features).abs()

    @cached_property
    def hsic(self) -> Tensor:
        """‖XᵀY‖² = <K, L> [...]."""
        return _cross_energy(self.F, self.G)


SIMILARITIES: dict[str, Callable[[Tensor | Representation, Tensor | Representation], Tensor]] = {}


def _similarity(formula: Callable[[Pair], Tensor]) -> Callable[..., Tensor]:
    """Registers a formula of a pair under its own name, as a function of F and G."""

    @wraps(formula)
    def score(F: Tensor | Representation, G: Tensor | Representation) -> Tensor:
        return compare(F, G, [formula.__name__])[formula.__name__]

    SIMILARITIES[formula.__name__] = score
    return score


def compare(
    F: Tensor | Representation, G: Tensor | Representation, names: Iterable[str] | None = None
) -> dict[str, Tensor]:
    """Scores F [..., n, d] against G by each similarity named, or by all, sharing common work."""
    names = list(SIMILARITIES) if names is None else list(names)
    if unknown := [name for name in names if name not in SIMILARITIES]:
        raise UserError(f"unknown similarity {unknown[0]!r}: expected one of {', '.join(SIMILARITIES)}")
    pair = Pair(F, G)
    return {name: SIMILARITIES[name].__wrapped__(pair).to(pair.F.features.dtype) for name in names}


@_similarity
def l1(pair: Pair) -> Tensor:
    """-mean |D|."""
    return -pair.gap.mean((-2, -1))


@_similarity
def l2(pair: Pair) -> Tensor:
    """-sqrt(mean D²)."""
    n, d = pair.gap.shape[-2:]
    return -vector_norm(pair.gap, dim=(-2, -1)) / sqrt(n * d)


@_similarity
def lp(pair: Pair) -> Tensor:
    """-(mean |D|⁴)^¼, measured in the largest |D| lest fourth powers leave float32."""
    largest = pair.gap.amax((-2, -1), keepdim=True)
    power = (pair.gap / _nonzero(largest)).square().square().mean((-2, -1))
    return -largest[..., 0, 0] * _root(_root(power))


@_similarity
def linf(pair: Pair) -> Tensor:
    """-mean_i max_j |D_ij|."""
    return -pair.gap.amax(-1).mean(-1)


@_similarity
def lse(pair: Pair) -> Tensor:
    """-1/(n d) Σ_i 1/t log Σ_j exp(min(t |D_ij|, 10)), t = 0.02; the inner sum is d times a mean near 1."""
    d = pair.gap.shape[-1]
    exponents = (LSE_RATE * pair.gap).clamp(max=LSE_CEILING)
    return -(log(d) + exponents.exp().mean(-1).log().mean(-1)) / (LSE_RATE * d)


@_similarity
def cka(pair: Pair) -> Tensor:
    """Linear CKA, biased: <K, L> / ‖K‖‖L‖ (Kornblith 2019, eq. 2)."""
    return _ratio(pair.hsic, pair.F.hsic.sqrt() * pair.G.hsic.sqrt())


@_similarity
def cka_unbiased(pair: Pair) -> Tensor:
    """Linear CKA from unbiased HSIC (Song 2012, eq. 5); 0 for fewer than the four samples that it needs."""
    if pair.F.features.shape[-2] < 4:
        return torch.zeros_like(pair.hsic)
    hsic = _debias(pair.hsic, pair.F.diagonal, pair.G.diagonal)
    return _ratio(hsic, _root(pair.F.unbiased_hsic) * _root(pair.G.unbiased_hsic))


@_similarity
def cka_rbf(pair: Pair) -> Tensor:
    """CKA of Gaussian kernels, biased, each with its own median bandwidth (Kornblith 2019)."""
    return _inner(pair.F.rbf_kernel, pair.G.rbf_kernel)


@_similarity
def dc(pair: Pair) -> Tensor:
    """Distance correlation, biased and not squared (Székely 2007, def. 5)."""
    return _root(_inner(pair.F.distance_kernel, pair.G.distance_kernel).clamp_min(0))


@_similarity
def cosine(pair: Pair) -> Tensor:
    """Mean over the samples of cos(f_i, g_i); a sample of zeros counts 0."""
    pair.require_equal(-1, "features")
    dots = vecdot(pair.F.features, pair.G.features)
    return _ratio(dots, pair.F.row_norms * pair.G.row_norms).mean(-1)


@_similarity
def procrustes(pair: Pair) -> Tensor:
    """Nuclear norm of XᵀY: cosine of the best orthogonal match, sqrt(1 - Procrustes disparity)."""
    product = pair.F.unit.mT @ pair.G.short
    finite = product.isfinite().all(-1).all(-1)
    return torch.where(finite, svdvals(product.nan_to_num()).sum(-1), torch.nan)


def weight_l2(theta_p: dict[str, Tensor], theta_c: dict[str, Tensor]) -> Tensor:
    """-sqrt(mean squared difference) over all entries of tensors of equal names and shapes, in float64."""
    squares = sum(vector_norm(p - c, dtype=torch.float64).square() for p, c in _matched(theta_p, theta_c))
    return -(squares / sum(p.numel() for p in theta_p.values())).sqrt()


def weight_cosine(theta_p: dict[str, Tensor], theta_c: dict[str, Tensor]) -> Tensor:
    """Cosine of all entries of tensors of equal names and shapes, in float64; 0 if either network's are 0."""
    products = (
        torch.stack([(a * b).sum(dtype=torch.float64) for a, b in ((p, c), (p, p), (c, c))])
        for p, c in _matched(theta_p, theta_c)
    )
    pc, pp, cc = sum(products)
    return _ratio(pc, pp.sqrt() * cc.sqrt())


WEIGHT_SIMILARITIES: dict[str, Callable[[dict[str, Tensor], dict[str, Tensor]], Tensor]] = {
    "weight_l2": weight_l2,
    "weight_cosine": weight_cosine,
}


def _as_float(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _nonzero(x: Tensor) -> Tensor:
    return torch.where(x == 0, 1, x)


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 (with derivative 0) where b is 0."""
    return torch.where(b == 0, 0, a / _nonzero(b))


def _root(x: Tensor) -> Tensor:
    """√x, with derivative 0 where x is 0."""
    return torch.where(x == 0, 0, _nonzero(x).sqrt())


def _unit(A: Tensor) -> Tensor:
    """A over its Frobenius norm, or zeros."""
    return A / _nonzero(vector_norm(A, dim=(-2, -1), keepdim=True))


def _inner(A: Tensor, B: Tensor) -> Tensor:
    return vecdot(A.flatten(-2), B.flatten(-2))


def _floored(x: Tensor) -> Tensor:
    """x, at least the dtype's smallest normal number."""
    return x.clamp_min(torch.finfo(x.dtype).tiny)


def _doubly_centred(A: Tensor) -> Tensor:
    """Symmetric A less its row and column means, plus its mean."""
    means = A.mean(-1, keepdim=True)
    return (means.mean(-2, keepdim=True) - means - means.mT).add_(A)


def _cross_energy(F: Representation, G: Representation) -> Tensor:
    """‖XᵀY‖² = <K, L>: by feature products where these cost less than a Gram matrix."""
    n, d = F.unit.shape[-2:]
    if n < d + G.unit.shape[-1]:
        return _inner(F.gram, G.gram)
    return vector_norm(F.unit.mT @ G.unit, dim=(-2, -1)).square()


def _debias(hsic: Tensor, k: Tensor, l: Tensor) -> Tensor:  # noqa: E741
    """n(n-3) times the unbiased HSIC: rows of a centred K sum to 0, so that only its diagonal k has to go."""
    n = k.shape[-1]
    return hsic - n / (n - 2) * vecdot(k, l) + k.sum(-1) * l.sum(-1) / ((n - 1) * (n - 2))


def _median_above_diagonal(A: Tensor) -> Tensor:
    """Median (the mean of the two middle ones) of the entries above the diagonal of A [..., n, n], or 0."""
    n = A.shape[-1]
    count = n * (n - 1) // 2
    if count == 0:
        return A.new_zeros(A.shape[:-2])
    rows, columns = torch.triu_indices(n, n, 1, device=A.device)
    entries = A.flatten(-2).index_select(-1, rows * n + columns)
    lower = _lower_median(entries)
    if count % 2:
        return lower
    is_above = entries > lower.unsqueeze(-1)
    next_above = torch.where(is_above, entries, torch.inf).amin(-1)
    repeats = (~is_above).sum(-1) > count // 2
    return (lower + torch.where(repeats, lower, next_above)) / 2


def _lower_median(entries: Tensor) -> Tensor:
    """The lower of the middle ones along the last axis; sorted on CUDA, whose own median is not deterministic."""
    if not entries.is_cuda:
        return entries.median(-1).values
    middle = entries.sort(-1).values[..., (entries.shape[-1] - 1) // 2]
    return torch.where(entries.isnan().any(-1), torch.nan, middle)


def _matched(theta_p: dict[str, Tensor], theta_c: dict[str, Tensor]) -> Iterable[tuple[Tensor, Tensor]]:
    for name in dict.fromkeys([*theta_p, *theta_c]):
        p, c = theta_p.get(name), theta_c.get(name)
        if p is None or c is None or p.shape != c.shape:
            parent, child = ("absent" if x is None else [*x.shape] for x in (p, c))
            raise UserError(f"weights differ at {name!r}: {parent} in the parent, {child} in the child")
        yield _as_float(p), _as_float(c)
