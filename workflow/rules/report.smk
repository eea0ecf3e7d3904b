rule evaluate:
    input:
        scores=lambda wildcards: [
            path
            for setting in ZOOS[wildcards.experiment].of_one_parent
            for path in blocks_of(
                rules.similarity.output.scores, wildcards.experiment, setting
            )
        ],
        predictions=lambda wildcards: predictions_of(wildcards.experiment),
        origins=lambda wildcards: (
            rules.evaluate_origins.output.results.format(
                experiment=wildcards.experiment
            )
            if ZOOS[wildcards.experiment].hybrids
            else []
        ),
    output:
        outcomes="results/{experiment}/outcomes.parquet",
        results="results/{experiment}/results.parquet",
        curves="results/{experiment}/curves.parquet",
        edges="results/{experiment}/edges.parquet",
    log:
        text="results/logs/{experiment}/evaluate.log",
        time="results/logs/{experiment}/evaluate.time.json",
    benchmark:
        "results/benchmarks/{experiment}/evaluate.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=asked("mem_mb", evaluation_work),
        runtime=asked("runtime", evaluation_work),
    params:
        code=code_of("evaluate.py"),
        settings=lambda wildcards: zoo_of(wildcards.experiment),
        generations=lambda wildcards: ZOOS[wildcards.experiment].generations,
    script:
        "../scripts/evaluate.py"


rule tables:
    input:
        results=expand(rules.evaluate.output.results, experiment=ZOOS),
        published=os.path.relpath(
            Path(workflow.basedir, "results", "reference", "published.parquet")
        ),
    output:
        markdown="results/tables/accuracy.md",
        csv="results/tables/accuracy.csv",
        latex="results/tables/accuracy.tex",
        conditions=multiext("results/tables/conditions", ".md", ".csv", ".tex"),
    log:
        text="results/logs/tables.log",
        time="results/logs/tables.time.json",
    benchmark:
        "results/benchmarks/tables.jsonl"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_of("tables.py"),
    script:
        "../scripts/tables.py"


rule alpha_figure:
    input:
        curves="results/{experiment}/curves.parquet",
    output:
        figure="results/figures/{experiment}/{setting}/alpha.svg",
    log:
        text="results/logs/{experiment}/figures/{setting}/alpha.log",
        time="results/logs/{experiment}/figures/{setting}/alpha.time.json",
    benchmark:
        "results/benchmarks/{experiment}/figures/{setting}/alpha.jsonl"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_of("alpha_figure.py"),
    script:
        "../scripts/alpha_figure.py"


rule figures:
    input:
        [
            f"results/figures/{experiment}/{setting}/alpha.svg"
            for experiment, zoo in ZOOS.items()
            for setting in zoo.of_one_parent
        ],
    localrule: True
