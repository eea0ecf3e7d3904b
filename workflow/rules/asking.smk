rule queries:
    input:
        data=lambda wildcards: data_files(experiment_of(wildcards).probe.data),
        weights=lambda wildcards: files_of(wildcards).weights(candidates_of(wildcards)),
    output:
        manifest="<results>/<queries>/manifest.json",
        queries="<results>/<queries>/queries.npz",
        candidates="<results>/<queries>/candidates.npz",
        pool="<results>/<queries>/pool.npz",
    log:
        text="<logs>/<queries>.log",
        time="<logs>/<queries>.time.json",
    benchmark:
        "<benchmarks>/<queries>.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=lambda wildcards: code_of("queries.py"),
        network=plain("network"),
        data=lambda wildcards: experiment_of(wildcards).probe.data.plain(),
        queries=lambda wildcards: experiment_of(wildcards).asking.queries,
        candidates=candidates_of,
    script:
        "../scripts/queries.py"


rule answers:
    input:
        **rules.queries.output,
        weights=lambda wildcards: files_of(wildcards).weights(
            params.models_of(zoo_of(wildcards), wildcards.setting)
        ),
    output:
        answers="<results>/<answers>/answers.parquet",
    log:
        text="<logs>/<answers>.log",
        time="<logs>/<answers>.time.json",
    benchmark:
        "<benchmarks>/<answers>.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=lambda wildcards: code_of("answers.py"),
        network=plain("network"),
        parents=lambda wildcards: evaluated_settings(wildcards.experiment)[
            wildcards.setting
        ].parents,
        among=lambda wildcards: asked_among(
            evaluated_settings(wildcards.experiment)[wildcards.setting]
        ),
        own_labels=lambda wildcards: params.with_own_labels(
            zoo_of(wildcards),
            wildcards.setting,
            evaluated_settings(wildcards.experiment)[wildcards.setting],
        ),
    script:
        "../scripts/answers.py"
