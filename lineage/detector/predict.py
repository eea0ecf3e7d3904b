"""What a trained lineage detector answers: logits and probabilities of candidates, under every condition.

B children, P candidates, E width, C crops.
"""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor, nn

from lineage.detector.episodes import Episodes, weight_matrix
from lineage.detector.model import DetectorNetwork
from lineage.errors import UserError
from lineage.experiment.conditions import NO_PARENT
from lineage.networks.backbone import Backbone, state_of
from lineage.networks.restore import Line
from lineage.similarity.inputs import check_networks, first_pass

CHILD = object()
"""The child's key beside its candidates' names."""
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


@torch.no_grad()
def probabilities(
    detector: DetectorNetwork, child: nn.Module, candidates: Mapping[str, nn.Module], probe: Tensor
) -> "pd.Series[float]":
    """See `LineageDetector.probabilities`."""
    if not isinstance(candidates, Mapping):
        raise UserError(
            "candidates: expected networks by name, as {'a': network, 'b': network}, but got an object of the type "
            f"{type(candidates).__name__}"
        )
    if len(candidates) < 2:
        raise UserError(
            f"candidates: expected at least two, to compare them with each other, but got {len(candidates)}"
        )
    named = {f"candidate {name!r}": network for name, network in candidates.items()}
    check_networks({"child": child} | named, probe)
    alpha, theta_c = detector.config["alpha"], state_of(child)
    with first_pass("child", child, probe):
        of_child = _backbone(detector, child, probe)
    shapes = {name: tensor.shape for name, tensor in theta_c.items()}
    matrices = [weight_matrix(shapes, layer, of_child.parameters[layer]) for layer in of_child.layers]
    weights = [{CHILD: theta_c[matrix].cpu()} for matrix in matrices]
    features = [{CHILD: values.cpu()} for values in of_child(theta_c, probe).values()]
    for name, network in candidates.items():
        with first_pass(f"candidate {name!r}", network, probe):
            backbone = _backbone(detector, network, probe)
        theta_p = state_of(network)
        try:
            line = Line.between(backbone, theta_p, theta_c)
        except UserError as error:
            raise UserError(f"candidate {name!r}: {error}") from None
        shown = line.features(probe, alpha)
        for layer, matrix in enumerate(matrices):
            weights[layer][name] = theta_p[matrix].cpu()
            features[layer][name] = shown[backbone.layers[layer]].cpu()
    kinds = {"weights": weights, "features": features}
    seen = [kinds[kind] if kind in detector.kinds else [] for kind in kinds]
    episodes = Episodes(*seen, list(candidates), {})
    device = next(detector.parameters()).device
    (logits,) = predicted_logits(detector, episodes, [CHILD], device)
    return pd.Series(logits.double().softmax(0).tolist(), [*candidates, NO_PARENT][: len(logits)])


def _backbone(detector: DetectorNetwork, network: nn.Module, probe: Tensor) -> Backbone:
    return Backbone(network, probe, layers=detector.layers, pool=detector.config["pool"])
