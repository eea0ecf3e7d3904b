"""A run with `audit: true` and `tree: true`: both name parents, and stand in its results as methods."""

import pandas as pd
import pytest

pytestmark = pytest.mark.long


def test_audits_and_the_tree_of_a_run_name_no_wrong_parent_and_are_evaluated(finished):
    finished.configure(lambda experiment: experiment.update(audit=True, tree=True))
    finished.run_to_the_end("--cores", "2", "--until", "evaluate")
    outcomes = pd.read_parquet(finished.results / "tiny/outcomes.parquet")
    outcomes = outcomes[outcomes["condition"] == "all candidates"]
    for method in ("audit/closest", "audit/parent", "tree"):
        found = outcomes[outcomes["method"] == method]
        assert set(found["child"]) == set(outcomes["child"]), method
        assert not wrong(found["child"], found["predicted"]).any(), method
    closest = outcomes[outcomes["method"] == "audit/closest"]
    assert closest["predicted"].notna().all()
    tree = pd.read_parquet(finished.results / "tiny/tree/parents.parquet")
    assert not wrong(tree["child"], tree["parent"]).any()


def wrong(children: pd.Series, named: pd.Series) -> pd.Series:
    """Whose name does not begin with that of the model named, where one is: a child's id begins with its parent's."""
    pairs = zip(children, named, strict=True)
    return pd.Series(
        [isinstance(parent, str) and not child.startswith(f"{parent}.") for child, parent in pairs]
    )
