from functools import cache

from lineage.results.methods import DETECTOR, DETECTORS

METHODS = DETECTORS | {paths.UNSEEN_PARENTS: DETECTOR}


def models_of(wildcards):
    """Ids of a setting's candidates and children."""
    children = ZOOS[wildcards.experiment].children(wildcards.setting)
    return [*candidates_of(wildcards), *ids_of(children)]


def path_features_of(wildcards):
    """The files of a setting's features on the path, where its detectors look at them."""
    if not experiment_of(wildcards)["detector"]["alpha"]:
        return []
    return PATHS[wildcards.experiment].blocks(
        "path_features", "features.h5", wildcards.setting
    )


def detector_of(wildcards):
    """How a detector is built and trained."""
    return params.detector_settings(
        experiment_of(wildcards)["detector"], wildcards.form
    )


@cache
def evaluated_settings(experiment):
    """What the evaluation knows of an experiment's settings."""
    return params.evaluated_settings(ZOOS[experiment], EXPERIMENTS[experiment])


rule detector:
    input:
        weights=lambda wildcards: PATHS[wildcards.experiment].weights(
            models_of(wildcards)
        ),
        features=lambda wildcards: PATHS[wildcards.experiment].features(
            models_of(wildcards)
        ),
        on_path=path_features_of,
    output:
        detector="<results>/<detector>/detector.h5",
        history="<results>/<detector>/history.parquet",
        predictions="<results>/<detector>/predictions.parquet",
    log:
        text="<logs>/<detector>.log",
        time="<logs>/<detector>.time.json",
    benchmark:
        "<benchmarks>/<detector>.jsonl"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=asked("mem_mb", detection_work),
        runtime=asked("runtime", detection_work),
        gpu=gpus,
    params:
        code=code_of("detector.py"),
        device=config["device"],
        threads=config["threads"],
        network=network_of,
        pool=lambda wildcards: experiment_of(wildcards)["similarity"]["pool"],
        detector=detector_of,
        method=lambda wildcards: METHODS[wildcards.form],
        zoo=lambda wildcards: params.detector_models(
            ZOOS[wildcards.experiment],
            evaluated_settings(wildcards.experiment)[wildcards.setting],
            setting=wildcards.setting,
            form=wildcards.form,
            seed=int(wildcards.seed),
        ),
    script:
        "../scripts/detector.py"


rule transfer:
    input:
        detector=lambda wildcards: paths.file_of(
            "detector",
            "detector.h5",
            experiment=wildcards.experiment,
            setting=wildcards.trained_on,
            form=paths.BOTH,
            seed=wildcards.seed,
        ),
        weights=lambda wildcards: PATHS[wildcards.experiment].weights(
            models_of(wildcards)
        ),
        features=lambda wildcards: PATHS[wildcards.experiment].features(
            models_of(wildcards)
        ),
        on_path=path_features_of,
    output:
        predictions="<results>/<transfer>/predictions.parquet",
    log:
        text="<logs>/<transfer>.log",
        time="<logs>/<transfer>.time.json",
    benchmark:
        "<benchmarks>/<transfer>.jsonl"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=asked("mem_mb", transfer_work),
        runtime=asked("runtime", transfer_work),
        gpu=gpus,
    params:
        code=code_of("transfer.py"),
        device=config["device"],
        threads=config["threads"],
        network=network_of,
        parents=lambda wildcards: {
            child.id: child.parent
            for child in ZOOS[wildcards.experiment].children(wildcards.setting)
        },
        candidates=candidates_of,
    script:
        "../scripts/transfer.py"
