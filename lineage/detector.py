"""The lineage detector: a network that tells which of a set of candidates is a child's parent.

Letters: B children, P candidates, L layers, E width; an image is [2, rows, columns], channel 0 the
candidate's and channel 1 the child's. Each layer gives one token of its weights and one of its features;
a transformer reads them behind a [CLS] token whose output, standardised over the child's candidates,
becomes the candidate's logit. Nothing depends on P or on the order of the candidates.

Source: Yu & Wang, Neural Lineage, CVPR 2024, section 4 (arXiv:2406.11129).
"""

import torch
from torch import Tensor, nn

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
        """Tokens of images."""
        images = images.contiguous(memory_format=torch.channels_last)
        return self.pattern(self.difference(images).relu()).mean((2, 3))


class LineageDetector(nn.Module):
    """Logits over a child's candidates, from their weights and features.

    Args:
        layers: how many layers are looked at.
        width: E, of tokens.
        blocks: how many transformer blocks.
    """

    def __init__(self, *, layers: int, width: int = 32, blocks: int = 1):
        super().__init__()
        self.weight_encoder = ImageEncoder(width)
        self.feature_encoder = ImageEncoder(width)
        self.cls = nn.Parameter(torch.randn(width) * 0.02)
        self.kind = nn.Parameter(torch.randn(2, width) * 0.02)
        self.layer = nn.Parameter(torch.randn(layers, width) * 0.02)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, nhead=4, dim_feedforward=2 * width, dropout=0.0, batch_first=True, norm_first=True
            )
            for _ in range(blocks)
        )
        self.logit = nn.Linear(width, 1)

    def forward(self, weights: list[Tensor], features: list[Tensor]) -> Tensor:
        """Logits [B, P] from each layer's images of weights and of features, [B, P, 2, rows, columns]."""
        B, P = weights[0].shape[:2]
        of_weights = torch.stack([self.weight_encoder(images.flatten(0, 1)) for images in weights], 1)
        of_features = torch.stack([self.feature_encoder(images.flatten(0, 1)) for images in features], 1)
        tokens = torch.cat(
            [
                self.cls.expand(B * P, 1, -1),
                of_weights + self.layer + self.kind[0],
                of_features + self.layer + self.kind[1],
            ],
            dim=1,
        )
        for block in self.blocks:
            tokens = block(tokens)
        summary = tokens[:, 0].unflatten(0, (B, P))
        spread = summary.std(1, keepdim=True, correction=0)
        return self.logit((summary - summary.mean(1, keepdim=True)) / (spread + EPSILON)).squeeze(-1)
