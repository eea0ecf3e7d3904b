from snakemake.utils import validate

from lineage.families.plan import Plan

validate(config, workflow.source_path("../schemas/families.schema.yaml"))
PLAN = Plan(**config["families"])


wildcard_constraints:
    group="|".join(PLAN.groups),
    size="|".join(PLAN.sizes),
    without="|".join(["none", *PLAN.architectures]),


def grown(wildcards):
    """The folders of weights of each family of one architecture and width."""
    return [
        f"results/families/{PLAN.group_of(family)}"
        for family in PLAN.sizes[wildcards.size]
    ]


rule grow:
    output:
        weights=directory("results/families/{group}"),
        models="results/families/tables/{group}.parquet",
    log:
        text="results/logs/families/grow/{group}.log",
        time="results/logs/families/grow/{group}.time.json",
    benchmark:
        "results/benchmarks/families/grow/{group}.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        code=code_of("grow.py"),
        device="cpu",
        threads=1,
        families=lambda wildcards: [
            vars(family) for family in PLAN.groups[wildcards.group]
        ],
    script:
        "../scripts/grow.py"


rule family_features:
    input:
        weights=grown,
    output:
        features="results/families/features/{size}.parquet",
    log:
        text="results/logs/families/features/{size}.log",
        time="results/logs/families/features/{size}.time.json",
    benchmark:
        "results/benchmarks/families/features/{size}.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        code=code_of("family_features.py"),
        each=config["cases"],
        families=lambda wildcards: [
            vars(family) for family in PLAN.sizes[wildcards.size]
        ],
    script:
        "../scripts/family_features.py"


rule direction:
    input:
        features=expand(rules.family_features.output.features, size=PLAN.sizes),
    output:
        model="results/families/direction/{without}.npz",
    log:
        text="results/logs/families/direction/{without}.log",
        time="results/logs/families/direction/{without}.time.json",
    benchmark:
        "results/benchmarks/families/direction/{without}.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        code=code_of("direction.py"),
        error=config["error"],
    script:
        "../scripts/direction.py"


rule family_verdicts:
    input:
        weights=grown,
        direction=lambda wildcards: expand(
            rules.direction.output.model,
            without=PLAN.sizes[wildcards.size][0].architecture,
        ),
    output:
        verdicts="results/families/verdicts/{size}.parquet",
    log:
        text="results/logs/families/verdicts/{size}.log",
        time="results/logs/families/verdicts/{size}.time.json",
    benchmark:
        "results/benchmarks/families/verdicts/{size}.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        code=code_of("family_verdicts.py"),
        each=config["cases"],
        families=lambda wildcards: [
            vars(family) for family in PLAN.sizes[wildcards.size]
        ],
    script:
        "../scripts/family_verdicts.py"


rule bench_verdicts:
    input:
        verdicts=expand(rules.family_verdicts.output.verdicts, size=PLAN.sizes),
    output:
        table="results/families/verdicts.parquet",
    log:
        text="results/logs/families/bench_verdicts.log",
        time="results/logs/families/bench_verdicts.time.json",
    benchmark:
        "results/benchmarks/families/bench_verdicts.jsonl"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_of("bench_verdicts.py"),
    script:
        "../scripts/bench_verdicts.py"
