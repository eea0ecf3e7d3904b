"""The conda environment, the constraints and the package name the same libraries in the same versions."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEPENDENCIES = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["slurm"]
CONSTRAINTS = set((ROOT / "constraints.txt").read_text().lower().split())


def test_constraints_hold_names_and_versions_only():
    assert all(re.fullmatch(r"[a-z0-9._-]+==[a-z0-9.+!]+", line) for line in CONSTRAINTS)


def test_the_conda_environment_pins_each_dependency_as_the_constraints_do():
    *_, of_pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    names = {re.split("[<>=]", dependency)[0] for dependency in DEPENDENCIES}
    assert {pin.split("==")[0] for pin in of_pip["pip"]} == names
    assert set(of_pip["pip"]) <= CONSTRAINTS
