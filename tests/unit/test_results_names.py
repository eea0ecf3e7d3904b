"""Numbers in the names of conditions, experiments and models."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.experiment.conditions import STANDARD, with_count
from lineage.results.names import in_numbers, number_in, without_probe


@given(st.integers(0, 10**6), st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True))
def test_names_give_back_the_number_they_were_made_with(number, base):
    assert number_in(with_count(number), "candidates") == number
    assert number_in(f"gap {number}", "gap") == number
    assert number_in(f"{base}-probe-{number}", "probe") == number
    assert without_probe(f"{base}-probe-{number}") == base


@pytest.mark.parametrize(
    "name", [STANDARD, "parent absent", "unseen parents", "ancestor in full", "fc-probe-", "7"]
)
def test_other_names_carry_no_number(name):
    assert {number_in(name, kind) for kind in ("candidates", "gap", "probe")} == {None}
    assert without_probe(name) == name


def test_names_sort_by_their_numbers_also_beside_digits_that_are_no_decimals():
    assert sorted(["p10", "²", "p9", "p9²", "p9.1"], key=in_numbers) == ["p9", "p9.1", "p9²", "p10", "²"]
