import os

from snakemake.utils import validate

from lineage.auditing.direction import FILE
from lineage.families.plan import Plan

validate(config, workflow.source_path("../schemas/families.schema.yaml"))
PLAN = Plan(**config["families"])
ARCHITECTURES = [*PLAN.architectures, *config["trees"]["plain"]]
TREES = [
    f"{architecture}-{seed}"
    for architecture in ARCHITECTURES
    for seed in range(config["trees"]["seeds"])
]
"""Random trees, by architecture and seed."""


wildcard_constraints:
    group="|".join(PLAN.groups),
    architecture="|".join(ARCHITECTURES),
    width=r"\d+",
    seed=r"\d+",
    without="|".join(["none", *ARCHITECTURES]),


def of_size(wildcards):
    """The families of one architecture and width."""
    return PLAN.sizes[f"{wildcards.architecture}-{wildcards.width}"]


def grown(wildcards):
    """The folder that holds each of them."""
    return [
        f"results/families/{PLAN.group_of(family)}" for family in of_size(wildcards)
    ]


def tree_of(wildcards):
    """What a random tree is drawn from."""
    return {"architecture": wildcards.architecture, "seed": int(wildcards.seed)}


def cases_each(wildcards):
    """How many cases of each line a family is given."""
    cases = config["cases"]
    is_wide = int(wildcards.width) >= cases["wide_from"]
    return cases["of_wide" if is_wide else "each"]


def model_for(wildcards):
    """The model of direction for an architecture: fitted on the others, or the one of the package."""
    if config["model"] == "shipped":
        return os.path.relpath(FILE)
    return f"results/families/direction/{wildcards.architecture}.npz"


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
        code=lambda wildcards: code_of("grow.py"),
        device="cpu",
        threads=1,
        families=lambda wildcards: [
            vars(family) for family in PLAN.groups[wildcards.group]
        ],
    script:
        "../scripts/grow.py"


rule grow_random_tree:
    output:
        weights=directory("results/families/random_trees/{architecture}-{seed}"),
    log:
        text="results/logs/families/grow_random_tree/{architecture}-{seed}.log",
        time="results/logs/families/grow_random_tree/{architecture}-{seed}.time.json",
    benchmark:
        "results/benchmarks/families/grow_random_tree/{architecture}-{seed}.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        code=lambda wildcards: code_of("grow_random_tree.py"),
        device="cpu",
        threads=1,
        tree=tree_of,
    script:
        "../scripts/grow_random_tree.py"


rule family_features:
    input:
        weights=grown,
    output:
        features="results/families/features/{architecture}-{width}.parquet",
    log:
        text="results/logs/families/features/{architecture}-{width}.log",
        time="results/logs/families/features/{architecture}-{width}.time.json",
    benchmark:
        "results/benchmarks/families/features/{architecture}-{width}.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        code=lambda wildcards: code_of("family_features.py"),
        each=config["cases"]["of_model"],
        families=lambda wildcards: list(map(vars, of_size(wildcards))),
    script:
        "../scripts/family_features.py"


rule random_tree_features:
    input:
        weights=rules.grow_random_tree.output.weights,
    output:
        features="results/families/random_tree_features/{architecture}-{seed}.parquet",
    log:
        text="results/logs/families/random_tree_features/{architecture}-{seed}.log",
        time="results/logs/families/random_tree_features/{architecture}-{seed}.time.json",
    benchmark:
        "results/benchmarks/families/random_tree_features/{architecture}-{seed}.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        code=lambda wildcards: code_of("random_tree_features.py"),
        tree=tree_of,
    script:
        "../scripts/random_tree_features.py"


rule family_passages:
    input:
        weights=grown,
    output:
        passages="results/families/passages/{architecture}-{width}.parquet",
    log:
        text="results/logs/families/passages/{architecture}-{width}.log",
        time="results/logs/families/passages/{architecture}-{width}.time.json",
    benchmark:
        "results/benchmarks/families/passages/{architecture}-{width}.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        code=lambda wildcards: code_of("family_passages.py"),
        each=config["cases"]["of_model"],
        families=lambda wildcards: list(map(vars, of_size(wildcards))),
    script:
        "../scripts/family_passages.py"


rule direction:
    input:
        features=[
            *[f"results/families/features/{size}.parquet" for size in PLAN.sizes],
            *[
                f"results/families/random_tree_features/{tree}.parquet"
                for tree in TREES
            ],
        ],
        passages=[f"results/families/passages/{size}.parquet" for size in PLAN.sizes],
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
        code=lambda wildcards: code_of("direction.py"),
        error=config["error"],
        passage_error=config["passage_error"],
    script:
        "../scripts/direction.py"


rule family_verdicts:
    input:
        weights=grown,
        direction=model_for,
    output:
        verdicts="results/families/verdicts/{architecture}-{width}.parquet",
    log:
        text="results/logs/families/verdicts/{architecture}-{width}.log",
        time="results/logs/families/verdicts/{architecture}-{width}.time.json",
    benchmark:
        "results/benchmarks/families/verdicts/{architecture}-{width}.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        code=lambda wildcards: code_of("family_verdicts.py"),
        each=cases_each,
        families=lambda wildcards: list(map(vars, of_size(wildcards))),
    script:
        "../scripts/family_verdicts.py"


rule random_tree_verdicts:
    input:
        weights=rules.grow_random_tree.output.weights,
        direction=model_for,
    output:
        verdicts="results/families/random_tree_verdicts/{architecture}-{seed}.parquet",
    log:
        text="results/logs/families/random_tree_verdicts/{architecture}-{seed}.log",
        time="results/logs/families/random_tree_verdicts/{architecture}-{seed}.time.json",
    benchmark:
        "results/benchmarks/families/random_tree_verdicts/{architecture}-{seed}.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        code=lambda wildcards: code_of("random_tree_verdicts.py"),
        each=config["trees"]["each"],
        tree=tree_of,
    script:
        "../scripts/random_tree_verdicts.py"


rule bench_verdicts:
    input:
        verdicts=[
            *[
                f"results/families/verdicts/{size}.parquet"
                for size, families in PLAN.sizes.items()
                if families[0].width <= config["cases"]["widest"]
            ],
            *[
                f"results/families/random_tree_verdicts/{tree}.parquet"
                for tree in TREES
            ],
        ],
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
        code=lambda wildcards: code_of("bench_verdicts.py"),
    script:
        "../scripts/bench_verdicts.py"
