"""The wheel, installed where there is neither a checkout nor PyTorch, does its work from any folder."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from checkout import REPOSITORY
from onnx import helper, numpy_helper
from safetensors.numpy import save_file

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from small_networks import ROOTS, child_of, network

from lineage.auditing.stages.verdict import EXIT_CODES

pytestmark = pytest.mark.long

REFERENCE = REPOSITORY / "results" / "reference"
NO_INDEX = re.compile("NewConnectionError|Temporary failure in name resolution|Name or service not known")


class Installed:
    """A fresh environment with the wheel and its extra `audit`, used from a folder of its own."""

    def __init__(self, environment: Path, folder: Path):
        self.programs, self.folder = environment / "bin", folder

    def run(self, *command: object) -> subprocess.CompletedProcess:
        """Runs a program of the environment, which sees nothing of the checkout."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        program, *arguments = map(str, command)
        return subprocess.run(
            [self.programs / program, *arguments],
            cwd=self.folder,
            env=inherited | {"COLUMNS": "200", "XDG_CACHE_HOME": str(self.folder / "cache")},
            capture_output=True,
            text=True,
            timeout=300,
        )


def pip(*arguments: object) -> None:
    """Runs pip; without a package index in reach the test is skipped."""
    done = subprocess.run([*map(str, arguments)], capture_output=True, text=True, timeout=900)
    if done.returncode and NO_INDEX.search(done.stderr + done.stdout):
        pytest.skip("no package index is in reach")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(repository, tmp_path_factory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(repository.folder, source, symlinks=True)
    pip(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source)
    shutil.rmtree(source)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "environment")
    into = (sys.executable, "-m", "pip", "--python", folder / "environment" / "bin" / "python")
    constraints = REPOSITORY / "constraints.txt"
    pip(*into, "install", "--quiet", "--no-compile", "--constraint", constraints, f"{wheel}[audit]")
    (folder / "elsewhere").mkdir()
    return Installed(folder / "environment", folder / "elsewhere")


def test_neither_pytorch_nor_snakemake_is_there_and_lineage_is_the_wheels(installed):
    code = (
        "import importlib.util as u, lineage; "
        "print(*(u.find_spec(name) is None for name in ('torch', 'snakemake', 'sklearn')), lineage.__file__)"
    )
    *absent, place = installed.run("python", "-c", code).stdout.split()
    assert absent == ["True"] * 3
    assert place.startswith(str(installed.programs.parent))


def test_the_version_is_the_projects(installed):
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert installed.run("lineage", "--version").stdout == f"lineage {version}\n"


def save_torch(tensors: dict, path: Path) -> None:
    torch.save({name: torch.tensor(values) for name, values in tensors.items()}, path)


def save_onnx(tensors: dict, path: Path) -> None:
    values = [numpy_helper.from_array(value, name) for name, value in tensors.items()]
    path.write_bytes(helper.make_model(helper.make_graph([], "g", [], [], values)).SerializeToString())


def save_npz(tensors: dict, path: Path) -> None:
    np.savez(path, **tensors)


def save_bfloat16(tensors: dict, path: Path) -> None:
    from safetensors.torch import save_file as save_torch_file

    save_torch_file({name: torch.tensor(values).bfloat16() for name, values in tensors.items()}, path)


WRITERS = {".safetensors": save_file, ".pt": save_torch, ".onnx": save_onnx, ".npz": save_npz}


@pytest.fixture(scope="module")
def candidates(installed) -> Path:
    """Four independent networks, each in another format."""
    folder = installed.folder / "candidates"
    folder.mkdir()
    for (suffix, write), (name, tensors) in zip(WRITERS.items(), ROOTS.items(), strict=True):
        write(tensors, folder / f"{name}{suffix}")
    return folder


CHILDREN = {**WRITERS, ".bf16.safetensors": save_bfloat16}


@pytest.mark.parametrize("suffix", CHILDREN)
def test_an_audit_finds_the_only_relative_of_a_child_in_every_format(installed, candidates, suffix):
    parent = list(ROOTS)[list(CHILDREN).index(suffix) % len(ROOTS)]
    child = installed.folder / f"child{suffix}"
    CHILDREN[suffix](child_of(ROOTS[parent], 27), child)
    written = [installed.folder / f"child{suffix}.{kind}" for kind in ("json", "html")]
    done = installed.run(
        "lineage", "audit", "--child", child.name, "--candidates", candidates.name,
        "--json", written[0], "--html", written[1],
    )  # fmt: skip
    report = json.loads(written[0].read_text())
    assert done.returncode == EXIT_CODES[report["verdict"]], done.stderr
    assert f"closest: {parent}" in done.stdout
    assert report["family"] == [report["closest"]] == [parent]
    assert written[1].stat().st_size > 3000
    assert installed.run("lineage", "verify", written[0]).returncode == 0


def test_embedded_data_are_said_to_come_with_the_repository(installed):
    code = (
        "from lineage.errors import UserError\n"
        "from lineage.data.source_files import source_files\n"
        "try: source_files('embedded:fashion-mnist', 'test')\n"
        "except UserError as error: print(error)"
    )
    assert (
        "come with the repository, not with the installed package"
        in installed.run("python", "-c", code).stdout
    )


def test_a_stranger_is_none_of_the_candidates(installed, candidates):
    save_torch(network(99), installed.folder / "stranger.pt")
    done = installed.run("lineage", "audit", "--child", "stranger.pt", "--candidates", candidates.name)
    assert done.returncode == 3, done.stdout + done.stderr


def test_an_option_that_needs_pytorch_names_the_extra(installed, candidates):
    save_npz(ROOTS["p0"], installed.folder / "probed.npz")
    done = installed.run(
        "lineage", "audit", "--child", "probed.npz", "--candidates", candidates.name, "--arch", "fc"
    )
    assert done.returncode == 2
    assert "needs the library torch" in done.stderr
    assert 'pip install "neural-lineage[run]"' in done.stderr


@pytest.fixture(scope="module")
def results(installed) -> Path:
    """A folder with nothing but the Parquet files of an experiment."""
    folder = installed.folder / "results"
    shutil.copytree(REFERENCE / "fc-fashion", folder / "fc-fashion")
    return folder


def test_tables_of_a_folder_of_parquet_stand_beside_the_published_numbers(installed, results):
    done = installed.run("lineage", "tables")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(results / "tables" / "accuracy.csv").set_index("method")["published"].dropna()
    published = pd.read_parquet(REFERENCE / "published.parquet").query(
        "ancestor == 'G1' and descendant == 'G2'"
    )
    expected = published.set_index("method")["mean"]
    assert len(table)
    assert table.to_dict() == expected[table.index].to_dict()


def test_the_report_of_a_folder_of_parquet_is_one_page(installed, results):
    done = installed.run("lineage", "report")
    assert done.returncode == 0, done.stderr
    assert (results / "report.html").read_text().rstrip().endswith("</html>")


def test_the_figures_of_a_folder_of_parquet_are_written_in_three_formats(installed, results):
    done = installed.run("lineage", "figures")
    assert done.returncode == 0, done.stderr
    written = [installed.folder / line for line in done.stdout.splitlines()]
    starts = {".svg": b"<svg", ".pdf": b"%PDF", ".png": b"\x89PNG"}
    assert {path.suffix for path in written} == set(starts)
    assert all(path.read_bytes().startswith(starts[path.suffix]) for path in written)
