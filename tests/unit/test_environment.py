"""The conda environment, the constraints and the package name the same libraries in the same versions."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
DEPENDENCIES = [
    dependency
    for dependency in [*PROJECT["dependencies"], *EXTRAS["audit"], *EXTRAS["run"], *EXTRAS["slurm"]]
    if not dependency.startswith(PROJECT["name"])
]
HEAVY = {"torch", "torchvision", "timm", "snakemake", "scikit-learn"}
OF_AUDITS = {"blake3", "gguf", "h5py", "ml_dtypes", "onnx", "safetensors", "scipy", "threadpoolctl"}
CONSTRAINTS = set((ROOT / "constraints.txt").read_text().lower().split())


def test_constraints_hold_names_and_versions_only():
    assert all(re.fullmatch(r"[a-z0-9._-]+==[a-z0-9.+!]+", line) for line in CONSTRAINTS)


def names(dependencies: list[str]) -> set[str]:
    return {re.split(r"[<>=\[]", dependency)[0] for dependency in dependencies}


def test_tables_and_report_are_installed_without_what_a_run_needs():
    assert not names(PROJECT["dependencies"]) & (HEAVY | OF_AUDITS)
    assert names(EXTRAS["run"]) >= HEAVY


def test_an_audit_is_installed_without_torch_and_is_part_of_a_run():
    assert names(EXTRAS["audit"]) == OF_AUDITS
    assert "neural-lineage[audit]" in EXTRAS["run"]
    assert "neural-lineage[run]" in EXTRAS["slurm"]


def test_the_conda_environment_pins_each_dependency_as_the_constraints_do():
    *_, of_pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    *pins, package = of_pip["pip"]
    assert {pin.split("==")[0] for pin in pins} == names(DEPENDENCIES)
    assert set(pins) <= CONSTRAINTS
    assert package == "-e ."
