"""A lineage detector applied to networks in memory."""

from collections.abc import Mapping

import pandas as pd
import torch
from torch import Tensor, nn

from lineage.detector.episodes import Episodes
from lineage.detector.model import DetectorNetwork
from lineage.detector.predict import predicted_logits
from lineage.errors import UserError
from lineage.experiment.conditions import NO_PARENT
from lineage.networks.backbone import Backbone, state_of
from lineage.networks.matrices import weight_matrix
from lineage.networks.restore import Line
from lineage.similarity.aligned import aligned
from lineage.similarity.inputs import check_networks, first_pass

CHILD = object()
"""The child's key beside its candidates' names."""


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
            if "align" in detector.config:
                theta_p = aligned(theta_p, theta_c)
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
