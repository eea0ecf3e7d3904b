"""Episodes for the lineage detector: children beside candidates, as images of weights and features.

B children, P candidates, L layers. A layer's weights become an image by rows = outputs, columns = everything
else (a convolution: out x in*k*k); features [n, d] are one already. Crops are taken at one place for all the models
of a batch, and only the crop's rows are read from a file. A pair's two crops are divided by their common root
mean square: no candidate depends on the others, and the child's alone would be nothing where its features died.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod

import h5py
import torch
from torch import Tensor

from lineage.networks.matrices import weight_matrices
from lineage.storage.hdf5 import Features, PathFeatures, Weights
from lineage.types.scoring import Network

EPSILON = 1e-12

Image = Tensor | h5py.Dataset
"""[rows, ...], read or still in its file; the axes after the first are the columns."""


class Episodes:
    """The models' images, and crops of them for a batch of children.

    Args:
        weights: for each layer, the image of each model by id; empty if they are not looked at.
        features: likewise.
        candidates: ids of the P candidates.
        parent_of: each child's parent.
        on_path: for each layer, a candidate's features on the way to a child, by (child, candidate); without it,
            its own features are shown.
        aligned: for each layer, a candidate's weights in the order of a child's, likewise.
    """

    def __init__(
        self,
        weights: list[Mapping[str, Image]],
        features: list[Mapping[str, Image]],
        candidates: Sequence[str],
        parent_of: Mapping[str, str],
        on_path: list[Callable[[str, str], Image]] | None = None,
        aligned: list[Callable[[str, str], Image]] | None = None,
    ):
        self._kinds = {"weights": weights, "features": features}
        self._of_pairs = {"weights": aligned, "features": on_path}
        self.candidates = list(candidates)
        self._parent_of = parent_of

    def targets(self, children: Sequence[str], candidates: Sequence[str] | None = None) -> Tensor:
        """The place of each child's parent among the candidates [B]; their number where it is not among them."""
        candidates = self.candidates if candidates is None else candidates
        places = {candidate: place for place, candidate in enumerate(candidates)}
        return torch.tensor([places.get(self._parent_of[child], len(candidates)) for child in children])

    def batch(
        self,
        children: Sequence[str],
        crop: int,
        generator: torch.Generator,
        candidates: Sequence[str] | None = None,
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Images of weights and of features, each layer's [B, P, 2, crop, crop] or smaller."""
        candidates = self.candidates if candidates is None else candidates
        weights, features = (
            [
                self._cropped(kind, layer, children, candidates, crop, generator)
                for layer in range(len(images))
            ]
            for kind, images in self._kinds.items()
        )
        return weights, features

    def _cropped(
        self,
        kind: str,
        layer: int,
        children: Sequence[str],
        candidates: Sequence[str],
        crop: int,
        generator: torch.Generator,
    ) -> Tensor:
        """One layer's images, at a random place."""
        images = self._kinds[kind][layer]
        shape = images[children[0]].shape
        window = []
        for size in (shape[0], prod(shape[1:])):
            length = min(crop, size)
            start = int(torch.randint(size - length + 1, (), generator=generator))
            window.append(slice(start, start + length))
        ours = torch.stack([_seen(images[child], *window) for child in children])
        if of_pairs := self._of_pairs[kind]:
            moved = of_pairs[layer]
            theirs = torch.stack([_seen(moved(c, p), *window) for c in children for p in candidates])
            theirs = theirs.unflatten(0, (len(children), len(candidates)))
        else:
            theirs = torch.stack([_seen(images[candidate], *window) for candidate in candidates])
            theirs = theirs.expand(len(children), *theirs.shape)
        both = torch.stack([theirs, ours[:, None].expand_as(theirs)], dim=2)
        return both / (both.square().mean((2, 3, 4), keepdim=True).sqrt() + EPSILON)


def _seen(image: Image, rows: slice, columns: slice) -> Tensor:
    return torch.as_tensor(image[rows]).flatten(1)[:, columns]


def load_episodes(
    weights: Weights,
    features: Features,
    layers: Sequence[str],
    candidates: Sequence[str],
    parent_of: Mapping[str, str],
    network: Network,
    kinds: Sequence[str],
    on_path: PathFeatures | None = None,
    *,
    align: bool = False,
) -> Episodes:
    """Episodes of the children in `parent_of`, from files of weights and features that are read as needed.

    Args:
        weights: files of the children's and candidates' weights; features: of their features.
        layers: tapped layers to look at, in the order of the forward pass.
        candidates: ids.
        parent_of: each child's parent.
        network: the experiment's network.
        kinds: which of `weights` and `features` are looked at.
        on_path: files of the candidates' features on the way to each child, to show instead of their own.
        align: whether these files hold candidates' weights in the order of each child's too, to be shown.
    """
    models = [*candidates, *parent_of]
    of_weights: list[Mapping[str, Image]] = []
    aligned: list[Callable[[str, str], Image]] = []
    if "weights" in kinds:
        for name in weight_matrices(network, weights(candidates[0]), layers):
            of_weights.append({model: weights.dataset(model, name) for model in models})
            if on_path and align:
                aligned.append(partial(on_path.dataset, layer=name))
    if "features" not in kinds:
        return Episodes(of_weights, [], candidates, parent_of, aligned=aligned)
    of_features = [{model: features.dataset(model, layer) for model in models} for layer in layers]
    moved = on_path and [partial(on_path.dataset, layer=layer) for layer in layers]
    return Episodes(of_weights, of_features, candidates, parent_of, moved, aligned)
