from snakemake.utils import validate

from lineage.families.plan import Plan

validate(config, workflow.source_path("../schemas/families.schema.yaml"))
PLAN = Plan(**config["families"])


wildcard_constraints:
    group="|".join(PLAN.groups),


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
