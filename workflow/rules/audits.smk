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
