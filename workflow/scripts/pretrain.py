"""Trains one root from random weights."""

from lineage.jobs.pretraining import pretrain

pretrain(snakemake)
