"""What a stage tells, writes and returns when it ends well and when it does not; progress; the stale lock."""

import json
import subprocess
import sys

import pytest

from lineage.errors import UserError
from lineage.jobs.lock import remove_stale_lock
from lineage.jobs.stage import stage
from lineage.progress import tracked


def test_a_stage_that_ends_well_writes_its_lines_and_its_time(snakemake, tmp_path, capsys):
    with stage(snakemake) as run:
        run.say("hello")
        assert list(run.tracked([1, 2], "models")) == [1, 2]
    lines = (tmp_path / "job.log").read_text().splitlines()
    assert lines[0] == "finetune toy/full/p0: hello"
    assert lines[1].startswith("finetune toy/full/p0: models: 2 in ")
    assert capsys.readouterr().err.splitlines() == lines
    spent = json.loads((tmp_path / "job.time.json").read_text())
    assert spent["rule"] == "finetune"
    assert spent["import"] > 0
    assert 0 <= spent["compute"] < 60


def test_a_users_mistake_ends_as_one_line_and_exit_code_1(snakemake, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended, stage(snakemake):
        raise UserError("file.h5: expected this, but got that; do so")
    assert ended.value.code == 1
    expected = "error: file.h5: expected this, but got that; do so\n"
    assert capsys.readouterr().err == (tmp_path / "job.log").read_text() == expected
    assert not (tmp_path / "job.time.json").exists()


def test_any_other_error_goes_on_and_leaves_its_traceback_in_the_log(snakemake, tmp_path):
    with pytest.raises(ZeroDivisionError), stage(snakemake):
        print(1 / 0)
    assert "ZeroDivisionError" in (tmp_path / "job.log").read_text()
    assert not (tmp_path / "job.time.json").exists()


class Clock:
    """Time that passes only where told."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)


def test_progress_names_what_is_done_and_the_time_left(monkeypatch):
    clock, lines = Clock(monkeypatch), []
    for _ in tracked(range(4), "children", lines.append, every=5):
        clock.now += 6
    assert lines == [
        "children: 1 of 4, 18 s left",
        "children: 2 of 4, 12 s left",
        "children: 3 of 4, 6 s left",
        "children: 4 in 24.0 s",
    ]


def test_progress_is_silent_between_its_intervals(monkeypatch):
    clock, lines = Clock(monkeypatch), []
    for _ in tracked(range(100), "pairs", lines.append, every=5):
        clock.now += 0.1
    assert len(lines) == 2
    assert lines[0].startswith(("pairs: 50 of 100, ", "pairs: 51 of 100, "))
    assert lines[1].startswith("pairs: 100 in ")


def test_progress_counts_what_has_no_length():
    lines = []
    assert list(tracked(iter("abc"), "files", lines.append)) == list("abc")
    assert [line.split(" in ")[0] for line in lines] == ["files: 3"]


def lock_of(folder):
    path = folder / ".snakemake" / "locks" / "0.output.lock"
    path.parent.mkdir(parents=True)
    path.write_text("results/x\n")
    return path


def test_a_lock_that_nobody_holds_is_removed(tmp_path):
    path = lock_of(tmp_path)
    assert remove_stale_lock(tmp_path) == [path]
    assert not path.exists()
    assert remove_stale_lock(tmp_path) == []


def test_a_lock_is_kept_while_a_run_in_its_folder_lives_and_only_there(tmp_path):
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    path, other = lock_of(here), lock_of(elsewhere)
    code = "print(flush=True); input()"
    command = [sys.executable, "-c", code, "snakemake"]
    with subprocess.Popen(command, cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        run.stdout.readline()
        with pytest.raises(UserError, match=rf"still alive here \(process {run.pid}\)"):
            remove_stale_lock(here)
        assert path.exists()
        assert remove_stale_lock(elsewhere) == [other]
        run.communicate(b"\n")
    assert remove_stale_lock(here) == [path]


def test_the_command_tells_a_mistake_in_one_line_with_exit_code_2(tmp_path, run):
    done = run("tables", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path}: expected results.parquet files")
    assert len(done.stderr.splitlines()) == 1


def test_the_command_unlocks_the_current_folder(tmp_path, monkeypatch, run):
    path = lock_of(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert run("unlock").returncode == 0
    assert not path.exists()


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """Lets `squeue` print lines or fail, and gives the folder of a run on SLURM."""
    folder = tmp_path / "a run"
    (folder / ".snakemake" / "slurm_logs").mkdir(parents=True)
    command = tmp_path / "squeue"

    def prints(*lines: str, code: int = 0):
        text = "\n".join(lines)
        command.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\necho 'no controller' >&2\nexit {code}\n")
        command.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
        return folder

    return prints


def test_a_run_is_not_unlocked_beside_its_own_jobs_in_the_queue(squeue, tmp_path):
    here = tmp_path / "a run"
    folder = squeue(f"12|{here}|rule_finetune_wildcards_a|b", f"13|{here}|rule_evaluate")
    with pytest.raises(UserError, match=r"still in the queue: 12 13; wait for them or `scancel 12 13`"):
        remove_stale_lock(folder)


def test_jobs_of_other_folders_and_of_other_kinds_are_no_hindrance(squeue, tmp_path):
    folder = squeue(f"12|{tmp_path}/another|rule_finetune", f"13|{tmp_path}/a run|my own job")
    assert remove_stale_lock(folder) == []


def test_a_queue_that_does_not_answer_is_told(squeue):
    with pytest.raises(UserError, match=r"squeue does not say whether its jobs are alive \(no controller\)"):
        remove_stale_lock(squeue(code=1))


def test_a_folder_where_no_run_used_slurm_asks_no_queue(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert remove_stale_lock(tmp_path) == []
