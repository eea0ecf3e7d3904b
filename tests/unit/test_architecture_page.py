"""docs/architecture.md against the code: its rooms, its walls, and the files that it sends contributors to."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def section(heading: str) -> str:
    return PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(text: str) -> list[str]:
    """Names in backticks in the first column of a table."""
    return re.findall(r"`([^`]+)`", "\n".join(re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)))


def test_the_rooms_are_the_librarys():
    library = ROOT / "lineage"
    packages = {f"{path.parent.name}/" for path in library.glob("*/__init__.py")}
    modules = {path.name for path in library.glob("*.py")} - {"__init__.py"}
    assert sorted(first_cells(section("The rooms of `lineage/`"))) == sorted(packages | modules)


def test_the_folders_at_the_top_are_there():
    named = first_cells(section("At the top"))
    assert {"lineage/", "workflow/rules/", "docs/"} <= set(named)
    assert all((ROOT / name).exists() for name in named)


def test_the_walls_are_the_contracts():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    listed = re.findall(r"^- (.+)$", section("The walls"), re.MULTILINE)
    assert listed == [contract["name"] for contract in contracts]


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"`((?:lineage|workflow|tests|config|docs)/[^`]+)`", PAGE)))
)
def test_every_file_that_the_page_names_is_there(name):
    assert (ROOT / name).exists()
