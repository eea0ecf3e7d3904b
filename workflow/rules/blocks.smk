rule block_similarity:
    input:
        probe="<results>/{experiment}/probe.h5",
        child_weights=child_weights,
        candidate_weights=candidate_weights,
    output:
        scores="<results>/<block_similarity>/scores.parquet",
    log:
        text="<logs>/<block_similarity>.log",
        time="<logs>/<block_similarity>.time.json",
    benchmark:
        "<benchmarks>/<block_similarity>.jsonl"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=asked("mem_mb", tracing_work),
        runtime=asked("runtime", tracing_work),
        gpu=gpus,
    params:
        code=lambda wildcards: code_of("block_similarity.py"),
        device=config["device"],
        threads=config["threads"],
        reproducible=config["reproducible"],
        network=plain("network"),
        similarity=plain("similarity"),
        children=lambda wildcards: ids_of(block_of(wildcards)),
        candidates=candidates_of,
    script:
        "../scripts/block_similarity.py"


rule evaluate_blocks:
    input:
        scores=lambda wildcards: [
            path
            for setting in zoo_of(wildcards).hybrids
            for path in files_of(wildcards).blocks(
                "block_similarity", "scores.parquet", setting
            )
        ],
    output:
        sources="<results>/{experiment}/block_sources.parquet",
        results="<results>/{experiment}/block_sources/results.parquet",
    log:
        text="<logs>/{experiment}/evaluate_blocks.log",
        time="<logs>/{experiment}/evaluate_blocks.time.json",
    benchmark:
        "<benchmarks>/{experiment}/evaluate_blocks.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=asked("mem_mb", evaluation_work),
        runtime=asked("runtime", evaluation_work),
    params:
        code=lambda wildcards: code_of("evaluate_blocks.py"),
        splits=lambda wildcards: params.hybrid_splits(
            zoo_of(wildcards), experiment_of(wildcards).seeds
        ),
    script:
        "../scripts/evaluate_blocks.py"
