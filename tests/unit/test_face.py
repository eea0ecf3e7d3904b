"""The library's public names: found at run time, listed, and the same ones that type checkers see."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import lineage
from lineage import score_pair
from lineage.errors import UserError

STUB = ast.parse(Path(lineage.__file__).with_suffix(".pyi").read_text())


def test_each_public_name_is_what_its_stub_says():
    imported = {
        alias.name: getattr(importlib.import_module(node.module), alias.name)
        for node in STUB.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert {name: getattr(lineage, name) for name in lineage.__all__} == imported
    (listed,) = (node.value for node in STUB.body if isinstance(node, ast.Assign))
    assert ast.literal_eval(listed) == lineage.__all__


def test_a_name_that_is_not_public_is_refused_with_those_that_are():
    with pytest.raises(AttributeError, match=r"no attribute 'score'; it offers .*score_pair"):
        lineage.score  # noqa: B018


def test_a_fresh_python_lists_the_names_without_importing_torch():
    looks = (
        "import sys, lineage; "
        "assert set(lineage.__all__) <= set(dir(lineage)); "
        "assert 'torch' not in sys.modules; "
        "from lineage import UserError; "
        "assert 'torch' not in sys.modules; "
        "from lineage import *; score_pair, SIMILARITIES"
    )
    subprocess.run([sys.executable, "-c", looks], check=True, timeout=120)


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, lineage; print(sorted({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_found_when_asked_for():
    assert lineage.score_pair is score_pair
    assert lineage.UserError is UserError
    with pytest.raises(AttributeError, match="score_pair"):
        print(lineage.score_pairs)
