"""Copies of the repository, and commands in them that cannot outlive their time."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml
from forked_snakemake import snakemake_in_a_fork

REPOSITORY = Path(__file__).parents[1]
TINY = """
device: cpu
threads: 1
experiments:
  tiny:
    network: {name: fc, image_size: 28, channels: 1}
    roots:
      count: 2
      data: {source: "sklearn:digits", split: all}
      learning_rate: 0.05
      epochs: 1
      images: 200
    settings:
      full:
        children: {default: 4, p0: 3} # with blocks of 4, p1's is full and p0's has room for one more
        data: {source: "embedded:fashion-mnist", split: test}
        grid: {learning_rate: [0.1], epochs: [1], images: [60, 100]}
    block_size: 4
    probe:
      data: {source: "embedded:fashion-mnist", split: test}
      images: 32
    similarity: {similarities: [l1, cka], approximations: [direct, path], alphas: [0.25, 0.5]}
    detector: {width: 8, crop: 8, epochs: 2}
    seeds: 1
"""
JOB = re.compile(r"^(?:local)?rule (?P<rule>\w+):\n(?P<details>(?: {4}.*\n)*)", re.MULTILINE)
WILDCARDS = re.compile(r"^ {4}wildcards: (.*)$", re.MULTILINE)


class Checkout:
    """A copy of the repository, in which `lineage` is the copy's own and not an installed one."""

    def __init__(self, folder: Path):
        self.folder = folder

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def path(self, name: str) -> Path:
        """A file of the copy; it has to be there."""
        found = self.folder / name
        assert found.is_file(), found
        return found

    def environment(self) -> dict[str, str]:
        """This process's environment less what is the tests' own; this interpreter and the copy's package first."""
        own = ("GIT_", "SNAKEMAKE_", "OMP_", "NUMBA_", "PYTEST_")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(own)}
        path = os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)])
        return inherited | {"PATH": path, "PYTHONPATH": str(self.folder), "COLUMNS": "200"}

    def start(self, *command: str, **options) -> subprocess.Popen:
        """Starts a command in the copy, in a process group of its own; both its streams become one."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )

    def execute(self, *command: str, timeout: float = 60, **options) -> tuple[int, str]:
        """Exit code and output of a command; it and all that it started die at the timeout."""
        process = self.start(*command, **options)
        try:
            output, _ = process.communicate(timeout=timeout)
        finally:
            kill_group(process)
        return process.returncode, output

    def python(self, *arguments: str, timeout: float = 60, **options) -> tuple[int, str]:
        """Exit code and output of this interpreter."""
        return self.execute(sys.executable, *arguments, timeout=timeout, **options)

    def snakemake(self, *arguments: str, timeout: float = 120, **options) -> tuple[int, str]:
        """Exit code and output of Snakemake."""
        return self.python("-m", "snakemake", *arguments, timeout=timeout, **options)

    def dry_run(self, *arguments: str, timeout: float = 120) -> tuple[int, str]:
        """Exit code and output of Snakemake's dry-run."""
        return snakemake_in_a_fork(self.folder, self.environment(), "--dry-run", *arguments, timeout=timeout)

    def unlock(self) -> None:
        """Removes the lock of a killed run."""
        code, output = self.python("-m", "lineage", "unlock")
        assert code == 0, output

    def run_to_the_end(self, *arguments: str, timeout: float = 600) -> float:
        """Runs the workflow as `make run` does, or up to the rules given; gives the seconds it took."""
        began = time.monotonic()
        self.unlock()
        code, output = self.snakemake(*arguments, timeout=timeout)
        assert code == 0, output
        return time.monotonic() - began

    def jobs_to_rerun(self) -> set[str]:
        """What a dry-run would run: `rule wildcard/wildcard/...`, the experiment left out; without `all`."""
        code, output = self.dry_run("--quiet", "host", "reason")
        assert code == 0, output
        jobs = [self._name(job) for job in JOB.finditer(output)]
        announced = re.search(r"^total +(\d+)$", output, re.MULTILINE)
        assert len(jobs) == int(announced[1] if announced else 0), output
        assert announced or "Nothing to be done" in output, output
        return set(jobs) - {"all"}

    @staticmethod
    def _name(job: re.Match) -> str:
        found = WILDCARDS.search(job["details"])
        pairs = [pair.partition("=") for pair in found[1].split(", ")] if found else []
        values = [value for key, _, value in pairs if key != "experiment"]
        return f"{job['rule']} {'/'.join(values)}".strip()

    def configure(self, edit: Callable[[dict], None], experiment: str | None = "tiny") -> None:
        """Lets a function edit the configuration: the experiment's part, or with None the whole."""
        path = self.path("config/config.yaml")
        config = yaml.safe_load(path.read_text())
        edit(config["experiments"][experiment] if experiment else config)
        path.write_text(yaml.safe_dump(config, sort_keys=False))

    def replace(self, name: str, old: str, new: str) -> None:
        """Replaces a text that stands once in a file."""
        path = self.path(name)
        text = path.read_text()
        assert text.count(old) == 1, f"{name}: {old!r} stands there {text.count(old)} times"
        path.write_text(text.replace(old, new))

    @contextlib.contextmanager
    def edited(self, name: str, edit: Callable[[str], str]) -> Iterator[None]:
        """Lets a function change the text of a file, and puts it back at the end."""
        path = self.path(name)
        before = path.read_text()
        path.write_text(edit(before))
        try:
            assert path.read_text() != before
            yield
        finally:
            path.write_text(before)

    def artifacts(self) -> dict[str, bytes]:
        """Bytes of all that a run computes; not of what holds times and dates."""
        ignored = {"logs", "benchmarks", "figures", "reference"}
        dated = {"stages.parquet", "run.parquet", "report.html"}
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.results.rglob("*"))
            if path.is_file()
            and path.relative_to(self.results).parts[0] not in ignored
            and path.name not in dated
        }

    def forget_the_run(self) -> None:
        """Removes all that a run made."""
        made = [path for path in self.results.iterdir() if path.name != "reference"]
        for path in [*made, self.folder / ".snakemake"]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def reported(self) -> dict[str, bytes]:
        """Bytes of the results and of the tables."""
        ends = ("/results.parquet", "/accuracy.md", "/accuracy.csv", "/accuracy.tex")
        found = {name: content for name, content in self.artifacts().items() if name.endswith(ends)}
        assert len(found) == len(ends), sorted(found)
        return found


def kill_group(process: subprocess.Popen) -> None:
    """Ends a process and all that it started, as `kill -9` of the group does."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


def copy_repository(folder: Path) -> Checkout:
    """Copies what git would: tracked files and new ones, not ignored ones."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source, target = REPOSITORY / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return Checkout(folder)
