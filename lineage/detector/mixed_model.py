"""The mixed detector's network: which of a set of candidates is a child's nearest ancestor, or that none is.

B children, P candidates, L layers, E width. Every candidate gets messages from all the rest, layer by layer; layers
are averaged, candidates attend to each other, and each gets a logit. Their largest and mean values say whether there
is an ancestor at all. A child may have fewer candidates than P: a mask says which are there. Nothing depends on the
order of candidates, on their number or on that of layers.

Source: sets as in Lee et al., Set Transformer, ICML 2019 (arXiv:1810.00825).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lineage.detector.geometry import OF_CANDIDATE, OF_PAIR

ABSENT = -1e9
"""The logit of a place without a candidate."""

Seen = tuple[Tensor, Tensor]
"""See `Geometry.seen`."""


class MixedNetwork(nn.Module):
    """Logits over a child's candidates and, last, that none is an ancestor.

    Args:
        width: E.
    """

    def __init__(self, width: int = 32):
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm1d(OF_CANDIDATE), nn.BatchNorm1d(OF_PAIR)])
        self.candidate = _mlp(OF_CANDIDATE, width)
        self.message = _mlp(2 * width + OF_PAIR, width)
        self.update = _mlp(3 * width, width)
        self.among = nn.TransformerEncoderLayer(
            width, nhead=4, dim_feedforward=2 * width, dropout=0.0, batch_first=True, norm_first=True
        )
        self.logit = nn.Linear(width, 1)
        self.none = _mlp(2 * width, width, 1)

    def forward(self, of_candidates: Tensor, of_pairs: Tensor, is_there: Tensor) -> Tensor:
        """Logits [B, P + 1] of what is seen, [B, P, L, ...] and [B, P, P, L, ...], with is_there [B, P]."""
        B, P, L, _ = of_candidates.shape
        pairs_there = is_there[:, :, None] & is_there[:, None] & ~torch.eye(P, dtype=torch.bool)
        pairs_there = pairs_there[..., None].expand(B, P, P, L)
        own, pairs = (
            _normalised(norm, seen, there)
            for norm, seen, there in zip(
                self.norms,
                (of_candidates, of_pairs),
                (is_there[..., None].expand(B, P, L), pairs_there),
                strict=True,
            )
        )
        state = self.candidate(own)
        ends = state[:, :, None].expand(B, P, P, L, -1), state[:, None].expand(B, P, P, L, -1)
        messages = self.message(torch.cat([*ends, pairs], -1)).relu() * pairs_there[..., None]
        mean = messages.sum(2) / pairs_there.sum(2).clamp_min(1)[..., None]
        state = (state + self.update(torch.cat([state, mean, messages.amax(2)], -1))).mean(2)
        state = self.among(state, src_key_padding_mask=None if is_there.all() else ~is_there)
        present = is_there[..., None]
        overall = [state.masked_fill(~present, ABSENT).amax(1), (state * present).sum(1) / present.sum(1)]
        logits = self.logit(state).squeeze(-1).masked_fill(~is_there, ABSENT)
        return torch.cat([logits, self.none(torch.cat(overall, 1))], 1)


def batched(seen: Sequence[Seen]) -> tuple[Tensor, Tensor, Tensor]:
    """The arguments of `MixedNetwork.forward`, of children with candidates of any number."""
    most = max(len(of_candidates) for of_candidates, _ in seen)
    padded = ([], [], [])
    for of_candidates, of_pairs in seen:
        gap = most - len(of_candidates)
        padded[0].append(nn.functional.pad(of_candidates, (0, 0, 0, 0, 0, gap)))
        padded[1].append(nn.functional.pad(of_pairs, (0, 0, 0, 0, 0, gap, 0, gap)))
        padded[2].append(torch.arange(most) < len(of_candidates))
    own, pairs, is_there = map(torch.stack, padded)
    return own, pairs, is_there


def _mlp(inputs: int, width: int, outputs: int | None = None) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs or width))


def _normalised(norm: nn.Module, seen: Tensor, there: Tensor) -> Tensor:
    """What is there, normalised, with zeros elsewhere."""
    if not there.any():
        return torch.zeros_like(seen)
    return torch.zeros_like(seen).masked_scatter(there[..., None], norm(seen[there]))
