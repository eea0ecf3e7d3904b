rule probe:
    input:
        data=lambda wildcards: data_files(experiment_of(wildcards).probe.data),
    output:
        probe="<results>/{experiment}/probe.h5",
    log:
        text="<logs>/{experiment}/probe.log",
        time="<logs>/{experiment}/probe.time.json",
    benchmark:
        "<benchmarks>/{experiment}/probe.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=asked("mem_mb", reading_work),
        runtime=asked("runtime", reading_work),
    params:
        code=lambda wildcards: code_of("probe.py"),
        network=plain("network"),
        probe=plain("probe"),
    script:
        "../scripts/probe.py"


rule features:
    input:
        probe="<results>/{experiment}/probe.h5",
        weights=lambda wildcards: [child_weights(wildcards)],
    output:
        features="<results>/<features>/features.h5",
    log:
        text="<logs>/<features>.log",
        time="<logs>/<features>.time.json",
    benchmark:
        "<benchmarks>/<features>.jsonl"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=asked("mem_mb", extraction_work),
        runtime=asked("runtime", extraction_work),
        gpu=gpus,
    params:
        code=lambda wildcards: code_of("features.py"),
        device=config["device"],
        threads=config["threads"],
        reproducible=config["reproducible"],
        network=plain("network"),
        layers=lambda wildcards: list(experiment_of(wildcards).similarity.layers or ()),
        pool=lambda wildcards: experiment_of(wildcards).similarity.pool,
        models=lambda wildcards: ids_of(block_of(wildcards)),
    script:
        "../scripts/features.py"


use rule features as root_features with:
    input:
        probe="<results>/{experiment}/probe.h5",
        weights=lambda wildcards: files_of(wildcards).weights(
            ids_of(zoo_of(wildcards).roots)
        ),
    output:
        features="<results>/<root_features>/features.h5",
    log:
        text="<logs>/<root_features>.log",
        time="<logs>/<root_features>.time.json",
    benchmark:
        "<benchmarks>/<root_features>.jsonl"
    params:
        models=lambda wildcards: ids_of(zoo_of(wildcards).roots),


rule path_features:
    input:
        probe="<results>/{experiment}/probe.h5",
        weights=lambda wildcards: files_of(wildcards).weights(
            [*ids_of(block_of(wildcards)), *compared_with(wildcards)]
        ),
    output:
        features="<results>/<path_features>/features.h5",
    log:
        text="<logs>/<path_features>.log",
        time="<logs>/<path_features>.time.json",
    benchmark:
        "<benchmarks>/<path_features>.jsonl"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=asked("mem_mb", path_work),
        runtime=asked("runtime", path_work),
        gpu=gpus,
    params:
        script=script_of_path,
        code=lambda wildcards: code_of(script_of_path(wildcards)),
        device=config["device"],
        threads=config["threads"],
        reproducible=config["reproducible"],
        network=plain("network"),
        tapping=lambda wildcards: experiment_of(wildcards).similarity.tapping.plain(),
        alpha=lambda wildcards: experiment_of(wildcards).detector.alpha,
        children=lambda wildcards: ids_of(block_of(wildcards)),
        candidates=compared_with,
    script:
        "../scripts/{params.script}"
