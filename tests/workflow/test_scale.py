"""A plan of 7,500 children is understood in seconds."""

import resource

from bench.batches import dry_run


def test_a_plan_of_3_experiments_10_parents_50_children_and_5_settings_takes_less_than_10_seconds():
    """Of this machine's processor, whatever else runs on it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    jobs, _ = dry_run(block_size=50)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert jobs == 544
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10
