rule block_similarity:
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
        scores="results/{experiment}/block_similarity/{setting}/{parent}/{block}/scores.parquet",
    log:
        text="results/logs/{experiment}/block_similarity/{setting}/{parent}/{block}.log",
        time="results/logs/{experiment}/block_similarity/{setting}/{parent}/{block}.time.json",
    benchmark:
        "results/benchmarks/{experiment}/block_similarity/{setting}/{parent}/{block}.jsonl"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=asked("mem_mb", tracing_work),
        runtime=asked("runtime", tracing_work),
        gpu=gpus,
    params:
        code=code_of("block_similarity.py"),
        device=config["device"],
        threads=config["threads"],
        network=network_of,
        probe=probe_of,
        similarity=lambda wildcards: experiment_of(wildcards)["similarity"],
        children=lambda wildcards: ids_of(block_of(wildcards)),
        candidates=candidates_of,
    script:
        "../scripts/block_similarity.py"


rule evaluate_blocks:
    input:
        scores=lambda wildcards: [
            path
            for setting in ZOOS[wildcards.experiment].hybrids
            for path in blocks_of(
                rules.block_similarity.output.scores, wildcards.experiment, setting
            )
        ],
    output:
        sources="results/{experiment}/block_sources.parquet",
        results="results/{experiment}/block_sources/results.parquet",
    log:
        text="results/logs/{experiment}/evaluate_blocks.log",
        time="results/logs/{experiment}/evaluate_blocks.time.json",
    benchmark:
        "results/benchmarks/{experiment}/evaluate_blocks.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=asked("mem_mb", evaluation_work),
        runtime=asked("runtime", evaluation_work),
    params:
        code=code_of("evaluate_blocks.py"),
        splits=lambda wildcards: splits_of_hybrids(wildcards.experiment),
    script:
        "../scripts/evaluate_blocks.py"
