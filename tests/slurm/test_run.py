"""A whole run on SLURM equals the laptop's, and SLURM was asked for what rules and profile say.

LINEAGE_SLURM_CONFIG=default: of the experiment in config/config.yaml. By hand, in half an hour:

    LINEAGE_SLURM_CONFIG=default python -m pytest tests/slurm -s
"""

import json
import shutil

import pytest
from checkout import Checkout

from .runs import assert_as_on_the_laptop, jobs_of, run_to_the_end

ON_GPU = {"pretrain", "finetune", "features", "root_features", "similarity", "detector"}


@pytest.fixture(scope="module")
def completed(cluster, laptop, shared):
    """A run on SLURM from nothing to the end, and its jobs by benchmark file."""
    checkout = Checkout(shared / "completed")
    shutil.copytree(laptop.folder, checkout.folder, symlinks=True)
    checkout.forget_the_run()
    run_to_the_end(checkout)
    return checkout


@pytest.fixture(scope="module")
def asked(completed):
    """What SLURM was asked for, beside what the job's own record says that its rule asked for."""

    def words(*texts: str) -> tuple[str, ...]:
        return tuple(sorted("_".join(texts).split("_")))

    records = {}
    for path in completed.results.glob("benchmarks/**/*.jsonl"):
        record = json.loads(path.read_text())
        records[words("rule", record["rule_name"], "wildcards", *record["wildcards"].values())] = record
    return [(job, records[words(job["Comment"])]) for job in jobs_of(completed)]


def test_every_artifact_equals_the_laptops_and_nothing_is_left_to_do(completed, laptop):
    assert_as_on_the_laptop(completed, laptop)


def test_each_job_ran_once(completed):
    jobs = jobs_of(completed, "COMPLETED")
    assert jobs == jobs_of(completed)
    assert len(jobs) == len({job["Comment"] for job in jobs}) > 0


def test_memory_and_time_are_those_of_the_rules(asked):
    for job, record in asked:
        assert job["MinMemoryNode"] == f"{record['resources']['mem_mb']}M"
        hours, minutes, seconds = map(int, job["TimeLimit"].split(":"))
        assert (60 * hours + minutes, seconds) == (record["resources"]["runtime"], 0)
        assert int(job["CPUs/Task"]) == record["threads"]


def test_gpu_jobs_ask_for_one_gpu_in_the_gpu_partition_and_others_for_none(asked):
    rules = {record["rule_name"] for _, record in asked}
    assert rules == ON_GPU | {"probe", "evaluate"}
    for job, record in asked:
        if record["rule_name"] in ON_GPU:
            assert (job["TresPerJob"], job["Partition"]) == ("gres:gpu:1", "gpu")
        else:
            assert ("TresPerJob" in job, job["Partition"]) == (False, "cpu")


def test_a_gpu_job_on_a_node_without_a_gpu_says_in_one_line_that_it_goes_on_without(completed):
    logs = [path.read_text().splitlines() for path in completed.results.glob("logs/*/pretrain/*.log")]
    assert {sum("asked for a GPU, but PyTorch sees none" in line for line in log) for log in logs} == {1}


def test_no_job_computes_on_more_cores_than_its_threads(asked):
    for _, record in asked:
        assert record["mean_load"] <= 110 * record["threads"]
