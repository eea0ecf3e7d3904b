import os
import shutil
import sys
from dataclasses import asdict
from functools import cache
from pathlib import Path

from lineage.experiment.conditions import ancestor_in
from lineage.experiment.config import checked, weight_files
from lineage.data.source_files import source_files
from lineage.jobs.lock import check_no_slurm_jobs
from lineage.jobs.resources import (
    detection,
    evaluation,
    extraction,
    parameters_in,
    requested,
    root_parameters,
    scoring,
    tracing,
    training,
)
from lineage.results.methods import DETECTOR, DETECTORS
from lineage.results.summary import print_summary
from lineage.experiment.zoo import Zoo

stopping_on_mistakes(
    checked, config, origin=" + ".join(map(os.path.relpath, workflow.configfiles))
)
CORES = workflow.resource_settings.cores
if workflow.local_exec and CORES and CORES < config["threads"]:
    sys.exit(
        f"error: threads: {config['threads']} in the configuration, but this run has {CORES} cores; "
        "give more --cores or set threads lower"
    )
ZOOS = {name: Zoo(experiment) for name, experiment in config["experiments"].items()}
SETTINGS = sorted({setting for zoo in ZOOS.values() for setting in zoo.settings})


wildcard_constraints:
    experiment="|".join(ZOOS),
    setting="|".join(SETTINGS),
    parent=r"p\d+(\.[a-z0-9_-]+\.\d+)*|all",
    root=r"p\d+",
    block=r"\d+",
    seed=r"\d+",
    other="|".join(SETTINGS),
    form="both|weights|features|unseen-parents",


def data_files(data):
    """Files of a data source that are tracked as inputs."""
    return stopping_on_mistakes(source_files, data["source"], data["split"])


def experiment_of(wildcards):
    """The experiment's part of the configuration."""
    return config["experiments"][wildcards.experiment]


def network_of(wildcards):
    """The experiment's network."""
    return experiment_of(wildcards)["network"]


def probe_of(wildcards):
    """The experiment's probe."""
    return experiment_of(wildcards)["probe"]


def root_of(wildcards):
    """The root model, as a dict."""
    return asdict(ZOOS[wildcards.experiment].model(wildcards.root))


def block_of(wildcards):
    """The models of a block."""
    return ZOOS[wildcards.experiment].children(
        wildcards.setting, wildcards.parent, int(wildcards.block)
    )


def sources_of(wildcards):
    """The models that a block of children starts from: parents, and the other sources of hybrids."""
    children = block_of(wildcards)
    hybrids = [child.recipe.get("hybrid", {}) for child in children]
    others = {source for hybrid in hybrids for source in hybrid.get("sources", [])}
    return sorted({child.parent for child in children} | others)


def ids_of(models):
    """The models' ids, sorted."""
    return sorted(model.id for model in models)


def maker_of(experiment):
    """The experiment that trains an experiment's models: itself, or the one that its `models_of` names."""
    shared = config["experiments"][experiment].get("models_of", {})
    return shared.get("experiment", experiment)


def files_of(artifact, experiment, model_ids):
    """The files of weights or features that hold these models, each once."""
    zoo = ZOOS[experiment]
    files = []
    for model_id in model_ids:
        model = zoo.model(model_id)
        of_root, of_child = FILES[artifact]
        where = {
            "experiment": maker_of(experiment) if artifact == "weights" else experiment,
            "root": model.id,
            "setting": model.setting,
            "parent": zoo.group_of(model),
        }
        pattern = of_root if model.parent is None else of_child
        files.append(pattern.format(**where, block=zoo.block_of(model)))
    return list(dict.fromkeys(files))


def blocks_of(pattern, experiment, setting):
    """The files of all blocks of a setting."""
    blocks = ZOOS[experiment].blocks(setting)
    return [
        pattern.format(
            experiment=experiment, setting=setting, parent=group, block=block
        )
        for group, block in blocks
    ]


def candidates_of(wildcards):
    """Ids of a setting's candidates."""
    return ZOOS[wildcards.experiment].candidates(wildcards.setting)


def models_of(wildcards):
    """Ids of a setting's candidates and children."""
    children = ZOOS[wildcards.experiment].children(wildcards.setting)
    return [*candidates_of(wildcards), *ids_of(children)]


@cache
def zoo_of(experiment):
    """What the evaluation knows of an experiment's settings: parents, candidates, splits."""
    zoo, seeds = ZOOS[experiment], config["experiments"][experiment]["seeds"]
    return {
        setting: {
            "parents": {child.id: child.parent for child in zoo.children(setting)},
            "candidates": zoo.candidates(setting),
            "splits": [zoo.split(setting, seed) for seed in range(seeds)],
            "counts": [
                count
                for count in config["experiments"][experiment]["detector"]["candidates"]
                if count <= zoo.most_candidates(setting)
            ],
            "ancestors": {
                ancestor_in(name): {
                    "candidates": ids_of(zoo.children(name)),
                    "parents": found,
                }
                for name, found in zoo.ancestors(setting).items()
            },
        }
        for setting in zoo.of_one_parent
    }


def splits_of_hybrids(experiment):
    """Each seed's parts of the children, for every setting of hybrids."""
    zoo, seeds = ZOOS[experiment], config["experiments"][experiment]["seeds"]
    return {
        setting: [zoo.split(setting, seed) for seed in range(seeds)]
        for setting in zoo.hybrids
    }


def detector_of(wildcards):
    """How a detector is built and trained."""
    settings = {"layers": []} | experiment_of(wildcards)["detector"]
    inputs = wildcards.form if wildcards.form in settings["inputs"] else "both"
    settings = settings | settings["by_inputs"].get(inputs, {}) | {"inputs": inputs}
    unused = ("candidates", "unseen_parents", "transfer", "transfer_only", "by_inputs")
    return {key: value for key, value in settings.items() if key not in unused}


def path_features_of(wildcards):
    """The files of a setting's features on the path, where its detectors look at them."""
    if not experiment_of(wildcards)["detector"]["alpha"]:
        return []
    return blocks_of(
        rules.path_features.output.features, wildcards.experiment, wildcards.setting
    )


def detectors_zoo(wildcards):
    """What one detector's training knows of the models."""
    zoo = ZOOS[wildcards.experiment]
    of_setting = zoo_of(wildcards.experiment)[wildcards.setting]
    if wildcards.form == "unseen-parents":
        candidates, unseen, parts = zoo.split_parents(
            wildcards.setting, int(wildcards.seed)
        )
    else:
        candidates, unseen = of_setting["candidates"], []
        parts = of_setting["splits"][int(wildcards.seed)]
    return {
        "candidates": candidates,
        "unseen": unseen,
        "parts": parts,
        "parents": of_setting["parents"],
        "counts": of_setting["counts"],
        "ancestors": {
            condition: among["candidates"]
            for condition, among in of_setting["ancestors"].items()
        },
    }


def predictions_of(experiment):
    """The files of all that an experiment's detectors predict."""
    zoo, of_experiment = ZOOS[experiment], config["experiments"][experiment]
    settings, seeds = of_experiment["detector"], range(of_experiment["seeds"])
    in_full = settings["inputs"] + ["unseen-parents"] * settings["unseen_parents"]
    transfers = zoo.transfers if settings["transfer"] else []
    return [
        rules.detector.output.predictions.format(
            experiment=experiment, setting=setting, form=form, seed=seed
        )
        for setting in zoo.of_one_parent
        for form in (["both"] if setting in settings["transfer_only"] else in_full)
        for seed in seeds
    ] + [
        rules.transfer.output.predictions.format(
            experiment=experiment, setting=asked, other=trained, seed=seed
        )
        for trained, asked in transfers
        for seed in seeds
    ]


def histories_of(experiment):
    """The files of how an experiment's detectors were trained."""
    trained = [path for path in predictions_of(experiment) if "/detector/" in path]
    return [path.replace("predictions.parquet", "history.parquet") for path in trained]


METHODS = DETECTORS | {"unseen-parents": DETECTOR}
FILES = {
    "weights": (
        "results/{experiment}/pretrain/{root}/weights.h5",
        "results/{experiment}/finetune/{setting}/{parent}/{block}/weights.h5",
    ),
    "features": (
        "results/{experiment}/features/roots/features.h5",
        "results/{experiment}/features/{setting}/{parent}/{block}/features.h5",
    ),
}
