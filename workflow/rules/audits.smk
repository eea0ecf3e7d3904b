rule audits:
    input:
        weights=lambda wildcards: files_of(wildcards).weights(
            params.models_of(zoo_of(wildcards), wildcards.setting)
        ),
    output:
        audits="<results>/<audits>/audits.parquet",
    log:
        text="<logs>/<audits>.log",
        time="<logs>/<audits>.time.json",
    benchmark:
        "<benchmarks>/<audits>.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=lambda wildcards: code_of("audits.py"),
        reproducible=config["reproducible"],
        parents=lambda wildcards: params.audited_parents(
            evaluated_settings(wildcards.experiment)[wildcards.setting]
        ),
        among=lambda wildcards: params.audited_among(
            evaluated_settings(wildcards.experiment)[wildcards.setting]
        ),
    script:
        "../scripts/audits.py"


rule grow_tree:
    input:
        weights=lambda wildcards: files_of(wildcards).weights(
            params.models_of_tree(zoo_of(wildcards))
        ),
    output:
        parents="<results>/<grow_tree>/parents.parquet",
    log:
        text="<logs>/<grow_tree>.log",
        time="<logs>/<grow_tree>.time.json",
    benchmark:
        "<benchmarks>/<grow_tree>.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        code=lambda wildcards: code_of("grow_tree.py"),
        reproducible=config["reproducible"],
        models=lambda wildcards: params.models_of_tree(zoo_of(wildcards)),
    script:
        "../scripts/grow_tree.py"
