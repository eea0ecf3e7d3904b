"""How a command understands files that are no plain paths, and output that cannot be written."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from lineage.options import expanded

HOME = str(Path.home())


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("~/zoo/*.pt", f"{HOME}/zoo/*.pt"),
        ("--json=~/found.json", f"--json={HOME}/found.json"),
        ("~", HOME),
        ("--claimed=a~/b", "--claimed=a~/b"),
        ("models/~/a.pt", "models/~/a.pt"),
        ("~someone.pt", "~someone.pt"),
        ("--alpha", "--alpha"),
    ],
)
def test_home_is_put_for_a_tilde_that_the_shell_left_alone(given, understood):
    assert expanded([given]) == [understood]


@pytest.fixture
def models(tmp_path):
    for number, name in enumerate("ab"):
        weights = np.random.default_rng(number).normal(size=(8, 8)).astype(np.float32)
        save_file({"layer.weight": weights}, tmp_path / f"{name}.safetensors")
    return tmp_path


def lineage(*arguments, **options):
    command = [sys.executable, "-m", "lineage", *map(str, arguments)]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **options)


def test_json_on_standard_output_stands_there_alone(models):
    both = models / "a.safetensors", models / "b.safetensors"
    done = lineage("diff", *both, "--json", "-", stdout=subprocess.PIPE)
    assert done.returncode == 1
    assert json.loads(done.stdout)["is_same"] is False
    assert "b.safetensors differs from" in done.stderr
    assert not Path("-").exists()


def test_a_result_is_printed_though_its_file_cannot_be_written(models):
    (models / "folder").mkdir()
    both = models / "a.safetensors", models / "b.safetensors"
    done = lineage("diff", *both, "--json", models / "folder", stdout=subprocess.PIPE)
    assert done.returncode == 2
    assert "b.safetensors differs from" in done.stdout
    assert "could not be written: Is a directory; name a file in it" in done.stderr


def test_output_that_finds_no_room_is_one_line():
    if not Path("/dev/full").exists():
        pytest.skip("a device that is always full is Linux' own")
    with Path("/dev/full").open("w") as full:
        done = lineage("--version", stdout=full)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: what is printed could not be written: No space left")


@pytest.mark.parametrize("command", [
    ["--help"], ["audit", "--help"], ["--version"],
    ["hash", "a.safetensors"], ["diff", "a.safetensors", "b.safetensors"],
])  # fmt: skip
def test_output_that_nobody_reads_on_ends_a_command_as_it_ends_others(models, command):
    reader, writer = os.pipe()
    os.close(reader)
    root = str(Path(__file__).parents[2])
    done = lineage(*command, stdout=writer, cwd=models, env=os.environ | {"PYTHONPATH": root})
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_an_empty_name_is_not_the_folder_one_stands_in(models):
    done = lineage("tree", "", cwd=models)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "got an empty name" in done.stderr


def test_an_output_that_lacks_letters_writes_them_out(models):
    (models / "b.safetensors").rename(models / "süß ✓.safetensors")
    done = subprocess.run(
        [sys.executable, "-m", "lineage", "diff", "a.safetensors", "süß ✓.safetensors"],
        env=os.environ | {"PYTHONIOENCODING": "latin-1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        cwd=models,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, b"")
    assert done.stdout.startswith("süß \\u2713.safetensors differs from a.safetensors".encode("latin-1"))


def test_an_address_is_not_taken_for_a_file(models):
    done = lineage("hash", "https://example.org/a/model.safetensors", cwd=models)
    assert done.returncode == 2
    assert done.stderr == (
        "error: https://example.org/a/model.safetensors: is an address, and nothing is downloaded; give a file\n"
    )
