rule similarity:
    input:
        probe="<results>/{experiment}/probe.h5",
        child_weights=child_weights,
        child_features="<results>/<features>/features.h5",
        candidate_weights=candidate_weights,
        candidate_features=lambda wildcards: files_of(wildcards).features(
            compared_with(wildcards)
        ),
    output:
        scores="<results>/<similarity>/scores.parquet",
    log:
        text="<logs>/<similarity>.log",
        time="<logs>/<similarity>.time.json",
    benchmark:
        "<benchmarks>/<similarity>.jsonl"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=asked("mem_mb", scoring_work),
        runtime=asked("runtime", scoring_work),
        gpu=gpus,
    params:
        script=script_of_scores,
        code=lambda wildcards: code_of(script_of_scores(wildcards)),
        device=config["device"],
        threads=config["threads"],
        reproducible=config["reproducible"],
        network=plain("network"),
        similarity=plain("similarity"),
        children=lambda wildcards: ids_of(block_of(wildcards)),
        candidates=compared_with,
    script:
        "../scripts/{params.script}"
