"""Images in Parquet files, and every file and column that is not what it should be."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from labelled_pictures import LABELS, PICTURES, cell, complaint, encoded, load, rows, write

from lineage.data.source_files import source_files


def test_without_class_names_the_labels_name_the_classes(tmp_path):
    assert load(write(tmp_path / "a.parquet", rows())).class_names == ["0", "1", "2"]


@pytest.mark.parametrize("paths", [[None] * 6, ["same.png"] * 6])
def test_images_without_unique_paths_are_named_by_row(tmp_path, paths):
    images = [
        {"bytes": image["bytes"], "path": path} for image, path in zip(rows()["image"], paths, strict=True)
    ]
    table = pa.table({"image": pa.array(images, pa.struct({"bytes": pa.binary(), "path": pa.string()}))})
    pq.write_table(table.append_column("label", pa.array(LABELS)), tmp_path / "a.parquet")
    assert load(f"parquet:{tmp_path}/a.parquet").ids == [f"a-{row:06d}" for row in range(6)]


def test_the_split_is_put_into_the_path(tmp_path):
    write(tmp_path / "a-train.parquet", rows())
    write(tmp_path / "a-test.parquet", {name: column[:2] for name, column in rows().items()})
    source = f"parquet:{tmp_path}/a-{{split}}.parquet"
    assert (len(load(source, split="train")), len(load(source, split="test"))) == (6, 2)
    assert source_files(source, "test") == [f"{tmp_path}/a-test.parquet"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"PK\x03\x04 a zip", "begins with b'PK"),
        (b"PAR1 half of it", "cut off"),
        (b"PAR1 rubbish PAR1", "damaged"),
    ],
)
def test_a_file_that_is_no_parquet_is_refused_for_what_it_is(tmp_path, content, message):
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    found = complaint(f"parquet:{path}")
    assert found.startswith(f"{path}: expected ")
    assert message in found


def test_a_parquet_file_cut_in_half_is_refused(tmp_path):
    source = write(tmp_path / "a.parquet", rows())
    path = tmp_path / "a.parquet"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cut off" in complaint(source)


def test_a_parquet_file_with_damaged_pages_is_refused(tmp_path):
    source = write(tmp_path / "a.parquet", rows())
    path = tmp_path / "a.parquet"
    content = bytearray(path.read_bytes())
    content[4:60] = b"\xff" * 56
    path.write_bytes(content)
    assert "damaged" in complaint(source)


BAD_COLUMNS = {
    "no image": ({"label": LABELS}, "column 'image' is missing, found label"),
    "no label": ({"image": rows()["image"], "y": LABELS}, "column 'label' is missing, found image, y"),
    "image as bytes": (rows(image=[b"x"] * 6), "column 'image': expected struct<bytes"),
    "image without bytes": (rows(image=[{"path": "x"}] * 6), "column 'image': expected struct<bytes"),
    "image as text": (rows(image=[{"bytes": "x", "path": "x"}] * 6), "column 'image': expected struct<bytes"),
    "label as float": (rows(label=[0.5] * 6), "column 'label': expected whole numbers (int64), got double"),
    "label as text": (rows(label=["cat"] * 6), "column 'label': expected whole numbers (int64), got string"),
    "negative label": (
        rows(label=[0, 1, 2, -3, 1, 0]),
        "column 'label', row 3: expected 0 to 999999, got -3",
    ),
    "absent label": (
        rows(label=[0, None, 2, 2, 1, 0]),
        "column 'label', row 1: expected 0 to 999999, got nothing",
    ),
    "vast label": (
        rows(label=[0, 1, 10**12, 2, 1, 0]),
        "column 'label', row 2: expected 0 to 999999, got 10000",
    ),
    "absent image": (rows(image=[*rows()["image"][:5], None]), "column 'image', row 5: expected the bytes"),
    "no image bytes": (
        rows(image=[*rows()["image"][:4], {"bytes": None, "path": "x"}, rows()["image"][5]]),
        "column 'image', row 4: expected the bytes",
    ),
    "not an image": (
        rows(image=[*rows()["image"][:2], {"bytes": b"text", "path": "x"}, *rows()["image"][3:]]),
        "column 'image', row 2: expected an image (PNG, JPEG), got bytes of no known kind",
    ),
    "half an image": (
        rows(image=[{"bytes": encoded(PICTURES[0])[:50], "path": "x"}, *rows()["image"][1:]]),
        "column 'image', row 0: expected an image (PNG, JPEG), got",
    ),
    "32 bits": (
        rows(
            image=[
                {"bytes": encoded(PICTURES[0].astype(np.float32), "TIFF"), "path": "x"},
                *rows()["image"][1:],
            ]
        ),
        "column 'image', row 0: expected 8 or 16 bits a channel, got mode 'F'",
    ),
    "another size": (
        rows(image=[*rows()["image"][:5], cell(PICTURES[0][:4], "x")]),
        "column 'image', row 5: expected 5x5 pixels as in the first image, got 5x4",
    ),
}


@pytest.mark.parametrize("case", BAD_COLUMNS)
def test_a_bad_column_is_named_with_its_row(tmp_path, case):
    columns, message = BAD_COLUMNS[case]
    found = complaint(write(tmp_path / "a.parquet", columns))
    assert found.startswith(f"{tmp_path}/a.parquet: {message}")


def test_an_empty_table_is_refused(tmp_path):
    image = pa.array([], pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    found = complaint(write(tmp_path / "a.parquet", {"image": image, "label": pa.array([], pa.int64())}))
    assert found.startswith(f"{tmp_path}/a.parquet: expected labelled images, found none")


def test_a_label_outside_the_class_names_is_named_with_its_row(tmp_path):
    found = complaint(write(tmp_path / "a.parquet", rows(), class_names='["x", "y"]'))
    assert found.startswith(f"{tmp_path}/a.parquet: column 'label', row 2: expected 0 to 1")
    assert "got 2" in found


@pytest.mark.parametrize("names", ["x, y, z", '{"x": 0}', "[0, 1, 2]", "[]"])
def test_class_names_that_are_no_list_of_strings_are_refused(tmp_path, names):
    assert "metadata 'class_names'" in complaint(write(tmp_path / "a.parquet", rows(), class_names=names))
