rule pretrain:
    input:
        data=lambda wildcards: data_files(experiment_of(wildcards)["roots"]["data"]),
        start=lambda wildcards: stopping_on_mistakes(
            weight_files, root_of(wildcards)["recipe"]
        ),
    output:
        weights="results/{experiment}/pretrain/{root}/weights.h5",
        models="results/{experiment}/pretrain/{root}/models.parquet",
    log:
        text="results/logs/{experiment}/pretrain/{root}.log",
        time="results/logs/{experiment}/pretrain/{root}.time.json",
    benchmark:
        "results/benchmarks/{experiment}/pretrain/{root}.jsonl"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=asked("mem_mb", pretraining_work),
        runtime=asked("runtime", pretraining_work),
        gpu=gpus,
    params:
        code=code_of("pretrain.py"),
        device=config["device"],
        threads=config["threads"],
        network=network_of,
        model=root_of,
    script:
        "../scripts/pretrain.py"


rule finetune:
    input:
        data=lambda wildcards: data_files(
            experiment_of(wildcards)["settings"][wildcards.setting]["data"]
        ),
        sources=lambda wildcards: files_of(
            "weights", wildcards.experiment, sources_of(wildcards)
        ),
    output:
        weights="results/{experiment}/finetune/{setting}/{parent}/{block}/weights.h5",
        models="results/{experiment}/finetune/{setting}/{parent}/{block}/models.parquet",
    log:
        text="results/logs/{experiment}/finetune/{setting}/{parent}/{block}.log",
        time="results/logs/{experiment}/finetune/{setting}/{parent}/{block}.time.json",
    benchmark:
        "results/benchmarks/{experiment}/finetune/{setting}/{parent}/{block}.jsonl"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=asked("mem_mb", finetuning_work),
        runtime=asked("runtime", finetuning_work),
        gpu=gpus,
    params:
        code=code_of("finetune.py"),
        device=config["device"],
        threads=config["threads"],
        network=network_of,
        children=lambda wildcards: [asdict(child) for child in block_of(wildcards)],
    script:
        "../scripts/finetune.py"
