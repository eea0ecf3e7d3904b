# `snakemake -s families.smk`: trains families of small networks whose ancestry is known, and measures verdicts on them.
from pathlib import Path

from lineage.families.cases.shown import print_bench
from lineage.jobs.ending import end_when_asked
from snakemake.utils import min_version

min_version("9.20")


configfile: "config/families.yaml"


include: "workflow/rules/mistakes.smk"
include: "workflow/rules/families.smk"


rule all:
    default_target: True
    input:
        expand(rules.grow.output.models, group=PLAN.groups),
        rules.bench_verdicts.output,
    localrule: True


onstart:
    end_when_asked()


onsuccess:
    if (table := Path(rules.bench_verdicts.output.table)).exists():
        print_bench(table)
