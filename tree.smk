# `snakemake -s tree.smk`: the family tree of a folder or a table; a new model computes its own family alone.
from lineage.jobs.ending import end_when_asked
from snakemake.utils import min_version

min_version("9.20")


configfile: "config/tree.yaml"


include: "workflow/rules/mistakes.smk"
include: "workflow/rules/tree.smk"


onstart:
    end_when_asked()


rule all:
    default_target: True
    input:
        rules.tree_result.output,
        rules.tree_page.output,
    localrule: True
