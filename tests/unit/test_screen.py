"""Names that others gave to files and tensors do not steer a terminal, and stop no report."""

import io
import os
import sys

import numpy as np
import pytest
from rich.table import Table
from rich.tree import Tree
from safetensors.numpy import save_file
from typer.testing import CliRunner

from lineage.cli import app
from lineage.errors import UserError, printable
from lineage.screen import Screen

CLEARS = "a\x1b[2Kb\x1b]0;title\x07"
WRITTEN_OUT = r"a\x1b[2Kb\x1b]0;title\x07"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("süspect ✓ 网络.pt", "süspect ✓ 网络.pt"),
        (CLEARS, WRITTEN_OUT),
        ("two\nlines\t", r"two\nlines\t"),
        ("\u202egnp.tp", r"\u202egnp.tp"),
        (os.fsdecode(b"\xff.pt"), r"\udcff.pt"),
    ],
)
def test_what_steers_a_terminal_is_written_out(text, shown):
    assert printable(text) == shown
    assert str(UserError(text)) == shown
    shown.encode()


def test_a_screen_writes_them_out_in_lines_tables_and_trees(monkeypatch):
    monkeypatch.setattr(sys, "stdout", written := io.StringIO())
    screen = Screen(60)
    (table := Table("name")).add_row(CLEARS)
    (tree := Tree(CLEARS)).add(CLEARS)
    for shown in (CLEARS, table, tree, "[red]first[/red]\nsecond"):
        screen.print(shown)
    assert written.getvalue().count(WRITTEN_OUT) == 4
    assert "\x1b" not in written.getvalue()
    assert "[red]first[/red]\nsecond\n" in written.getvalue()


@pytest.fixture
def zoo(tmp_path):
    (folder := tmp_path / "zoo").mkdir()
    for number, name in enumerate((CLEARS.encode(), b"\xff", b"b")):
        weights = np.random.default_rng(number).normal(size=(8, 8)).astype(np.float32)
        save_file({f"{CLEARS}.weight": weights}, plain := tmp_path / "plain.safetensors")
        try:
            os.replace(os.fsencode(plain), os.fsencode(folder) + b"/" + name + b".safetensors")  # noqa: PTH105
        except OSError:
            pytest.skip("a file system that takes names of UTF-8 alone")
    return folder


@pytest.mark.parametrize("command", [["diff", "b.safetensors"], ["hash"]])
def test_commands_on_such_files_print_nothing_that_steers(zoo, monkeypatch, command):
    monkeypatch.chdir(zoo)
    done = CliRunner().invoke(app, [*command, f"{CLEARS}.safetensors"], catch_exceptions=False)
    assert WRITTEN_OUT in done.output
    assert "\x1b" not in done.output


def test_a_name_that_is_not_utf_8_stops_no_tree(zoo, monkeypatch):
    monkeypatch.chdir(zoo)
    pages = "--html", "../tree.html", "--dot", "../tree.dot", "--json", "../tree.json"
    done = CliRunner().invoke(app, ["tree", ".", "--no-cache", *pages], catch_exceptions=False)
    assert r"left out: \udcff.safetensors: its name is not UTF-8" in done.output
    assert WRITTEN_OUT.replace("\\", "\\\\") in (zoo.parent / "tree.dot").read_text()
