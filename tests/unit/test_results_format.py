"""docs/results-format.md names every Parquet file, and the columns and types that the files really have."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lineage.storage import schemas, tree_schemas

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "results" / "reference"
COMMITTED = sorted(REFERENCE.rglob("*.parquet"))
TYPES = {
    "text": pa.string(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "texts": pa.list_(pa.string()),
}
WRITTEN_BY_JOBS = {
    "models.parquet": schemas.MODELS,
    "scores.parquet": schemas.SCORES,
    "block_similarity/…/scores.parquet": schemas.BLOCK_SCORES,
    "predictions.parquet": schemas.PREDICTIONS,
    "audits.parquet": schemas.AUDITS,
    "parents.parquet": schemas.PARENTS,
    "answers.parquet": schemas.ANSWERED,
    "tree/nodes.parquet": tree_schemas.NODES,
    "tree/edges.parquet": tree_schemas.EDGES,
}
"""Files of a run that are not committed."""


def documented() -> dict[str, list[tuple[str, pa.DataType]]]:
    """Each file of the page with its columns and their types, in their order."""
    page = (ROOT / "docs" / "results-format.md").read_text()
    sections = re.split(r"^### `(.+)`$", page, flags=re.MULTILINE)[1:]
    return {
        name: [
            (column, TYPES[kind])
            for column, kind in re.findall(r"^\| `(\w+)` \| (\w+) \|", text, flags=re.MULTILINE)
        ]
        for name, text in zip(sections[::2], sections[1::2], strict=True)
    }


def columns_of(schema: pa.Schema) -> list[tuple[str, pa.DataType]]:
    return list(zip(schema.names, schema.types, strict=True))


def name_of(path: Path) -> str:
    """A committed file's name on the page, which names those of every experiment once."""
    name = path.relative_to(REFERENCE).as_posix()
    return name if name in documented() else path.name


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.relative_to(REFERENCE).as_posix())
def test_a_committed_file_has_the_columns_that_the_page_says(path):
    assert documented()[name_of(path)] == columns_of(pq.read_schema(path))


@pytest.mark.parametrize("name", WRITTEN_BY_JOBS)
def test_an_artifact_of_a_run_has_the_columns_that_the_page_says(name):
    assert documented()[name] == columns_of(WRITTEN_BY_JOBS[name])


def test_the_page_has_every_schema_and_no_file_that_is_not_there():
    pages = documented()
    declared = [value for value in vars(schemas).values() if isinstance(value, pa.Schema)]
    missing = [schema.names for schema in declared if columns_of(schema) not in pages.values()]
    assert missing == []
    assert set(pages) == set(map(name_of, COMMITTED)) | set(WRITTEN_BY_JOBS)
