import os
from functools import cache
from pathlib import Path

from lineage.data.source_files import source_files
from lineage.experiment import params, paths
from lineage.experiment.config import checked, experiments_of
from lineage.experiment.params import ids_of
from lineage.experiment.zoo import Zoo
from lineage.jobs.resources import check_cores

FILES = " + ".join(map(os.path.relpath, workflow.configfiles)) or "the configuration"
stopping_on_mistakes(checked, config, origin=FILES)
if workflow.local_exec:
    stopping_on_mistakes(
        check_cores, config["threads"], workflow.resource_settings.cores
    )
EXPERIMENTS = experiments_of(config)
ZOOS = {name: Zoo(experiment) for name, experiment in EXPERIMENTS.items()}
SETTINGS = sorted({setting for zoo in ZOOS.values() for setting in zoo.settings})
PATHS = {name: paths.Paths(name, EXPERIMENTS[name], zoo) for name, zoo in ZOOS.items()}


pathvars:
    **paths.FOLDERS,
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",


wildcard_constraints:
    experiment="|".join(ZOOS),
    setting="|".join(SETTINGS),
    parent=r"p\d+(\.[a-z0-9_-]+\.\d+)*|all",
    root=r"p\d+",
    block=r"\d+",
    seed=r"\d+",
    trained_on="|".join(SETTINGS),
    form="|".join(paths.FORMS),


def data_files(data):
    """Files of a data source that are tracked as inputs."""
    return stopping_on_mistakes(source_files, data.source, data.split)


def experiment_of(wildcards):
    """The experiment's configuration."""
    return EXPERIMENTS[wildcards.experiment]


def network_of(wildcards):
    """The experiment's network, as params take it."""
    return experiment_of(wildcards).network.plain()


def probe_of(wildcards):
    """The experiment's probe, as params take it."""
    return experiment_of(wildcards).probe.plain()


def block_of(wildcards):
    """The models of a block."""
    return ZOOS[wildcards.experiment].children(
        wildcards.setting, wildcards.parent, int(wildcards.block)
    )


def candidates_of(wildcards):
    """Ids of a setting's candidates."""
    return ZOOS[wildcards.experiment].candidates(wildcards.setting)


def similarity_of(wildcards):
    """The experiment's similarity, as params take it."""
    return experiment_of(wildcards).similarity.plain()


def child_weights(wildcards):
    """The file of a block's weights."""
    return PATHS[wildcards.experiment].weights(ids_of(block_of(wildcards)))[0]


def candidate_weights(wildcards):
    """The files of the candidates' weights."""
    return PATHS[wildcards.experiment].weights(candidates_of(wildcards))


def root_of(wildcards):
    """The root model."""
    return ZOOS[wildcards.experiment].model(wildcards.root)


def models_of(wildcards):
    """Ids of a setting's candidates and children."""
    children = ZOOS[wildcards.experiment].children(wildcards.setting)
    return [*candidates_of(wildcards), *ids_of(children)]


def path_features_of(wildcards):
    """The files of a setting's features on the path, where its detectors look at them."""
    if not experiment_of(wildcards).detector.alpha:
        return []
    return PATHS[wildcards.experiment].blocks(
        "path_features", "features.h5", wildcards.setting
    )


def detector_settings(wildcards):
    """How a detector is built and trained."""
    return params.detector_of(experiment_of(wildcards).detector, wildcards.form)


@cache
def evaluated_settings(experiment):
    """What the evaluation knows of an experiment's settings."""
    return params.evaluated_settings(ZOOS[experiment], EXPERIMENTS[experiment])


def predictions_of(wildcards):
    """The files of all that an experiment's detectors predict."""
    files = PATHS[wildcards.experiment]
    return files.detectors("predictions.parquet") + files.transfers(
        "predictions.parquet"
    )
