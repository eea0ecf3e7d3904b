"""Pages of few, foreign and hostile results, and what the commands that write pages need to be installed."""

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lineage_network import write_edges
from page_of_results import REFERENCE, ROOT

from lineage.errors import UserError
from lineage.report.inputs import read_inputs
from lineage.report.page import page, write_page
from lineage.report.sections import filled_sections

pytestmark = pytest.mark.usefixtures("without_vega")


def page_of(folder: Path) -> str:
    inputs = read_inputs(folder)
    return page(inputs, filled_sections(inputs))


def test_sections_without_data_say_what_they_would_need(tmp_path):
    shutil.copytree(REFERENCE / "fc-hard", tmp_path / "fc-hard")
    inputs = read_inputs(tmp_path)
    sections = filled_sections(inputs)
    text = page(inputs, sections)
    empty = [filled.section for filled in sections if not filled.figures]
    assert empty
    for section in empty:
        assert f"<li>{section.heading}: {section.needs}" in html.unescape(text)
        assert f'<section id="experiment-fc-hard-{section.id}"' not in text


def test_the_same_results_make_the_same_page(tmp_path):
    for name in ("fc-hard", "fc-hybrid"):
        shutil.copytree(REFERENCE / name, tmp_path / name)
    assert page_of(tmp_path) == page_of(tmp_path)


def test_data_cannot_end_its_script(tmp_path):
    shutil.copytree(REFERENCE / "fc-fashion", tmp_path / "fc-fashion")
    write_edges(tmp_path / "fc-fashion" / "edges.parquet", "</script><b>")
    text = page_of(tmp_path)
    assert "</script><b>" not in text
    assert "<b>" not in text


def test_a_folder_without_results_is_told_and_no_page_is_written(tmp_path):
    with pytest.raises(UserError, match=r"results\.parquet"):
        write_page(tmp_path, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_foreign_file_is_named(tmp_path):
    shutil.copytree(REFERENCE / "fc-fashion", tmp_path / "fc-fashion")
    shutil.copy(REFERENCE / "published.parquet", tmp_path / "fc-fashion" / "pairs.parquet")
    with pytest.raises(UserError, match=r"pairs\.parquet: expected the columns"):
        write_page(tmp_path, tmp_path / "report.html")


WITHOUT_HEAVY = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in "torch torchvision timm sklearn scipy h5py snakemake onnx".split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
import vl_convert
vl_convert.javascript_bundle = lambda **_: ""
from lineage.cli import main
main()
"""


def light(*arguments: str) -> subprocess.CompletedProcess:
    """The command where only what tables and report need is installed."""
    command = [sys.executable, "-c", WITHOUT_HEAVY, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)


def test_tables_and_report_need_nothing_that_a_run_needs(tmp_path):
    shutil.copytree(REFERENCE / "fc-fashion", tmp_path / "fc-fashion")
    for command, made in (("tables", "tables/accuracy.md"), ("report", "report.html")):
        done = light(command, str(tmp_path))
        assert done.returncode == 0, done.stderr
        assert (tmp_path / made).stat().st_size > 1000


def test_a_command_that_needs_more_says_what_to_install(tmp_path):
    done = light("audit", "--child", "a.safetensors", "--candidates", "b")
    assert done.returncode == 2
    assert re.fullmatch(
        r'error: `lineage audit` needs the library \w+,.* pip install "neural-lineage\[audit\]"\n',
        done.stderr,
    )
