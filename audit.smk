# `snakemake -s audit.smk`: audits every child of a table of models; a new row computes its own pairs alone.
from lineage.jobs.ending import end_when_asked
from snakemake.utils import min_version

min_version("9.20")


configfile: "config/audit.yaml"


include: "workflow/rules/mistakes.smk"
include: "workflow/rules/audit.smk"


rule all:
    default_target: True
    input:
        rules.audit_summary.output,
        expand(rules.audit_page.output, child=CHILDREN),
    localrule: True


onstart:
    end_when_asked()
