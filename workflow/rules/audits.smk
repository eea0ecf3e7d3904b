from lineage.auditing.direction import FILE


rule audits:
    input:
        weights=lambda wildcards: files_of(wildcards).weights(
            params.models_of(zoo_of(wildcards), wildcards.setting)
        ),
        direction=os.path.relpath(FILE),
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
        among=lambda wildcards: asked_among(
            evaluated_settings(wildcards.experiment)[wildcards.setting]
        ),
    script:
        "../scripts/audits.py"


rule family_tree:
    input:
        weights=lambda wildcards: files_of(wildcards).weights(
            params.models_of_tree(zoo_of(wildcards))
        ),
        direction=os.path.relpath(FILE),
    output:
        parents="<results>/<family_tree>/parents.parquet",
    log:
        text="<logs>/<family_tree>.log",
        time="<logs>/<family_tree>.time.json",
    benchmark:
        "<benchmarks>/<family_tree>.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        code=lambda wildcards: code_of("family_tree.py"),
        reproducible=config["reproducible"],
        models=lambda wildcards: params.models_of_tree(zoo_of(wildcards)),
    script:
        "../scripts/family_tree.py"
