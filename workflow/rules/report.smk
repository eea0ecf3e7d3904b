import lineage.report
from lineage.results.tables import PUBLISHED_NUMBERS

PUBLISHED = os.path.relpath(PUBLISHED_NUMBERS)
TABLES_OF_REPORT = [
    f"<results>/{experiment}/{table}.parquet"
    for experiment in ZOOS
    for table in "results outcomes curves pairs history calibration stages run".split()
]


rule evaluate:
    input:
        scores=lambda wildcards: [
            path
            for setting in zoo_of(wildcards).of_one_parent
            for path in files_of(wildcards).blocks(
                "similarity", "scores.parquet", setting
            )
        ],
        predictions=lambda wildcards: files_of(wildcards).predictions(),
        audits=lambda wildcards: files_of(wildcards).audits(),
        tree=lambda wildcards: files_of(wildcards).tree(),
        answers=lambda wildcards: files_of(wildcards).answers(),
        blocks=lambda wildcards: [
            rules.evaluate_blocks.output.results.format(
                experiment=wildcards.experiment
            )
        ]
        * bool(zoo_of(wildcards).hybrids),
    output:
        outcomes="<results>/{experiment}/outcomes.parquet",
        results="<results>/{experiment}/results.parquet",
        curves="<results>/{experiment}/curves.parquet",
        edges="<results>/{experiment}/edges.parquet",
    log:
        text="<logs>/{experiment}/evaluate.log",
        time="<logs>/{experiment}/evaluate.time.json",
    benchmark:
        "<benchmarks>/{experiment}/evaluate.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=asked("mem_mb", evaluation_work),
        runtime=asked("runtime", evaluation_work),
    params:
        code=lambda wildcards: code_of("evaluate.py"),
        settings=lambda wildcards: {
            setting: models.plain()
            for setting, models in evaluated_settings(wildcards.experiment).items()
        },
        generations=lambda wildcards: zoo_of(wildcards).generations,
    script:
        "../scripts/evaluate.py"


rule summarise:
    input:
        outcomes=rules.evaluate.output.outcomes,
        scores=rules.evaluate.input.scores,
        predictions=rules.evaluate.input.predictions,
        histories=lambda wildcards: files_of(wildcards).detectors("history.parquet"),
    output:
        pairs="<results>/{experiment}/pairs.parquet",
        history="<results>/{experiment}/history.parquet",
        calibration="<results>/{experiment}/calibration.parquet",
        stages="<results>/{experiment}/stages.parquet",
        run="<results>/{experiment}/run.parquet",
    log:
        text="<logs>/{experiment}/summarise.log",
        time="<logs>/{experiment}/summarise.time.json",
    benchmark:
        "<benchmarks>/{experiment}/summarise.jsonl"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=asked("mem_mb", evaluation_work),
        runtime=asked("runtime", evaluation_work),
    params:
        code=lambda wildcards: code_of("summarise.py"),
        configuration=lambda wildcards: experiment_of(wildcards).plain(),
    script:
        "../scripts/summarise.py"


rule tables:
    input:
        results=expand(rules.evaluate.output.results, experiment=ZOOS),
        published=PUBLISHED,
    output:
        markdown="<results>/tables/accuracy.md",
        csv=report(
            "<results>/tables/accuracy.csv",
            caption="../report/accuracy.rst",
            category="Tables",
            labels={"table": "accuracy"},
        ),
        latex="<results>/tables/accuracy.tex",
        conditions=multiext("<results>/tables/conditions", ".md", ".tex"),
        conditions_csv=report(
            "<results>/tables/conditions.csv",
            caption="../report/conditions.rst",
            category="Tables",
            labels={"table": "other conditions"},
        ),
    log:
        text="<logs>/tables.log",
        time="<logs>/tables.time.json",
    benchmark:
        "<benchmarks>/tables.jsonl"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=lambda wildcards: code_of("tables.py"),
    script:
        "../scripts/tables.py"


rule report:
    input:
        tables=TABLES_OF_REPORT,
        published=PUBLISHED,
        parts=[
            os.path.relpath(path)
            for path in sorted(Path(lineage.report.__file__).parent.iterdir())
            if path.suffix in {".css", ".j2", ".js"}
        ],
    output:
        page=report(
            "<results>/report.html",
            caption="../report/page.rst",
            category="Report",
            labels={"page": "all results"},
        ),
    log:
        text="<logs>/report.log",
        time="<logs>/report.time.json",
    benchmark:
        "<benchmarks>/report.jsonl"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=lambda wildcards: code_of("report.py"),
    script:
        "../scripts/report.py"


rule figures:
    input:
        tables=TABLES_OF_REPORT,
        published=PUBLISHED,
    output:
        folder=report(
            directory("<results>/figures"),
            patterns=["{name}.svg"],
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{name}"},
        ),
    log:
        text="<logs>/figures.log",
        time="<logs>/figures.time.json",
    benchmark:
        "<benchmarks>/figures.jsonl"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=lambda wildcards: code_of("figures.py"),
    script:
        "../scripts/figures.py"
