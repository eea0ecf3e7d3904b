rule similarity:
    input:
        data=lambda wildcards: data_files(probe_of(wildcards)["data"]),
        child_weights=lambda wildcards: files_of(
            "weights", wildcards.experiment, ids_of(block_of(wildcards))
        )[0],
        child_features="results/{experiment}/features/{setting}/{parent}/{block}/features.h5",
        candidate_weights=lambda wildcards: files_of(
            "weights",
            wildcards.experiment,
            candidates_of(wildcards),
        ),
        candidate_features=lambda wildcards: files_of(
            "features",
            wildcards.experiment,
            candidates_of(wildcards),
        ),
    output:
        scores="results/{experiment}/similarity/{setting}/{parent}/{block}/scores.parquet",
    log:
        text="results/logs/{experiment}/similarity/{setting}/{parent}/{block}.log",
        time="results/logs/{experiment}/similarity/{setting}/{parent}/{block}.time.json",
    benchmark:
        "results/benchmarks/{experiment}/similarity/{setting}/{parent}/{block}.jsonl"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=asked("mem_mb", scoring_work),
        runtime=asked("runtime", scoring_work),
        gpu=gpus,
    params:
        code=code_of("similarity.py"),
        device=config["device"],
        threads=config["threads"],
        network=network_of,
        probe=probe_of,
        similarity=lambda wildcards: experiment_of(wildcards)["similarity"],
        children=lambda wildcards: ids_of(block_of(wildcards)),
        candidates=candidates_of,
    script:
        "../scripts/similarity.py"
