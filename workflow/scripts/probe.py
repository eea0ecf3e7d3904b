"""Writes the inputs that every model's features are of."""

from lineage.data.probe import load_probe
from lineage.jobs.stage import stage
from lineage.storage.hdf5 import write_probe
from lineage.types.scoring import Network, Probe

with stage(snakemake) as run:
    params = snakemake.params
    samples, inputs = load_probe(Probe.of(params.probe), Network.of(params.network))
    write_probe(snakemake.output.probe, samples, inputs, code=params.code)
    run.say(f"{len(samples)} inputs of shape {' x '.join(map(str, inputs.shape[1:]))}")
