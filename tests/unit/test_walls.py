"""The walls between the rooms of the library: the contracts of pyproject.toml; and how long a file may be."""

import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
CONTRACTS = {contract["id"]: contract for contract in SETTINGS["importlinter"]["contracts"]}
MODULES = {
    path.stem
    for path in (ROOT / "lineage").iterdir()
    if path.suffix == ".py" or (path / "__init__.py").exists()
}
BREACHES = [
    ("base", "progress.py", "from lineage.storage.atomic import written_whole"),
    ("bytes", "checkpoints/find.py", "from lineage.index.digest import DigestCache"),
    ("storage", "storage/atomic.py", "from lineage.checkpoints.find import Source"),
    ("data", "data/masks.py", "from lineage.networks.architectures import build"),
    ("networks", "networks/restore.py", "from lineage.training.lora import adapted"),
    ("scores", "similarity/path.py", "from lineage.training.fit import fit"),
    ("similarity", "similarity/path.py", "from lineage.detector.model import Detector"),
    ("relation", "relation/tensor_names.py", "from lineage.checkpoints.read import open_model"),
    ("audits", "index/digest.py", "from lineage.similarity.score import score_pair"),
    (
        "audits",
        "auditing/stages/verdict.py",
        "import lineage.detector.file",
    ),
    ("families", "relation/tensor_names.py", "import lineage.families.plan"),
    ("results", "results/intervals.py", "from lineage.report.words import anything"),
    ("torch", "results/intervals.py", "def heavy():\n    import torch"),
    ("torch", "experiment/zoo.py", "from lineage.storage.hdf5 import Weights"),
    ("jobs", "training/fit.py", "from lineage.jobs.device import chosen_device"),
    ("circles", "index/digest.py", "import lineage.auditing.stages.candidates"),
    ("circles", "storage/atomic.py", "import lineage.storage.parquet"),
]


def lint(folder: Path, *options: str) -> subprocess.CompletedProcess:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_every_wall_between_the_rooms_stands():
    linted = lint(ROOT)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(("contract", "file", "breach"), BREACHES)
def test_an_import_through_a_wall_is_seen(tmp_path, contract, file, breach):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "lineage", tmp_path / "lineage", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "lineage" / file).open("a") as module:
        module.write(f"\n\n{breach}\n")
    linted = lint(tmp_path, "--contract", contract)
    assert linted.returncode == 1, linted.stdout + linted.stderr
    assert f"{CONTRACTS[contract]['name']} BROKEN" in " ".join(linted.stdout.split())


def test_each_wall_has_an_import_that_breaks_it():
    assert {contract for contract, *_ in BREACHES} == set(CONTRACTS)


def test_a_new_room_cannot_be_left_without_walls():
    of_jobs = {module.removeprefix("lineage.") for module in CONTRACTS["jobs"]["source_modules"]}
    assert of_jobs == MODULES - {"__init__", "__main__", "cli", "jobs"}
    below = {module.removeprefix("lineage.") for module in CONTRACTS["base"]["source_modules"]}
    forbidden = {module.removeprefix("lineage.") for module in CONTRACTS["base"]["forbidden_modules"]}
    assert forbidden == MODULES - {"__init__", "__main__"} - below


def test_an_audit_loads_neither_torch_nor_a_similarity():
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, lineage.auditing.run, lineage.auditing.table; print(*sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout.split()
    assert "lineage.auditing.probing" in loaded
    assert not {"torch", "lineage.similarity", "lineage.networks"} & set(loaded)


def test_no_module_is_long_and_no_package_has_many():
    modules = [path for path in (ROOT / "lineage").rglob("*.py") if path.name != "__init__.py"]
    beside = Counter(path.parent for path in modules)
    tests = (ROOT / "tests").rglob("*.py")
    lines = {str(path): len(path.read_text().splitlines()) for path in (*modules, *tests)}
    assert {path: count for path, count in lines.items() if count > 300} == {}
    assert {str(folder): count for folder, count in beside.items() if count > 12} == {}


def test_every_file_that_mutations_are_made_in_or_noticed_by_is_there():
    parts = SETTINGS["mutation"]["parts"].values()
    patterns = [pattern for part in parts for pattern in (*part["modules"], *part["tests"])]
    assert [pattern for pattern in patterns if not [*ROOT.glob(pattern)]] == []
