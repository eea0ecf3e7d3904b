import shutil

from lineage.jobs.resources import (
    detection,
    evaluation,
    extraction,
    mixed_detection,
    parameters_in,
    reading,
    requested,
    root_parameters,
    scoring,
    tracing,
    training,
)
from lineage.types.scoring import Similarity


def asked(what, work):
    """A rule's memory or minutes: a function of its inputs, once they are there, and of the attempt."""

    def amount(wildcards, input, attempt):
        device = "gpu" if gpus(wildcards) else "cpu"
        return requested(work(wildcards, input), attempt, device=device)[what]

    return amount


def gpus(wildcards):
    """1 if a computing job asks for a GPU; `auto` asks on a cluster, and where this machine has one.

    A function, because Snakemake names the executor only after parsing.
    """
    if config["device"] != "auto":
        return int(config["device"] == "cuda")
    on_cluster = workflow.remote_exec or not workflow.local_exec
    return int(on_cluster or shutil.which("nvidia-smi") is not None)


def cores_to_train(wildcards):
    """Of a job that trains: its arithmetic's threads, and the processes that change its images."""
    experiment = experiment_of(wildcards)
    of_children = "setting" in wildcards.keys()
    recipe = experiment.settings[wildcards.setting] if of_children else experiment.roots
    return config["threads"] + (recipe.workers or 0)


def pretraining_work(wildcards, input):
    """Of one root."""
    experiment = experiment_of(wildcards)
    parameters = root_parameters(experiment.network)
    return training(experiment.network, [experiment.roots], parameters)


def finetuning_work(wildcards, input):
    """Of a block of children."""
    recipes = [child.recipe for child in block_of(wildcards)]
    parent = zoo_of(wildcards).model(params.sources_of(block_of(wildcards))[0])
    parameters = parameters_in(input.sources[0], files_models(wildcards, parent))
    return training(experiment_of(wildcards).network, recipes, parameters)


def files_models(wildcards, model):
    """How many models the file of a model's weights holds."""
    zoo = zoo_of(wildcards)
    if model.parent is None:
        return 1
    return len(zoo.children(model.setting, zoo.group_of(model), zoo.block_of(model)))


def reading_work(wildcards, input):
    """Of an experiment's probe."""
    experiment = experiment_of(wildcards)
    return reading(experiment.network, experiment.probe)


def extraction_work(wildcards, input):
    """Of the models whose features are extracted."""
    zoo, experiment = zoo_of(wildcards), experiment_of(wildcards)
    models = block_of(wildcards) if "block" in wildcards.keys() else zoo.roots
    parameters = parameters_in(input.weights[0], files_models(wildcards, models[0]))
    return extraction(experiment.network, experiment.probe, parameters, len(models))


def scoring_work(wildcards, input):
    """Of a block of children and all candidates."""
    of_pair = experiment_of(wildcards).similarity
    return pairs_work(wildcards, input.child_weights, of_pair)


def tracing_work(wildcards, input):
    """Of a block of hybrid children, whose blocks are compared with all candidates'."""
    of_pair = experiment_of(wildcards).similarity
    return pairs_work(wildcards, input.child_weights, of_pair, tracing)


def path_work(wildcards, input):
    """Of the features of all candidates on the way to a block of children."""
    of_pair = Similarity(alphas=(0.5,), approximations=("path",))
    return pairs_work(wildcards, input.weights[0], of_pair)


def pairs_work(wildcards, child_weights, of_pair, work=scoring):
    """Of every pair of a block's children and a candidate."""
    children, experiment = len(block_of(wildcards)), experiment_of(wildcards)
    return work(
        experiment.network,
        experiment.probe,
        of_pair,
        parameters_in(child_weights, children),
        children,
        len(compared_with(wildcards)),
    )


def transfer_work(wildcards, input):
    """Of the answers of a trained detector, which cost less than one epoch of its training."""
    return detection_work(wildcards, input, epochs=1)


def detection_work(wildcards, input, epochs=None):
    """Of one detector."""
    zoo = zoo_of(wildcards)
    children = len(zoo.children(wildcards.setting))
    candidates = len(zoo.compared(wildcards.setting))
    parameters = sum(map(parameters_in, input.weights)) // (children + candidates)
    epochs = epochs or detector_settings(wildcards).epochs
    return detection(epochs, parameters, children, candidates)


def mixed_detection_work(wildcards, input):
    """Of the detector that is trained on all settings: it reads every model once."""
    models = len(mixed_of(wildcards).everyone)
    return mixed_detection(sum(map(parameters_in, input.weights)) // models, models)


def evaluation_work(wildcards, input):
    """Of an experiment's scores."""
    return evaluation(input.scores)
