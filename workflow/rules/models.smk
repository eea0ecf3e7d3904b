from lineage.experiment.config import weight_files


rule pretrain:
    input:
        data=lambda wildcards: data_files(experiment_of(wildcards).roots.data),
        start=lambda wildcards: stopping_on_mistakes(
            weight_files, zoo_of(wildcards).model(wildcards.root).recipe
        ),
    output:
        weights="<results>/<pretrain>/weights.h5",
        models="<results>/<pretrain>/models.parquet",
    log:
        text="<logs>/<pretrain>.log",
        time="<logs>/<pretrain>.time.json",
    benchmark:
        "<benchmarks>/<pretrain>.jsonl"
    conda:
        "../../environment.yml"
    threads: cores_to_train
    resources:
        mem_mb=asked("mem_mb", pretraining_work),
        runtime=asked("runtime", pretraining_work),
        gpu=gpus,
    params:
        script=script_of_root,
        code=lambda wildcards: code_of(script_of_root(wildcards)),
        device=config["device"],
        threads=config["threads"],
        reproducible=config["reproducible"],
        network=plain("network"),
        model=lambda wildcards: zoo_of(wildcards).model(wildcards.root).plain(),
    script:
        "../scripts/{params.script}"


rule finetune:
    input:
        data=lambda wildcards: data_files(
            experiment_of(wildcards).settings[wildcards.setting].data
        ),
        sources=lambda wildcards: files_of(wildcards).weights(
            params.sources_of(block_of(wildcards))
        ),
    output:
        weights="<results>/<finetune>/weights.h5",
        models="<results>/<finetune>/models.parquet",
    log:
        text="<logs>/<finetune>.log",
        time="<logs>/<finetune>.time.json",
    benchmark:
        "<benchmarks>/<finetune>.jsonl"
    conda:
        "../../environment.yml"
    threads: cores_to_train
    resources:
        mem_mb=asked("mem_mb", finetuning_work),
        runtime=asked("runtime", finetuning_work),
        gpu=gpus,
    params:
        code=lambda wildcards: code_of("finetune.py"),
        device=config["device"],
        threads=config["threads"],
        reproducible=config["reproducible"],
        network=plain("network"),
        children=lambda wildcards: [child.plain() for child in block_of(wildcards)],
    script:
        "../scripts/finetune.py"
