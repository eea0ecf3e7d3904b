rule origins:
    input:
        data=lambda wildcards: data_files(probe_of(wildcards)["data"]),
        child_weights=child_weights,
        candidate_weights=candidate_weights,
    output:
        scores="<results>/<origins>/scores.parquet",
    log:
        text="<logs>/<origins>.log",
        time="<logs>/<origins>.time.json",
    benchmark:
        "<benchmarks>/<origins>.jsonl"
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
            for path in PATHS[wildcards.experiment].blocks(
                "origins", "scores.parquet", setting
            )
        ],
    output:
        origins="<results>/{experiment}/origins.parquet",
        results="<results>/{experiment}/origins/results.parquet",
    log:
        text="<logs>/{experiment}/evaluate_origins.log",
        time="<logs>/{experiment}/evaluate_origins.time.json",
    benchmark:
        "<benchmarks>/{experiment}/evaluate_origins.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=asked("mem_mb", evaluation_work),
        runtime=asked("runtime", evaluation_work),
    params:
        code=code_of("evaluate_origins.py"),
        splits=lambda wildcards: params.hybrid_splits(
            ZOOS[wildcards.experiment], experiment_of(wildcards)["seeds"]
        ),
    script:
        "../scripts/evaluate_origins.py"
