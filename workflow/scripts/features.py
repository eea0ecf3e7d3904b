"""Extracts the features of models on the probe, at every tapped layer."""

import torch

from lineage.jobs.device import computing
from lineage.networks.backbone import Backbone, state_of
from lineage.networks.restore import restored
from lineage.storage.hdf5 import Weights, read_probe, write_features
from lineage.types.scoring import Network

with computing(snakemake) as run:
    params = snakemake.params
    weights = Weights(snakemake.input.weights)
    network = Network.of(params.network)
    samples, probe = read_probe(snakemake.input.probe)
    probe = probe.to(run.device)

    def features():
        """Extracts each model's features when the file asks for them."""
        for model in run.tracked(params.models, "models"):
            net = restored(network, weights(model)).to(run.device)
            backbone = Backbone(net, probe, layers=params.layers or None, pool=params.pool)
            if model == params.models[0]:
                run.say(f"layers {', '.join(backbone.layers)}; left out {', '.join(backbone.left_out)}")
            with torch.no_grad():
                yield model, backbone(state_of(net), probe)

    write_features(snakemake.output.features, samples, features(), **run.provenance)
