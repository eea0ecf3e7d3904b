rule detector:
    input:
        weights=lambda wildcards: files_of(
            "weights", wildcards.experiment, models_of(wildcards)
        ),
        features=lambda wildcards: files_of(
            "features", wildcards.experiment, models_of(wildcards)
        ),
    output:
        detector="results/{experiment}/detector/{setting}/{seed}/detector.h5",
        history="results/{experiment}/detector/{setting}/{seed}/history.parquet",
        predictions="results/{experiment}/detector/{setting}/{seed}/predictions.parquet",
    log:
        text="results/logs/{experiment}/detector/{setting}/{seed}.log",
        time="results/logs/{experiment}/detector/{setting}/{seed}.time.json",
    benchmark:
        "results/benchmarks/{experiment}/detector/{setting}/{seed}.jsonl"
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
        detector=lambda wildcards: {"layers": []} | experiment_of(wildcards)["detector"],
        candidates=lambda wildcards: ZOOS[wildcards.experiment].candidates(
            wildcards.setting
        ),
        parent_of=lambda wildcards: zoo_of(wildcards.experiment)[wildcards.setting][
            "parents"
        ],
        parts=lambda wildcards: zoo_of(wildcards.experiment)[wildcards.setting][
            "splits"
        ][int(wildcards.seed)],
        seed=lambda wildcards: int(wildcards.seed),
    script:
        "../scripts/detector.py"
