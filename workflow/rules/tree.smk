import os
from dataclasses import asdict
from pathlib import Path

from snakemake.utils import validate

from lineage.auditing.direction import FILE
from lineage.auditing.report.passed_over import by_reason
from lineage.genealogy.page.write import PARTS
from lineage.genealogy.run import rows_of
from lineage.genealogy.steps.batches import batches_of, row_of
from lineage.genealogy.steps.families import read_families

validate(config, workflow.source_path("../schemas/tree.schema.yaml"))
FOUND = stopping_on_mistakes(rows_of, config["models"])
SOURCES = FOUND.given
BATCHES = batches_of(SOURCES, config["batches"])


wildcard_constraints:
    batch=r"\d+",
    family=r"[A-Za-z0-9-]+",


def files_of(sources):
    """The files that hold these models; a missing one is no input, and the tree names it."""
    files = {source.path.partition("::")[0] for source in sources}
    return sorted(filter(os.path.exists, files))


def families():
    """The families, as soon as they are known."""
    return read_families(Path(checkpoints.tree_families.get().output.families))


def sources_in(family):
    """The models of a family, each named alone."""
    return [member.source for member in families().members[family]]


def unclaimed(sources):
    """The rows of steps in which claimed parents change nothing."""
    return [row_of(source, with_claim=False) for source in sources]


rule tree_sketches:
    input:
        models=lambda wildcards: files_of(BATCHES[wildcards.batch]),
    output:
        models="results/tree/sketches/{batch}.safetensors",
    log:
        text="results/logs/tree/sketches/{batch}.log",
        time="results/logs/tree/sketches/{batch}.time.json",
    benchmark:
        "results/benchmarks/tree/sketches/{batch}.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=lambda wildcards: code_of("tree_sketches.py"),
        sources=lambda wildcards: unclaimed(BATCHES[wildcards.batch]),
    script:
        "../scripts/tree_sketches.py"


checkpoint tree_families:
    input:
        models=expand(rules.tree_sketches.output.models, batch=BATCHES),
    output:
        families="results/tree/families.json",
    log:
        text="results/logs/tree/families.log",
        time="results/logs/tree/families.time.json",
    benchmark:
        "results/benchmarks/tree/families.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=lambda wildcards: code_of("tree_families.py"),
        alpha=config["alpha"],
    script:
        "../scripts/tree_families.py"


rule tree_family:
    input:
        models=lambda wildcards: files_of(sources_in(wildcards.family)),
        direction=os.path.relpath(FILE),
    output:
        tree="results/tree/families/{family}.json",
    log:
        text="results/logs/tree/families/{family}.log",
        time="results/logs/tree/families/{family}.time.json",
    benchmark:
        "results/benchmarks/tree/families/{family}.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        code=lambda wildcards: code_of("tree_family.py"),
        sources=lambda wildcards: unclaimed(sources_in(wildcards.family)),
    script:
        "../scripts/tree_family.py"


rule tree_result:
    input:
        families=rules.tree_families.output.families,
        trees=lambda wildcards: expand(
            rules.tree_family.output.tree, family=families().large
        ),
    output:
        tree="results/tree/tree.json",
        graphml="results/tree/tree.graphml",
        dot="results/tree/tree.dot",
        nodes="results/tree/nodes.parquet",
        edges="results/tree/edges.parquet",
    log:
        text="results/logs/tree/result.log",
        time="results/logs/tree/result.time.json",
    benchmark:
        "results/benchmarks/tree/result.jsonl"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=lambda wildcards: code_of("tree_result.py"),
        given=config["models"],
        alpha=config["alpha"],
        sources=list(map(row_of, SOURCES)),
        passed_over=list(map(asdict, by_reason(FOUND.passed_over))),
    script:
        "../scripts/tree_result.py"


rule tree_page:
    input:
        tree=rules.tree_result.output.tree,
        parts=list(map(os.path.relpath, PARTS)),
    output:
        page="results/tree/tree.html",
    log:
        text="results/logs/tree/page.log",
        time="results/logs/tree/page.time.json",
    benchmark:
        "results/benchmarks/tree/page.jsonl"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=lambda wildcards: code_of("tree_page.py"),
    script:
        "../scripts/tree_page.py"
