"""A run with `align: true`: of children that nobody disguised, it changes no score of their parents."""

import pandas as pd
import pytest

pytestmark = pytest.mark.long


def test_an_aligned_run_has_the_parents_scores_of_one_that_is_not(finished):
    before = scores(finished)
    finished.configure(lambda experiment: [experiment[part].update(align=True) for part in PARTS])
    finished.run_to_the_end("--cores", "2", "--until", *PARTS)
    pd.testing.assert_frame_equal(scores(finished), before, rtol=1e-4, atol=1e-5)
    answers = pd.read_parquet(finished.results / "tiny/detector/full/both/0/predictions.parquet")
    assert answers["probability"].between(0, 1).all()


PARTS = ("similarity", "detector")


def scores(checkout) -> pd.DataFrame:
    """Of each child and its parent, from which its id begins."""
    files = sorted((checkout.results / "tiny/similarity/full").glob("*/*/scores.parquet"))
    rows = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    parents = [
        child.startswith(f"{parent}.") for child, parent in zip(rows["child"], rows["candidate"], strict=True)
    ]
    return rows[parents]
