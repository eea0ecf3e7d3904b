"""Episodes for the lineage detector: a child beside its candidates, as images of weights and features.

B children, P candidates, L layers. A layer's weights become an image by rows = outputs, columns = everything
else (a convolution: out x in*k*k), divided by the child's root mean square, and so do its features [n, d].
Crops are taken at one place for a child and all its candidates.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lineage.errors import UserError
from lineage.hdf5 import Features, Weights
from lineage.training import traced

EPSILON = 1e-12


def weight_image(state: dict[str, Tensor], layer: str, parameters: Sequence[str]) -> Tensor:
    """The largest of a layer's weight matrices, as [rows, columns].

    Args:
        state: a state dict.
        layer: the layer; its own weights are taken, or if it has none, those that lead to it.
        parameters: names of the layer's parameters and of those before it.

    Raises:
        UserError: if none of them is a matrix.
    """
    matrices = {name: state[name].flatten(1) for name in parameters if state[name].ndim > 1}
    own = [matrix for name, matrix in matrices.items() if name.startswith(f"{layer}.")]
    if not matrices:
        raise UserError(
            f"detector.layers: {layer}: expected a layer with weights, but it has none; name another"
        )
    return max(own or matrices.values(), key=lambda matrix: matrix.numel())


class Episodes:
    """The models' images, and crops of them for a batch of children.

    Args:
        weights: for each layer, the image of each model by id.
        features: likewise.
        candidates: ids of the P candidates.
        parent_of: each child's parent.
    """

    def __init__(
        self,
        weights: list[dict[str, Tensor]],
        features: list[dict[str, Tensor]],
        candidates: list[str],
        parent_of: dict[str, str],
    ):
        self._stacks = [
            [torch.stack([images[candidate] for candidate in candidates]) for images in kind]
            for kind in (weights, features)
        ]
        self._images = [weights, features]
        self.candidates = candidates
        self._parent_of = parent_of

    def targets(self, children: Sequence[str]) -> Tensor:
        """The place of each child's parent among the candidates [B]."""
        return torch.tensor([self.candidates.index(self._parent_of[child]) for child in children])

    def batch(
        self, children: Sequence[str], crop: int, generator: torch.Generator
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Images of weights and of features, each layer's [B, P, 2, crop, crop] or smaller."""
        weights, features = (
            [
                torch.stack([self._cropped(stack, images[child], crop, generator) for child in children])
                for stack, images in zip(stacks, kind, strict=True)
            ]
            for stacks, kind in zip(self._stacks, self._images, strict=True)
        )
        return weights, features

    @staticmethod
    def _cropped(candidates: Tensor, child: Tensor, crop: int, generator: torch.Generator) -> Tensor:
        """One child's images [P, 2, crop, crop], at a random place."""
        window = []
        for size in child.shape:
            length = min(crop, size)
            start = int(torch.randint(size - length + 1, (), generator=generator))
            window.append(slice(start, start + length))
        rows, columns = window
        scale = child.square().mean().sqrt() + EPSILON
        ours = child[rows, columns].expand(len(candidates), -1, -1)
        return torch.stack([candidates[:, rows, columns], ours], dim=1) / scale


def load_episodes(
    weights: Weights,
    features: Features,
    layers: Sequence[str],
    candidates: list[str],
    parent_of: dict[str, str],
    network: dict,
) -> Episodes:
    """Episodes of the children in `parent_of`, from files of weights and features.

    Args:
        weights: files of the children's and candidates' weights; features: of their features.
        layers: tapped layers to look at.
        candidates: ids.
        parent_of: each child's parent.
        network: the experiment's network.
    """
    backbone = traced(network, weights(candidates[0]), layers)
    models = [*candidates, *parent_of]
    states = {model: weights(model) for model in models}
    of_models = {model: features(model, layers) for model in models}
    return Episodes(
        [
            {model: weight_image(states[model], layer, backbone.parameters[layer]) for model in models}
            for layer in backbone.layers
        ],
        [{model: of_models[model][layer] for model in models} for layer in backbone.layers],
        candidates,
        parent_of,
    )
