"""The defaults that config/README.md names are the schema's."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text())
ROW = re.compile(
    r"^\| `(?:(?P<part>similarity|detector)\.)?(?P<key>\w+)` \| (?P<default>[^|]*\w[^|]*) \|", re.MULTILINE
)
"""Of one key, of an experiment or of its similarity or detector, with a default that is no words."""
ROWS = {
    (row["part"] or "experiment", row["key"]): row["default"].strip("` ")
    for row in ROW.finditer((ROOT / "config" / "README.md").read_text())
}


@pytest.mark.parametrize(
    ("part", "key"), [key for key in ROWS if key[1] in SCHEMA["$defs"][key[0]]["properties"]]
)
def test_a_default_of_the_page_is_the_schemas(part, key):
    asked = SCHEMA["$defs"][part]["properties"][key]
    if "default" in asked and asked["default"] != {}:
        assert yaml.safe_load(ROWS[part, key]) == asked["default"]


def test_the_page_names_defaults():
    assert len(ROWS) > 15
