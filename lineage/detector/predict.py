"""What a trained lineage detector answers: logits and probabilities of candidates, under every condition.

B children, P candidates, E width, C crops.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from lineage.detector.episodes import Episodes
from lineage.detector.model import DetectorNetwork
from lineage.experiment.conditions import NO_PARENT

CROPS = 4
"""Logits are averaged over this many crops, at places that do not change."""


@torch.no_grad()
def summarised(
    detector: DetectorNetwork, episodes: Episodes, child: str, candidates: Sequence[str], device: torch.device
) -> Tensor:
    """Summaries [C, P, E] of a child's candidates; they do not depend on other children."""
    detector.eval()
    generator = torch.Generator().manual_seed(0)
    crops = [episodes.batch([child], detector.crop, generator, candidates) for _ in range(CROPS)]
    weights, features = (
        [torch.cat(layer).to(device) for layer in zip(*kind, strict=True)]
        for kind in zip(*crops, strict=True)
    )
    return detector.summaries(weights, features)


@torch.no_grad()
def predicted_logits(
    detector: DetectorNetwork,
    episodes: Episodes,
    children: Sequence[str],
    device: torch.device,
    candidates: Sequence[str] | None = None,
) -> Tensor:
    """Logits [B, P], or [B, P + 1] with no-parent's last, on the CPU."""
    candidates = episodes.candidates if candidates is None else candidates
    summaries = [summarised(detector, episodes, child, candidates, device) for child in children]
    return torch.stack([detector.logits(of_child).mean(0).cpu() for of_child in summaries])


@torch.no_grad()
def predictions(
    detector: DetectorNetwork,
    episodes: Episodes,
    conditions: Mapping[str, Mapping[str, Sequence[str]]],
    device: torch.device,
) -> Iterator[dict]:
    """Rows child, condition, candidate, logit, probability; `no parent` is a candidate where it can be answered.

    Args:
        detector: trained.
        episodes: of all the children.
        conditions: for each child, the candidates that there are under each condition.
        device: where to compute.
    """
    for child, of_child in conditions.items():
        asked = list(dict.fromkeys(candidate for candidates in of_child.values() for candidate in candidates))
        summaries = summarised(detector, episodes, child, asked, device)
        for condition, candidates in of_child.items():
            places = [asked.index(candidate) for candidate in candidates]
            logits = detector.logits(summaries[:, places]).mean(0).cpu()
            answers = [*candidates, NO_PARENT][: len(logits)]
            for answer, logit, probability in zip(
                answers, logits.tolist(), logits.double().softmax(0).tolist(), strict=True
            ):
                yield {
                    "child": child,
                    "condition": condition,
                    "candidate": answer,
                    "logit": logit,
                    "probability": probability,
                }
