from lineage.results.methods import DETECTOR, DETECTORS, MIXED

METHODS = DETECTORS | {paths.UNSEEN_PARENTS: DETECTOR}


rule detector:
    input:
        weights=lambda wildcards: files_of(wildcards).weights(
            params.models_of(zoo_of(wildcards), wildcards.setting)
        ),
        features=lambda wildcards: files_of(wildcards).features(
            params.models_of(zoo_of(wildcards), wildcards.setting)
        ),
        on_path=lambda wildcards: files_of(wildcards).path_features(wildcards.setting),
    output:
        detector="<results>/<detector>/detector.h5",
        history="<results>/<detector>/history.parquet",
        predictions="<results>/<detector>/predictions.parquet",
    log:
        text="<logs>/<detector>.log",
        time="<logs>/<detector>.time.json",
    benchmark:
        "<benchmarks>/<detector>.jsonl"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=asked("mem_mb", detection_work),
        runtime=asked("runtime", detection_work),
        gpu=gpus,
    params:
        code=lambda wildcards: code_of("detector.py"),
        device=config["device"],
        threads=config["threads"],
        reproducible=config["reproducible"],
        network=plain("network"),
        pool=lambda wildcards: experiment_of(wildcards).similarity.pool,
        detector=lambda wildcards: detector_settings(wildcards).plain(),
        method=lambda wildcards: METHODS[wildcards.form],
        models=lambda wildcards: params.detector_models(
            zoo_of(wildcards),
            evaluated_settings(wildcards.experiment)[wildcards.setting],
            setting=wildcards.setting,
            form=wildcards.form,
            seed=int(wildcards.seed),
        ).plain(),
    script:
        "../scripts/detector.py"


rule mixed_detector:
    input:
        weights=lambda wildcards: files_of(wildcards).weights(
            mixed_of(wildcards).everyone
        ),
    output:
        predictions="<results>/<mixed_detector>/predictions.parquet",
    log:
        text="<logs>/<mixed_detector>.log",
        time="<logs>/<mixed_detector>.time.json",
    benchmark:
        "<benchmarks>/<mixed_detector>.jsonl"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=asked("mem_mb", mixed_detection_work),
        runtime=asked("runtime", mixed_detection_work),
    params:
        code=code_of("mixed_detector.py"),
        device="cpu",
        threads=config["threads"],
        reproducible=config["reproducible"],
        network=plain("network"),
        method=MIXED,
        layers=lambda wildcards: list(experiment_of(wildcards).detector.layers or ()),
        models=lambda wildcards: mixed_of(wildcards).plain(),
    script:
        "../scripts/mixed_detector.py"


rule transfer:
    input:
        detector=lambda wildcards: paths.file_of(
            "detector",
            "detector.h5",
            experiment=wildcards.experiment,
            setting=wildcards.trained_on,
            form=paths.BOTH,
            seed=wildcards.seed,
        ),
        weights=lambda wildcards: files_of(wildcards).weights(
            params.models_of(zoo_of(wildcards), wildcards.setting)
        ),
        features=lambda wildcards: files_of(wildcards).features(
            params.models_of(zoo_of(wildcards), wildcards.setting)
        ),
        on_path=lambda wildcards: files_of(wildcards).path_features(wildcards.setting),
    output:
        predictions="<results>/<transfer>/predictions.parquet",
    log:
        text="<logs>/<transfer>.log",
        time="<logs>/<transfer>.time.json",
    benchmark:
        "<benchmarks>/<transfer>.jsonl"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=asked("mem_mb", transfer_work),
        runtime=asked("runtime", transfer_work),
        gpu=gpus,
    params:
        code=lambda wildcards: code_of("transfer.py"),
        device=config["device"],
        threads=config["threads"],
        reproducible=config["reproducible"],
        network=plain("network"),
        parents=lambda wildcards: {
            child.id: child.parent
            for child in zoo_of(wildcards).children(wildcards.setting)
        },
        candidates=candidates_of,
    script:
        "../scripts/transfer.py"
