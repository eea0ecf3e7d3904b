"""The workflow as a module of another workflow, with its results in a folder of that one's choice."""

import pytest
import yaml
from checkout import TINY, Checkout

USING = """
module lineage:
    snakefile:
        "{checkout}/Snakefile"
    config:
        config["lineage"]
    pathvars:
        results="elsewhere/lineage",


use rule * from lineage as lineage_*


rule everything:
    default_target: True
    input:
        rules.lineage_all.input,
"""
RULES = "pretrain finetune probe root_features features similarity detector evaluate summarise tables figures report"


@pytest.fixture
def snakemake(repository, tmp_path):
    """A command in another workflow's folder, which has the tiny experiment as a part of its configuration."""
    tmp_path.joinpath("Snakefile").write_text(USING.format(checkout=repository.folder))
    tmp_path.joinpath("config.yaml").write_text(yaml.safe_dump({"lineage": yaml.safe_load(TINY)}))
    path = str(repository.folder)

    def run(*arguments: str) -> str:
        command = ("env", f"PYTHONPATH={path}", "python", "-m", "snakemake", "--configfile", "config.yaml")
        code, output = Checkout(tmp_path).execute(*command, *arguments, timeout=120)
        assert code == 0, output
        return output

    return run


def test_a_module_plans_every_rule_with_its_results_elsewhere(snakemake):
    plan = snakemake("--dry-run")
    assert {f"lineage_{rule}" for rule in RULES.split()} <= set(plan.split())
    lines = [line.strip() for line in plan.splitlines()]
    outputs = [line for line in lines if line.startswith(("output:", "log:", "benchmark:"))]
    written = {path for line in outputs for path in line.partition(":")[2].replace(",", " ").split()}
    assert "elsewhere/lineage/tiny/results.parquet" in written
    assert [path for path in written if not path.startswith("elsewhere/lineage/")] == []


def test_a_module_trains_a_root_into_the_folder_of_the_workflow_that_uses_it(snakemake, tmp_path):
    snakemake("--cores", "1", "elsewhere/lineage/tiny/pretrain/p0/weights.h5")
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*") if path.is_file()}
    assert "elsewhere/lineage/tiny/pretrain/p0/weights.h5" in written
    assert "elsewhere/lineage/logs/tiny/pretrain/p0.log" in written
    assert not (tmp_path / "results").exists()
