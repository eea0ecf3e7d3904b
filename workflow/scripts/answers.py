"""Asks every child of a setting, and says which candidate its answers come from, under every condition."""

from pathlib import Path

import numpy as np
import torch

from lineage.asking.answers import of_function
from lineage.asking.checking import check_follows
from lineage.asking.choosing.networks import answers_of
from lineage.asking.files import read_query_set
from lineage.asking.queryset import among
from lineage.asking.verdict import decide
from lineage.experiment.conditions import ABSENT
from lineage.jobs.stage import stage
from lineage.networks.restore import Models
from lineage.storage.hdf5 import Weights
from lineage.storage.parquet import write_table
from lineage.storage.schemas import ANSWERED
from lineage.types.scoring import Network

with stage(snakemake) as run:
    params = snakemake.params
    torch.set_num_threads(1)
    queries, commitment = read_query_set(Path(snakemake.input.manifest).parent)
    check_follows(queries, commitment)
    weights = Weights(snakemake.input.weights)
    models = Models(weights=weights, network=Network.of(params.network), device=torch.device("cpu"))
    mean, std = queries.plan.mean, queries.plan.std
    answered = {
        id: answers_of(models.restored(id), queries.images, mean=mean, std=std)
        for id in run.tracked(weights.models, "models")
    }
    rows = []
    for child, parent in run.tracked(params.parents.items(), "children"):
        asked = {name: set(ids) - {child} for name, ids in params.among.items()}
        standard = next(iter(asked))
        for condition, ids in (asked | {ABSENT: asked[standard] - {parent}}).items():
            own_labels = (standard if condition == ABSENT else condition) in params.own_labels
            held = among(queries, {id: answered[id] for id in ids})
            probabilities = np.exp(answered[child][0].astype(np.float64))
            for given, values in {"labels": probabilities.argmax(1), "probabilities": probabilities}.items():
                answers = of_function(values, len(values), held.plan.classes, own_labels=own_labels)
                found = decide(answers, held, alpha=0.01)
                rows.append(
                    {
                        "experiment": snakemake.wildcards.experiment,
                        "setting": snakemake.wildcards.setting,
                        "condition": condition,
                        "child": child,
                        "given": given,
                        "own_labels": answers.own_labels,
                        "candidates": len(ids),
                        "verdict": str(found.word),
                        "closest": found.candidates[0].id,
                        "family": found.family[0] if found.family else None,
                    }
                )
    write_table(snakemake.output.answers, rows, ANSWERED, ["condition", "child", "given"])
