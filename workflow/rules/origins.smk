rule origins:
    input:
        data=lambda wildcards: data_files(probe_of(wildcards)["data"]),
        child_weights=lambda wildcards: files_of(
            "weights", wildcards.experiment, ids_of(block_of(wildcards))
        )[0],
        candidate_weights=lambda wildcards: files_of(
            "weights",
            wildcards.experiment,
            candidates_of(wildcards),
        ),
    output:
        scores="results/{experiment}/origins/{setting}/{parent}/{block}/scores.parquet",
    log:
        text="results/logs/{experiment}/origins/{setting}/{parent}/{block}.log",
        time="results/logs/{experiment}/origins/{setting}/{parent}/{block}.time.json",
    benchmark:
        "results/benchmarks/{experiment}/origins/{setting}/{parent}/{block}.jsonl"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=asked("mem_mb", tracing_work),
        runtime=asked("runtime", tracing_work),
        gpu=gpus,
    params:
        code=code_of("origins.py"),
        device=config["device"],
        threads=config["threads"],
        network=network_of,
        probe=probe_of,
        similarity=lambda wildcards: experiment_of(wildcards)["similarity"],
        children=lambda wildcards: ids_of(block_of(wildcards)),
        candidates=candidates_of,
    script:
        "../scripts/origins.py"


rule evaluate_origins:
    input:
        scores=lambda wildcards: [
            path
            for setting in ZOOS[wildcards.experiment].hybrids
            for path in blocks_of(
                rules.origins.output.scores, wildcards.experiment, setting
            )
        ],
    output:
        origins="results/{experiment}/origins.parquet",
        results="results/{experiment}/origins/results.parquet",
    log:
        text="results/logs/{experiment}/evaluate_origins.log",
        time="results/logs/{experiment}/evaluate_origins.time.json",
    benchmark:
        "results/benchmarks/{experiment}/evaluate_origins.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=asked("mem_mb", evaluation_work),
        runtime=asked("runtime", evaluation_work),
    params:
        code=code_of("evaluate_origins.py"),
        splits=lambda wildcards: splits_of_hybrids(wildcards.experiment),
    script:
        "../scripts/evaluate_origins.py"
