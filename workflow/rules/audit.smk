import os
import re
from pathlib import Path

from snakemake.utils import validate

from lineage.auditing.direction import FILE
from lineage.auditing.report.bundle import TEMPLATE
from lineage.auditing.table import models_of, pairs_of

validate(config, workflow.source_path("../schemas/audit.schema.yaml"))
MODELS = {
    model.id: model for model in stopping_on_mistakes(models_of, Path(config["models"]))
}
CHILDREN = [model.id for model in MODELS.values() if model.role == "child"]


wildcard_constraints:
    model="|".join(map(re.escape, MODELS)),
    child="|".join(map(re.escape, CHILDREN)),


def row_of(model):
    """A model's row of the table, as params take it."""
    row = MODELS[model]
    return {
        "id": row.id,
        "path": row.path,
        "role": row.role,
        "claimed_parent": row.claimed_parent or "",
    }


def files_of(*models):
    """The files that hold these models; a missing one is no input, and the audits name it."""
    files = {MODELS[model].path.partition("::")[0] for model in models}
    return sorted(filter(os.path.exists, files))


def pairs_with(model):
    """The pairs of a row and the rows above it: ids of a child and a candidate."""
    return pairs_of(list(MODELS.values()), model)


def paths_of(model):
    """The files of a row and of those it is paired with, by id, in the table's order."""
    paired = {model, *(id for pair in pairs_with(model) for id in pair)}
    return {id: MODELS[id].path for id in MODELS if id in paired}


def rows_with(child):
    """The rows whose pairs hold this child: its own, and those of later candidates."""
    rows = list(MODELS)
    return [
        model
        for model in rows
        if model == child
        or MODELS[model].role != "child"
        and rows.index(model) > rows.index(child)
    ]


rule audit_pairs:
    input:
        models=lambda wildcards: files_of(*paths_of(wildcards.model)),
    output:
        pairs="results/audit/pairs/{model}.json",
    log:
        text="results/logs/audit/pairs/{model}.log",
        time="results/logs/audit/pairs/{model}.time.json",
    benchmark:
        "results/benchmarks/audit/pairs/{model}.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=lambda wildcards: code_of("audit_pairs.py"),
        paths=lambda wildcards: paths_of(wildcards.model),
        pairs=lambda wildcards: list(map(list, pairs_with(wildcards.model))),
    script:
        "../scripts/audit_pairs.py"


rule audit_child:
    input:
        child=lambda wildcards: files_of(wildcards.child),
        pairs=lambda wildcards: expand(
            rules.audit_pairs.output.pairs, model=rows_with(wildcards.child)
        ),
        direction=os.path.relpath(FILE),
    output:
        report="results/audit/children/{child}.json",
    log:
        text="results/logs/audit/children/{child}.log",
        time="results/logs/audit/children/{child}.time.json",
    benchmark:
        "results/benchmarks/audit/children/{child}.jsonl"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=lambda wildcards: code_of("audit_child.py"),
        alpha=config["alpha"],
        models=lambda wildcards: [
            row_of(model)
            for model in MODELS
            if MODELS[model].role != "child" or model == wildcards.child
        ],
    script:
        "../scripts/audit_child.py"


rule audit_page:
    input:
        report=rules.audit_child.output.report,
        template=os.path.relpath(TEMPLATE),
    output:
        page="results/audit/children/{child}.html",
    log:
        text="results/logs/audit/pages/{child}.log",
        time="results/logs/audit/pages/{child}.time.json",
    benchmark:
        "results/benchmarks/audit/pages/{child}.jsonl"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=lambda wildcards: code_of("audit_page.py"),
    script:
        "../scripts/audit_page.py"


rule audit_summary:
    input:
        reports=expand(rules.audit_child.output.report, child=CHILDREN),
    output:
        summary="results/audit/summary.tsv",
    log:
        text="results/logs/audit/summary.log",
        time="results/logs/audit/summary.time.json",
    benchmark:
        "results/benchmarks/audit/summary.jsonl"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=lambda wildcards: code_of("audit_summary.py"),
        alpha=config["alpha"],
    script:
        "../scripts/audit_summary.py"
