rule detector:
    input:
        weights=lambda wildcards: files_of(
            "weights", wildcards.experiment, models_of(wildcards)
        ),
        features=lambda wildcards: files_of(
            "features", wildcards.experiment, models_of(wildcards)
        ),
        on_path=path_features_of,
    output:
        detector="results/{experiment}/detector/{setting}/{form}/{seed}/detector.h5",
        history="results/{experiment}/detector/{setting}/{form}/{seed}/history.parquet",
        predictions="results/{experiment}/detector/{setting}/{form}/{seed}/predictions.parquet",
    log:
        text="results/logs/{experiment}/detector/{setting}/{form}/{seed}.log",
        time="results/logs/{experiment}/detector/{setting}/{form}/{seed}.time.json",
    benchmark:
        "results/benchmarks/{experiment}/detector/{setting}/{form}/{seed}.jsonl"
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
        zoo=detectors_zoo,
    script:
        "../scripts/detector.py"


rule transfer:
    input:
        detector=lambda wildcards: rules.detector.output.detector.format(
            experiment=wildcards.experiment,
            setting=wildcards.other,
            form="both",
            seed=wildcards.seed,
        ),
        weights=lambda wildcards: files_of(
            "weights", wildcards.experiment, models_of(wildcards)
        ),
        features=lambda wildcards: files_of(
            "features", wildcards.experiment, models_of(wildcards)
        ),
        on_path=path_features_of,
    output:
        predictions="results/{experiment}/transfer/{setting}/{other}/{seed}/predictions.parquet",
    log:
        text="results/logs/{experiment}/transfer/{setting}/{other}/{seed}.log",
        time="results/logs/{experiment}/transfer/{setting}/{other}/{seed}.time.json",
    benchmark:
        "results/benchmarks/{experiment}/transfer/{setting}/{other}/{seed}.jsonl"
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
        parents=lambda wildcards: zoo_of(wildcards.experiment)[wildcards.setting][
            "parents"
        ],
        candidates=candidates_of,
    script:
        "../scripts/transfer.py"
