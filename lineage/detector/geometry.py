"""Where networks stand to each other, layer by layer: what the mixed detector sees of them.

N models, P candidates, L layers. A layer's weights are a point w. Tables of all N² pairs are made once, of inner
products and of entries that are equal; what is seen of a child C and its candidates A, B follows from these without
reading weights again. With the squared distance |A - C|² and the product <A - C, B - C>:

- of a candidate: the logarithm of |A - C|² / |C|², the same less its least and its mean among the candidates, the
  cosine of A and C, the share of equal entries, how much the change keeps to few entries (log of its mean size over
  its root mean square), and the differences of A and C in four logarithms: root mean square, mean size over it,
  fourth moment and largest size;
- of two candidates: how far along the way from A to the child B leaves it, <A - C, B - C> / |A - C|² (0 if A lies
  between), the same from B, the cosine at the child, |A - B|² against |A - C|² + |B - C|² and against |A - C|², how
  many more entries A and B share than either shares with the child, and which is nearer.

Nothing depends on how many models, layers or weights there are.
Source of the share: Gromov products, Saitou & Nei 1987, doi:10.1093/oxfordjournals.molbev.a040454.
"""

from collections.abc import Mapping, Sequence
from math import prod

import torch
from torch import Tensor

from lineage.detector.episodes import Image

MOST_ENTRIES, MOST_COMPARED = 2**18, 2**13
"""So many entries of a layer, whole rows evenly spaced, are multiplied; so many of them are compared one by one."""
AT_ONCE = 2**14
"""Entries that are held as float64."""
LEAST = 1e-14
"""Squared distances in squares of the child's norm, at least."""
OF_CANDIDATE, OF_PAIR = 10, 8
"""Numbers seen of a candidate and of two."""


class Geometry:
    """Tables of all pairs of models.

    Args:
        layers: of each layer, every model's weights by its id, rows first.
        models: ids.
    """

    def __init__(self, layers: Sequence[Mapping[str, Image]], models: Sequence[str]):
        self._places = {model: place for place, model in enumerate(models)}
        tables = [_tables(torch.stack([_entries(images[model]) for model in models])) for images in layers]
        self._products, self._equal, self._sizes, self._shapes = map(torch.stack, zip(*tables, strict=True))

    def seen(self, child: str, candidates: Sequence[str]) -> tuple[Tensor, Tensor]:
        """What is seen of candidates [P, L, OF_CANDIDATE] and of every two of them [P, P, L, OF_PAIR]."""
        c = self._places[child]
        at = torch.tensor([self._places[candidate] for candidate in candidates])
        square = self._products[:, c, c, None].clamp_min(1e-30)
        to_child, between = self._products[:, at, c], self._products[:, at[:, None], at]
        own = between.diagonal(dim1=1, dim2=2).clamp_min(1e-30)
        products = between - to_child[:, :, None] - to_child[:, None] + square[..., None]
        products = products / square[..., None]
        distance = products.diagonal(dim1=1, dim2=2).clamp_min(LEAST)
        equal, equal_between = self._equal[:, at, c], self._equal[:, at[:, None], at]
        log = distance.log()
        root_mean_square = (distance * square).sqrt()
        of_candidates = torch.stack(
            [
                log,
                log - log.amin(1, keepdim=True),
                log - log.mean(1, keepdim=True),
                to_child / (own * square).sqrt(),
                equal,
                (self._sizes[:, at, c] / root_mean_square).clamp_min(1e-3).log().clamp_max(1),
                *(self._shapes[:, at] - self._shapes[:, c, None]).unbind(-1),
            ],
            -1,
        )
        sums = distance[:, :, None] + distance[:, None]
        apart = (sums - 2 * products).clamp_min(LEAST)
        share = (products / distance[:, :, None]).clamp(-3, 3)
        of_pairs = torch.stack(
            [
                share,
                share.mT,
                products / (distance[:, :, None] * distance[:, None]).sqrt(),
                (apart / sums).log().clamp_min(-8),
                apart.log() - log[:, :, None],
                equal_between - equal[:, :, None],
                equal_between - equal[:, None],
                log[:, :, None] - log[:, None],
            ],
            -1,
        )
        return of_candidates.transpose(0, 1).float(), of_pairs.permute(1, 2, 0, 3).float()


def _entries(image: Image) -> Tensor:
    """A model's entries: all, or those of rows evenly spaced."""
    step = -(-prod(image.shape) // MOST_ENTRIES)
    return torch.as_tensor(image[::step]).float().flatten()


def _tables(models: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of models [N, D]: inner products, shares of equal entries, mean sizes of the differences times √D, shapes."""
    D = models.shape[1]
    products = sum(part @ part.mT for part in (part.double() for part in models.split(AT_ONCE, 1)))
    some = models[:, :: -(-D // MOST_COMPARED)].contiguous()
    differences = [some - model for model in some]
    equal = torch.stack([(difference == 0).double().mean(1) for difference in differences])
    sizes = torch.stack([difference.abs().double().mean(1) for difference in differences])
    root_mean_square = (products.diagonal() / D).sqrt().clamp_min(1e-30)
    relative = models / root_mean_square[:, None].float()
    moments = [relative.abs().mean(1), relative.square().square().mean(1), relative.abs().amax(1)]
    shapes = torch.stack([root_mean_square, *(moment.double() for moment in moments)], 1)
    return products, equal, sizes * D**0.5, shapes.clamp_min(1e-30).log()
