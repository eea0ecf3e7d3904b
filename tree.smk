# `snakemake -s tree.smk`: the family tree of a folder or a table; a new model computes its own family alone.
from snakemake.utils import min_version

min_version("9.20")


configfile: "config/tree.yaml"


include: "workflow/rules/mistakes.smk"
include: "workflow/rules/tree.smk"


rule all:
    default_target: True
    input:
        rules.tree_result.output,
        rules.tree_page.output,
    localrule: True
