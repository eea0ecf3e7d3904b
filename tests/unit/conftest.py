"""What tests of several files share: a stage's Snakemake, a page without its drawing library, and a command."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import ENVIRONMENT


@pytest.fixture
def snakemake(tmp_path):
    """What Snakemake hands to a script, as far as stages use it."""
    return SimpleNamespace(
        rule="finetune",
        wildcards=["toy", "full", "p0"],
        threads=2,
        resources={},
        params=SimpleNamespace(device="cpu", threads=1, code="abc"),
        log=SimpleNamespace(text=str(tmp_path / "job.log"), time=str(tmp_path / "job.time.json")),
    )


@pytest.fixture(scope="module")
def without_vega():
    """The page without the drawing library, which takes seconds to bundle; the browser's tests have it."""
    import vl_convert

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vl_convert, "javascript_bundle", lambda **_: "")
        yield


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., subprocess.CompletedProcess]:
    """A command in this process, which has imported all that it needs: what it ends with and says."""
    from lineage.cli import main

    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    def ran(*arguments: str | Path) -> subprocess.CompletedProcess:
        monkeypatch.setattr(sys, "argv", ["lineage", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(sys.argv, ended.value.code or 0, said.out, said.err)

    return ran
