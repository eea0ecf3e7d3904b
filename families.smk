# `snakemake -s families.smk`: trains families of small networks whose ancestry is known, and measures verdicts on them.
from snakemake.utils import min_version

min_version("9.20")


configfile: "config/families.yaml"


include: "workflow/rules/mistakes.smk"
include: "workflow/rules/families.smk"


rule all:
    default_target: True
    input:
        expand(rules.grow.output.models, group=PLAN.groups),
    localrule: True
