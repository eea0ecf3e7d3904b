"""Tables that read back as written, byte for byte the same from the same rows."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lineage.errors import UserError
from lineage.storage.parquet import read_table, write_table

SCHEMA = pa.schema(
    [("name", pa.string()), ("number", pa.int32()), ("value", pa.float64()), ("note", pa.string())]
)
KEYS = ["name", "number"]
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.text("abc", max_size=3),
            "number": st.integers(0, 5),
            "value": st.floats(allow_nan=False),
            "note": st.none() | st.text(max_size=5),
        }
    ),
    unique_by=lambda row: (row["name"], row["number"]),
    min_size=1,
    max_size=12,
)


def row(number: int) -> dict:
    return {"name": "a", "number": number, "value": number / 3, "note": None}


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.parquet"
    write_table(path, [row(1), row(2)], SCHEMA, KEYS)
    return path


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_rows_read_back_sorted_and_exact(tmp_path, rows):
    write_table(tmp_path / "t.parquet", rows, SCHEMA, KEYS)
    read = pq.read_table(tmp_path / "t.parquet").to_pylist()
    assert read == sorted(rows, key=lambda row: (row["name"], row["number"]))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, data=st.data())
def test_the_same_rows_in_another_order_give_the_same_bytes(tmp_path, rows, data):
    other = data.draw(st.permutations(rows))
    as_frame = pd.DataFrame(other)[["note", "value", "number", "name"]]
    as_frame.index = range(7, 7 + len(other))
    for name, content in (("a", rows), ("b", other), ("c", as_frame)):
        write_table(tmp_path / name, content, SCHEMA, KEYS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


def test_columns_have_the_types_of_the_schema_and_nothing_else_is_stored(table):
    assert pq.read_schema(table) == SCHEMA
    assert pq.read_schema(table).metadata is None


def test_a_table_without_rows_keeps_its_columns(tmp_path):
    write_table(tmp_path / "t.parquet", [], SCHEMA, KEYS)
    assert pq.read_schema(tmp_path / "t.parquet") == SCHEMA
    assert read_table(tmp_path / "t.parquet", SCHEMA).empty


def test_a_folder_named_like_a_partition_adds_no_column(tmp_path):
    path = tmp_path / "run=3" / "table.parquet"
    write_table(path, [row(1)], SCHEMA, KEYS)
    assert list(read_table(path, SCHEMA).columns) == SCHEMA.names


def test_a_missing_table_is_told(tmp_path):
    with pytest.raises(UserError, match=r"t\.parquet: expected a Parquet table, but there is none"):
        read_table(tmp_path / "t.parquet", SCHEMA)


@pytest.mark.parametrize("keep", [0, 3, 0.3, 0.9, -1])
def test_a_truncated_table_is_told_in_one_line(table, keep):
    whole = table.read_bytes()
    table.write_bytes(whole[: keep if isinstance(keep, int) else int(keep * len(whole))])
    with pytest.raises(UserError) as caught:
        read_table(table, SCHEMA)
    assert str(caught.value).startswith(f"{table}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("foreign", [b"name,number\na,1\n", b"\x89HDF\r\n\x1a\n" + bytes(600)])
def test_a_foreign_file_is_told_in_one_line(tmp_path, foreign):
    path = tmp_path / "t.parquet"
    path.write_bytes(foreign)
    with pytest.raises(UserError, match=r"t\.parquet: expected a Parquet table") as caught:
        read_table(path, SCHEMA)
    assert "\n" not in str(caught.value)


def test_a_table_of_other_columns_is_told_with_both(table):
    with pytest.raises(
        UserError, match="expected the columns name, value, but got name, number, value, note"
    ):
        read_table(table, pa.schema([("name", pa.string()), ("value", pa.float64())]))


def test_rows_that_do_not_fit_the_schema_leave_the_earlier_table(table):
    before = table.read_bytes()
    with pytest.raises(Exception, match=r"number|int|convert"):
        write_table(table, [row(1) | {"number": "many"}], SCHEMA, KEYS)
    assert table.read_bytes() == before
    assert [path.name for path in table.parent.iterdir()] == ["table.parquet"]
