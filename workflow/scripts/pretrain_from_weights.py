"""Trains one root from the weights that its recipe names."""

from lineage.jobs.pretraining import pretrain
from lineage.training.pretrained import load_pretrained

pretrain(snakemake, load_pretrained)
