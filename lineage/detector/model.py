"""The lineage detector: a network that tells which of a set of candidates is a child's parent.

Letters: B children, P candidates, L layers, E width; an image is [2, rows, columns], channel 0 the
candidate's and channel 1 the child's. Each layer gives one token of its weights and one of its features;
a transformer reads them behind a [CLS] token, whose output is the candidate's summary. Summaries, standardised
over the child's candidates, become logits; their largest and mean values before that say whether any candidate is
the parent. Nothing depends on P or on the order of the candidates.

Source: Yu & Wang, Neural Lineage, CVPR 2024, section 4 (arXiv:2406.11129).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from lineage.errors import UserError
from lineage.similarity.inputs import list_of_names

INPUTS = ("both", "weights", "features")
EPSILON = 1e-5


class ImageEncoder(nn.Module):
    """Turns images [N, 2, rows, columns] of any size into tokens [N, E].

    Two of the three first filters start as candidate - child and child - candidate.
    """

    def __init__(self, width: int):
        super().__init__()
        self.difference = nn.Conv2d(2, 3, kernel_size=1, bias=False)
        with torch.no_grad():
            self.difference.weight[:2] = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])[:, :, None, None]
        self.pattern = nn.Sequential(
            nn.Conv2d(3, width, kernel_size=3, padding=1), nn.BatchNorm2d(width), nn.ReLU()
        )

    def forward(self, images: Tensor) -> Tensor:
        """Tokens [N, E] of images [N, 2, rows, columns]."""
        images = images.contiguous(memory_format=torch.channels_last)
        return self.pattern(self.difference(images).relu()).mean((2, 3))


class DetectorNetwork(nn.Module):
    """Logits over a child's candidates, from their weights and features.

    Args:
        layers: names of the tapped layers that it looks at.
        inputs: `both`, `weights` or `features`.
        no_parent: whether a last logit says that none of the candidates is the parent.
        width: E, of tokens.
        blocks: how many transformer blocks.
        crop: rows and columns of the images that it is shown.
        alpha: how far on the way to the child a candidate's features are taken; at 0 they are its own.
        pool: how the features that it was trained on were pooled.
        align: whether candidates' weights are first brought to the order and scale of the child's.
    """

    def __init__(
        self,
        *,
        layers: Iterable[str],
        inputs: str = "both",
        no_parent: bool = False,
        width: int = 32,
        blocks: int = 1,
        crop: int = 32,
        alpha: float = 0.0,
        pool: str = "mean",
        align: bool = False,
    ):
        super().__init__()
        if inputs not in INPUTS:
            raise UserError(f"detector.inputs: expected one of {', '.join(INPUTS)}, but got {inputs!r}")
        self.layers = list_of_names("layers", layers)
        self.crop = crop
        self.config = {
            "layers": self.layers, "inputs": inputs, "no_parent": no_parent, "width": width,
            "blocks": blocks, "crop": crop, "alpha": alpha, "pool": pool,
        } | ({"align": True} if align else {})  # fmt: skip
        self.kinds = INPUTS[1:] if inputs == "both" else (inputs,)
        self.encoders = nn.ModuleDict({kind: ImageEncoder(width) for kind in self.kinds})
        self.cls = nn.Parameter(torch.randn(width) * 0.02)
        self.kind = nn.ParameterDict({kind: torch.randn(width) * 0.02 for kind in self.kinds})
        self.layer = nn.Parameter(torch.randn(len(self.layers), width) * 0.02)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, nhead=4, dim_feedforward=2 * width, dropout=0.0, batch_first=True, norm_first=True
            )
            for _ in range(blocks)
        )
        self.logit = nn.Linear(width, 1)
        self.no_parent = (
            nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 1)) if no_parent else None
        )

    def forward(self, weights: list[Tensor], features: list[Tensor]) -> Tensor:
        """Logits [B, P], or [B, P + 1] with no-parent's last; see `summaries` and `logits`."""
        return self.logits(self.summaries(weights, features))

    def summaries(self, weights: list[Tensor], features: list[Tensor]) -> Tensor:
        """Summaries [B, P, E] from each layer's images [B, P, 2, rows, columns] of the kinds looked at."""
        images = {"weights": weights, "features": features}
        B, P = images[self.kinds[0]][0].shape[:2]
        tokens = [self.cls.expand(B * P, 1, -1)]
        for kind in self.kinds:
            encoded = torch.stack([self.encoders[kind](layer.flatten(0, 1)) for layer in images[kind]], 1)
            tokens.append(encoded + self.layer + self.kind[kind])
        sequence = torch.cat(tokens, dim=1)
        for block in self.blocks:
            sequence = block(sequence)
        return sequence[:, 0].unflatten(0, (B, P))

    def logits(self, summaries: Tensor) -> Tensor:
        """Logits of summaries [B, P, E] of all the candidates that there are."""
        mean = summaries.mean(1, keepdim=True)
        spread = summaries.std(1, keepdim=True, correction=0)
        logits = self.logit((summaries - mean) / (spread + EPSILON)).squeeze(-1)
        if self.no_parent is None:
            return logits
        overall = torch.cat([summaries.amax(1), mean.squeeze(1)], dim=1)
        return torch.cat([logits, self.no_parent(overall)], dim=1)
