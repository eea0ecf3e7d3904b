import os
from functools import cache
from pathlib import Path

from lineage.data.source_files import source_files
from lineage.experiment import params, paths
from lineage.experiment.conditions import asked_among
from lineage.experiment.config import checked, experiments_of
from lineage.experiment.params import ids_of
from lineage.experiment.zoo import Zoo
from lineage.jobs.blocks import told_of_block
from lineage.jobs.processors import kernels_for
from lineage.jobs.resources import check_cores

FILES = " + ".join(map(os.path.relpath, workflow.configfiles)) or "the configuration"
stopping_on_mistakes(checked, config, origin=FILES)
if workflow.local_exec:
    stopping_on_mistakes(
        check_cores, config["threads"], workflow.resource_settings.cores
    )
os.environ.update(kernels_for(config["reproducible"]))
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


def plain(key):
    """What gives a part of an experiment's configuration as params take it."""
    return lambda wildcards: getattr(experiment_of(wildcards), key).plain()


def zoo_of(wildcards):
    """The experiment's models."""
    return ZOOS[wildcards.experiment]


def files_of(wildcards):
    """The experiment's files."""
    return PATHS[wildcards.experiment]


def block_of(wildcards):
    """The models of a block."""
    return zoo_of(wildcards).children(
        wildcards.setting, wildcards.parent, int(wildcards.block)
    )


def candidates_of(wildcards):
    """Ids of a setting's candidates."""
    return zoo_of(wildcards).candidates(wildcards.setting)


def compared_with(wildcards):
    """Ids of all models that a setting's children are compared with."""
    return zoo_of(wildcards).compared(wildcards.setting)


def child_weights(wildcards):
    """The file of a block's weights."""
    return files_of(wildcards).weights(ids_of(block_of(wildcards)))[0]


def candidate_weights(wildcards):
    """The files of the candidates' weights."""
    return files_of(wildcards).weights(compared_with(wildcards))


def detector_settings(wildcards):
    """How a detector is built and trained."""
    return params.detector_of(experiment_of(wildcards).detector, wildcards.form)


def mixed_of(wildcards):
    """The models of a detector that is trained on all settings."""
    return params.mixed_models(
        zoo_of(wildcards),
        experiment_of(wildcards),
        evaluated_settings(wildcards.experiment),
        seed=int(wildcards.seed),
    )


def jobs_of_run():
    """(rule, experiment) of all jobs of this run, those with nothing to do among them."""
    jobs = [(job.rule.name, job.wildcards_dict) for job in workflow.dag.jobs]
    return {(rule, wildcards.get("experiment")) for rule, wildcards in jobs}


def trained_again(job):
    """What to tell of a job that trains a block of which some children are there; None of others."""
    if job.rule.name != "finetune":
        return None
    block = block_of(job.wildcards)
    return told_of_block(job.output.models, [child.id for child in block])


@cache
def evaluated_settings(experiment):
    """What the evaluation knows of an experiment's settings."""
    return params.evaluated_settings(ZOOS[experiment], EXPERIMENTS[experiment])


def script_of_root(wildcards):
    """Only where a root starts from a file do the readers of files count as its code."""
    has_weights = zoo_of(wildcards).model(wildcards.root).recipe.weights is not None
    return "pretrain_from_weights.py" if has_weights else "pretrain.py"


def script_of_scores(wildcards):
    """Only where candidates are aligned does the code of alignment count."""
    is_aligned = experiment_of(wildcards).similarity.align
    return "aligned_similarity.py" if is_aligned else "similarity.py"


def script_of_path(wildcards):
    """The same of the features that detectors look at."""
    is_aligned = experiment_of(wildcards).detector.align
    return "aligned_path_features.py" if is_aligned else "path_features.py"
