"""The state of jobs by `sacct`, from the accounting database."""

from .cluster import ACCOUNT, said
from .runs import DEFAULT, FEATURES, again, assert_as_on_the_laptop, jobs_of, run_to_the_end


def test_a_run_that_asks_sacct_equals_the_laptops_and_is_charged_to_the_account(
    accounting_cluster, laptop, finished
):
    arguments = again("root_features", FEATURES)
    if DEFAULT:
        finished.forget_the_run()
        arguments = []
    run_to_the_end(finished, "--slurm-status-command", "sacct", *arguments)
    jobs = jobs_of(finished)
    rows = said("sacct", "-nXP", "--format=JobIdRaw,State,Account,ReqTRES").splitlines()
    found = {row.split("|")[0]: row.split("|")[1:] for row in rows}
    assert jobs
    assert [job["Account"] for job in jobs] == [ACCOUNT] * len(jobs)
    for job in jobs:
        state, account, requested = found[job["JobId"]]
        assert (state, account) == ("COMPLETED", ACCOUNT)
        assert ("gres/gpu=1" in requested) == (job["Partition"] == "gpu")
    assert_as_on_the_laptop(finished, laptop)
