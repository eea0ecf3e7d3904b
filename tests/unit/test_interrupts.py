"""Ctrl-C and SIGTERM on real processes: one line, at once, and nothing is left half-written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.numpy import save_file
from small_networks import ROOTS, network

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


def stopped(command: list, is_time, sent: signal.Signals) -> tuple[int, str, float]:
    """Exit code, standard error and seconds of a process that is sent a signal once it is time."""
    process = subprocess.Popen(
        [sys.executable, *map(str, command)], cwd=ROOT, env=ENVIRONMENT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not is_time():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.005)
    start = time.monotonic()
    process.send_signal(sent)
    try:
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
    return process.returncode, told, time.monotonic() - start


@pytest.mark.parametrize(("sent", "code"), SIGNALS)
def test_an_audit_that_is_stopped_leaves_whole_digests_alone(tmp_path, sent, code):
    bases, cache = tmp_path / "bases", tmp_path / "cache"
    bases.mkdir()
    for number in range(60):
        save_file(network(number, widths=(400, 500, 500, 10)), bases / f"{number}.safetensors")
    command = [
        "-m",
        "lineage",
        "audit",
        "--child",
        bases / "0.safetensors",
        "--candidates",
        bases,
        "--cache",
        cache,
    ]
    ended, told, seconds = stopped(command, lambda: len(list(cache.glob("*.json"))) > 2, sent)
    assert ended == code
    assert told == f"stopped by {sent.name}; nothing is left half-written\n"
    assert seconds < 10
    assert not list(cache.glob(".*"))
    assert len(list(cache.glob("*.json"))) < 60


BUSY = """
import hashlib, sys, threading, time
from pathlib import Path
from lineage import __main__, cli
from lineage.storage.atomic import written_whole
from lineage.storage.atomic import temporary_folder

def work(place):
    with written_whole(place / "half.json") as part:
        part.write_text("half")
        (place / "begun").touch()
        time.sleep(300)

@cli.app.command()
def busy(place: Path):
    with temporary_folder() as folder:
        (place / "folder").write_text(str(folder))
        threading.Thread(target=work, args=(place,)).start()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # in C, where no handler of Python's runs

sys.argv = ["lineage", "busy", sys.argv[1]]
__main__.main()
"""


@pytest.mark.parametrize(("sent", "code"), SIGNALS)
def test_a_process_deep_in_a_library_ends_too_and_takes_along_what_its_threads_had_begun(
    tmp_path, sent, code
):
    (tmp_path / "half.json").write_text("earlier")
    ended, told, seconds = stopped(["-c", BUSY, tmp_path], (tmp_path / "begun").exists, sent)
    assert (ended, told.count("\n")) == (code, 1)
    assert seconds < 10
    assert (tmp_path / "half.json").read_text() == "earlier"
    assert not Path((tmp_path / "folder").read_text()).exists()
    assert {path.name for path in tmp_path.iterdir()} == {"half.json", "begun", "folder"}


@pytest.mark.parametrize(("sent", "code"), SIGNALS)
def test_a_command_that_is_still_being_imported_ends_so_too(tmp_path, monkeypatch, sent, code):
    begun = tmp_path / "begun"
    (tmp_path / "typer.py").write_text(
        f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(300)"
    )
    monkeypatch.setitem(ENVIRONMENT, "PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    ended, told, _ = stopped(["-m", "lineage", "--version"], begun.exists, sent)
    assert (ended, told) == (code, f"stopped by {sent.name}; nothing is left half-written\n")


IN_TURN = """
import sys
from lineage.cli import main
for arguments in {arguments!r}:
    sys.argv = ["lineage", "audit", "--no-cache", *arguments]
    try:
        main()
    except SystemExit as end:
        print("CODE", end.code, file=sys.stderr, flush=True)
"""


def test_wrong_places_are_one_line_each(tmp_path):
    child, bases = str(tmp_path / "child.safetensors"), str(tmp_path / "bases")
    (tmp_path / "bases").mkdir()
    save_file(ROOTS["p1"], child)
    save_file(ROOTS["p2"], f"{bases}/p2.safetensors")
    wrong = [
        (bases, bases, [], "expected a regular file, found a folder"),
        (f"{child}x", bases, [], "found no such file"),
        (child, f"{bases}/p", [], "found no such file"),
        (child, f"{bases}/*.pt", [], "no file is called like that"),
        (child, bases, ["--json", bases], "name a file in it"),
        (child, bases, ["--json", f"{child}/x.json"], "a file stands where its folder should"),
        (child, bases, ["--html", "/proc/x.html"], "could not be written"),
    ]
    arguments = [["--child", given, "--candidates", others, *more] for given, others, more, _ in wrong]
    done = subprocess.run(
        [sys.executable, "-c", IN_TURN.format(arguments=arguments)],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    told = done.stderr.split("CODE 2\n")
    assert len(told) == len(wrong) + 1
    for lines, (*_, said) in zip(told, wrong, strict=False):
        errors = [line for line in lines.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert said in errors[0]
        assert "Traceback" not in lines
    assert not list(tmp_path.rglob(".*"))
