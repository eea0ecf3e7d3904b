"""The types of a configuration: from a checked dict and back, and the schema's defaults."""

from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import yaml

from lineage.experiment.config import SCHEMA, checked, experiments_of
from lineage.types.detector import Detectors
from lineage.types.experiment import Experiment, Roots, Setting, Split
from lineage.types.scoring import Data, Network, Probe, Similarity

CONFIGURATIONS = sorted(
    path
    for path in (Path(__file__).parents[2] / "config").glob("*.yaml")
    if path.stem not in ("audit", "families", "tree")
)
SCHEMAS = yaml.safe_load(SCHEMA.read_text())["$defs"]
TYPES = {
    "experiment": Experiment, "network": Network, "data": Data, "roots": Roots, "setting": Setting, "probe": Probe,
    "similarity": Similarity, "detector": Detectors, "split": Split,
}  # fmt: skip


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_a_checked_configuration_comes_back_whole_from_its_types(path):
    config = checked(yaml.safe_load(path.read_text()) | {"data": "there"})
    for name, experiment in experiments_of(config).items():
        given = config["experiments"][name]
        assert experiment.plain() == given


@pytest.mark.parametrize("name", TYPES)
def test_each_key_of_the_schema_is_a_field_with_the_schemas_default(name):
    known = {field.name: field for field in fields(TYPES[name])}
    for key, schema in SCHEMAS[name]["properties"].items():
        field = known[key]
        if key in SCHEMAS[name].get("required", ()):
            assert field.default is field.default_factory is MISSING, key
        elif "default" in schema and schema["default"] not in ({}, []):
            default = field.default
            assert (list(default) if isinstance(default, tuple) else default) == schema["default"], key
        elif "default" not in schema:
            assert field.default is None, key


def test_nested_values_become_the_types_of_their_fields():
    data = {"source": "sklearn:digits", "classes": [3, 5]}
    probe = Probe.of({"data": data, "images": 8})
    assert probe == Probe(data=Data(source="sklearn:digits", classes=(3, 5)), images=8)
    assert hash(probe) == hash(Probe.of(probe.plain()))


def test_a_key_that_is_absent_stays_absent():
    assert Network(name="fc", image_size=8, channels=1).plain() == {
        "name": "fc",
        "image_size": 8,
        "channels": 1,
    }


def test_an_unknown_key_is_refused():
    with pytest.raises(TypeError, match="colour"):
        Network.of({"name": "fc", "image_size": 8, "channels": 1, "colour": 1})


def test_every_dataclass_among_the_fields_of_an_experiment_is_frozen():
    seen, waiting = set(), [Experiment]
    while waiting:
        kind = waiting.pop()
        seen.add(kind)
        hints = [
            hint for of_field in get_type_hints(kind).values() for hint in (of_field, *get_args(of_field))
        ]
        waiting += [hint for hint in hints if is_dataclass(hint) and hint not in seen]
    assert len(seen) > 10
    assert all(
        kind.__dataclass_params__.frozen and all(field.kw_only for field in fields(kind)) for kind in seen
    )
