"""docs/checkpoints.md lists the formats that are read, in the order in which they are tried."""

import re
from pathlib import Path

from lineage.checkpoints.read import FORMATS

PAGE = (Path(__file__).parents[2] / "docs" / "checkpoints.md").read_text()


def test_the_table_of_formats_is_the_codes():
    table = PAGE.split("\n## ")[0]
    listed = re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)
    assert listed[0] == "format"
    assert listed[2:] == [form.name for form in FORMATS]


def test_every_format_says_its_versions_how_it_is_read_and_its_limits():
    rows = [line for line in PAGE.split("\n## ")[0].splitlines() if line.startswith("| ")]
    assert all(len([cell for cell in row.strip("|").split("|") if cell.strip()]) == 4 for row in rows)
