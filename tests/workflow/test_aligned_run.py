"""A run with `align: true`: on children that nobody disguised, it changes no score."""

import pandas as pd
import pytest

pytestmark = pytest.mark.long


def test_an_aligned_run_has_the_scores_and_answers_of_one_that_is_not(finished):
    before = scores(finished)
    finished.configure(lambda experiment: [experiment[part].update(align=True) for part in PARTS])
    finished.run_to_the_end("--cores", "2")
    pd.testing.assert_frame_equal(scores(finished), before, rtol=1e-4, atol=1e-5)
    answers = pd.read_parquet(finished.results / "tiny/detector/full/both/0/predictions.parquet")
    assert answers["probability"].between(0, 1).all()


PARTS = ("similarity", "detector")


def scores(checkout) -> pd.DataFrame:
    files = sorted((checkout.results / "tiny/similarity/full").glob("*/*/scores.parquet"))
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
