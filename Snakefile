import sys
from pathlib import Path

from lineage.jobs.ending import end_when_asked
from lineage.jobs.lock import check_no_slurm_jobs
from lineage.results.summary import print_summary
from snakemake.utils import min_version

min_version("9.20")
CONFIG = "config/config.yaml"  # of the working folder, or else of the checkout


if not workflow.overwrite_configfiles:

    configfile: CONFIG if Path(CONFIG).exists() else str(Path(workflow.current_basedir, CONFIG))


include: "workflow/rules/mistakes.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/work.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/similarity.smk"
include: "workflow/rules/detector.smk"
include: "workflow/rules/blocks.smk"
include: "workflow/rules/audits.smk"
include: "workflow/rules/asking.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        rules.tables.output,
        rules.report.output,
        rules.figures.output,
    localrule: True


onstart:
    end_when_asked()
    stopping_on_mistakes(check_no_slurm_jobs, Path.cwd())
    for line in filter(None, map(trained_again, workflow.dag.needrun_jobs())):
        print(line, file=sys.stderr)


onsuccess:
    print_summary(Path(rules.tables.output.markdown).parents[1], jobs_of_run())
