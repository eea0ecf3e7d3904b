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
from lineage.similarity.shared import Representation, as_float, debias, has_small_gram, inner, nonzero

LSE_RATE, LSE_CEILING = 0.02, 10.0
Operation = Callable[[Tensor, Tensor], Tensor]


class Pair:
    """A candidate F and the child G, with what their similarities share."""

    def __init__(self, F: Tensor | Representation, G: Tensor | Representation):
        self.F, self.G = (x if isinstance(x, Representation) else Representation(x) for x in (F, G))
        self.require_equal(-2, "samples")

    def require_equal(self, axis: int, what: str) -> None:
        """Raises a UserError for what would be matched one to one, but is not equally many: nothing is broadcast."""
        f, g = (x.features.shape[axis] for x in (self.F, self.G))
        if f != g:
            raise UserError(f"{f} and {g} {what} cannot be compared: this similarity needs equally many")

    def of(self, operation: Operation, f: Tensor, g: Tensor) -> Tensor:
        """What an operation gives of something of F and of something of G, of which only that of F may move."""
        return _WithStill.apply(operation, f, g) if self.F.is_moving else operation(f, g)

    @cached_property
    def gap(self) -> Tensor:
        """|D| [..., n, d]."""
        self.require_equal(-1, "features")
        return self.of(torch.sub, self.F.features, self.G.features).abs()

    @cached_property
    def hsic(self) -> Tensor:
        """‖XᵀY‖² = <K, L> [...]: by feature products where these cost less than a Gram matrix."""
        if has_small_gram(self.F, self.G):
            return self.of(inner, self.F.gram, self.G.gram)
        return vector_norm(self.product, dim=(-2, -1)).square()

    @cached_property
    def product(self) -> Tensor:
        """XᵀY [..., d, d]."""
        return self.of(torch.matmul, self.F.unit.mT, self.G.unit)

    @cached_property
    def short_product(self) -> Tensor:
        """XᵀS, which has the same singular values, see `Representation.short`."""
        return (
            self.product
            if self.G.short is self.G.unit
            else self.of(torch.matmul, self.F.unit.mT, self.G.short)
        )


class _WithStill(torch.autograd.Function):
    """A difference from g, or a product with it, where g stands still.

    PyTorch would take zeros for the derivative of g, multiply by them, and import its compiler for that.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(operation: Operation, f: Tensor, g: Tensor) -> Tensor:
        return operation(f, g)

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        ctx.set_materialize_grads(False)
        ctx.operation = inputs[0]
        ctx.save_for_forward(inputs[2])

    @staticmethod
    def jvp(ctx, _, slope: Tensor, __) -> Tensor:
        (g,) = ctx.saved_tensors
        return slope.clone() if ctx.operation is torch.sub else ctx.operation(slope, g)


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
    """Scores F [..., n, d] against G by each similarity named, or by all, sharing common work.

    Returns:
        By name, scores [...] in F's dtype.

    Raises:
        UserError: for an unknown name, other numbers of samples, or of features where they are matched one to one.
    """
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
    """-(mean |D|⁴)^¼, measured in the largest |D|: fourth powers would leave float32."""
    largest = pair.gap.amax((-2, -1), keepdim=True)
    power = (pair.gap / nonzero(largest)).square().square().mean((-2, -1))
    return -largest[..., 0, 0] * root(root(power))


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
    return ratio(pair.hsic, pair.of(torch.mul, pair.F.hsic.sqrt(), pair.G.hsic.sqrt()))


@_similarity
def cka_unbiased(pair: Pair) -> Tensor:
    """Linear CKA from unbiased HSIC (Song 2012, eq. 5); 0 for fewer than the four samples that it needs."""
    if pair.F.features.shape[-2] < 4:
        return torch.zeros_like(pair.hsic)
    hsic = debias(pair.hsic, pair.F.diagonal, pair.G.diagonal)
    return ratio(hsic, root(pair.F.unbiased_hsic) * root(pair.G.unbiased_hsic))


@_similarity
def cka_rbf(pair: Pair) -> Tensor:
    """CKA of Gaussian kernels, biased, each with its own median bandwidth (Kornblith 2019)."""
    return pair.F.rbf_agreement(pair.G)


@_similarity
def dc(pair: Pair) -> Tensor:
    """Distance correlation, biased and not squared (Székely 2007, def. 5)."""
    return root(pair.F.distance_agreement(pair.G).clamp_min(0))


@_similarity
def cosine(pair: Pair) -> Tensor:
    """Mean over the samples of cos(f_i, g_i); a sample of zeros counts 0."""
    pair.require_equal(-1, "features")
    dots = pair.of(vecdot, pair.F.features, pair.G.features)
    return ratio(dots, pair.of(torch.mul, pair.F.row_norms, pair.G.row_norms)).mean(-1)


@_similarity
def procrustes(pair: Pair) -> Tensor:
    """Nuclear norm of XᵀY: cosine of the best orthogonal match, sqrt(1 - Procrustes disparity)."""
    product = pair.short_product
    finite = product.isfinite().all(-1).all(-1)
    return torch.where(finite, svdvals(product.nan_to_num()).sum(-1), torch.nan)


def weight_l2(theta_p: dict[str, Tensor], theta_c: dict[str, Tensor]) -> Tensor:
    """-sqrt(mean squared difference) over all entries of two networks' tensors: a scalar, in float64.

    Raises:
        UserError: if a tensor is absent, or of another shape, in one of the two.
    """
    squares = sum(vector_norm(p - c, dtype=torch.float64).square() for p, c in _matched(theta_p, theta_c))
    return -(squares / sum(p.numel() for p in theta_p.values())).sqrt()


def weight_cosine(theta_p: dict[str, Tensor], theta_c: dict[str, Tensor]) -> Tensor:
    """Cosine of all entries of two networks' tensors: a scalar, in float64; 0 if either network's are 0.

    Raises:
        UserError: if a tensor is absent, or of another shape, in one of the two.
    """
    products = (
        torch.stack([(a * b).sum(dtype=torch.float64) for a, b in ((p, c), (p, p), (c, c))])
        for p, c in _matched(theta_p, theta_c)
    )
    pc, pp, cc = sum(products)
    return ratio(pc, pp.sqrt() * cc.sqrt())


WEIGHT_SIMILARITIES: dict[str, Callable[[dict[str, Tensor], dict[str, Tensor]], Tensor]] = {
    "weight_l2": weight_l2,
    "weight_cosine": weight_cosine,
}


def _matched(theta_p: dict[str, Tensor], theta_c: dict[str, Tensor]) -> Iterable[tuple[Tensor, Tensor]]:
    for name in dict.fromkeys([*theta_p, *theta_c]):
        p, c = theta_p.get(name), theta_c.get(name)
        if p is None or c is None or p.shape != c.shape:
            parent, child = ("absent" if x is None else [*x.shape] for x in (p, c))
            raise UserError(f"weights differ at {name!r}: {parent} in the parent, {child} in the child")
        yield as_float(p), as_float(c)


def ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 (with derivative 0) where b is 0."""
    return torch.where(b == 0, 0, a / nonzero(b))


def root(x: Tensor) -> Tensor:
    """√x, with derivative 0 where x is 0."""
    return torch.where(x == 0, 0, nonzero(x).sqrt())
