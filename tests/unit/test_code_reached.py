"""Which modules a script reaches, by every form of import, and imports that hide what they reach."""

from pathlib import Path

import pytest
from small_packages import reach, small_package, write

from lineage.errors import UserError
from lineage.jobs.code_digest import code_of, reached_modules


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return small_package(tmp_path)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("import os, json\nfrom numpy import array\n", []),
        ("import pkg.a as first, pkg.c as third\n", ["a", "c"]),
        ("from pkg.a import VALUE\n", ["a"]),
        ("from pkg.a import *\n", ["a"]),
        ("from pkg import a\n", ["a"]),
        ("from pkg import (a as first, unused)\n", ["a", "unused"]),
        ("from pkg.b import thing\n", ["b", "c"]),
        ("def run():\n    from pkg import a\n", ["a"]),
        ("try:\n    from pkg import a\nexcept ImportError:\n    pass\n", ["a"]),
        ("from pkg.sub import near\n", ["a", "sub.deep", "sub.near"]),
        ("import pkg.sub.near as near\n", ["a", "sub.deep", "sub.near"]),
        ("import pkgother, pkgother.a\nfrom pkgother import a\n", []),
    ],
)
def test_every_form_of_import_reaches_its_modules(folder, script, expected):
    assert reach(folder, script) == expected


def test_a_parent_package_init_counts_with_all_that_it_imports(folder):
    write(folder, pkg__sub__init="from pkg import c\n", pkg__init="from pkg.unused import VALUE\n")
    assert reach(folder, "from pkg.sub import near\n") == ["a", "c", "sub", "sub.deep", "sub.near", "unused"]


def test_relative_imports_of_a_module_are_followed(folder):
    write(
        folder, pkg__sub__inner__init="", pkg__sub__inner__x="from ... import a\nfrom ..near import VALUE\n"
    )
    assert reach(folder, "from pkg.sub.inner import x\n") == ["a", "sub.deep", "sub.inner.x", "sub.near"]


def test_an_import_for_type_checkers_alone_is_not_followed(folder):
    write(folder, pkg__a="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pkg.c import thing\n")
    assert reach(folder, "from pkg import a\n") == ["a"]


def test_a_getattr_of_an_ordinary_module_is_followed(folder):
    write(folder, pkg__a="def __getattr__(name):\n    from pkg.c import thing\n    return thing\n")
    assert reach(folder, "from pkg import a\n") == ["a", "c"]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("from pkg import thing", "pkg"),
        ("from pkg import a, thing", "pkg"),
        ("from pkg import *", "pkg"),
        ("import pkg", "pkg"),
        ("import pkg as p", "pkg"),
        ("from pkg import sub", "pkg.sub"),
        ("from pkg.sub import thing", "pkg.sub"),
        ("import pkg.nope as n", "pkg.nope"),
        ("from pkg.sub.nope import x", "pkg.sub.nope"),
        ("from . import a", "."),
    ],
)
def test_a_script_may_import_single_modules_only(folder, line, named):
    with pytest.raises(
        UserError, match=rf"stage\.py:2: imports {named}, which is no single module; write"
    ) as caught:
        reach(folder, f"import os\n{line}\n")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "line", ["from . import thing", "from pkg import sub", "import pkg as p", "from pkg import *"]
)
def test_a_module_may_import_single_modules_only(folder, line):
    write(folder, pkg__b=f"{line}\n")
    with pytest.raises(UserError, match=r"pkg/b\.py: imports pkg(\.sub)?, which is no single module"):
        reach(folder, "from pkg import b\n")


def test_no_more_than_one_module_is_bound_by_an_import(folder):
    with pytest.raises(UserError, match=r"stage\.py:1: pkg\.sub\.near hides code"):
        reach(folder, "import pkg.sub.near\n")


@pytest.mark.parametrize(
    "line",
    [
        "importlib.import_module('pkg.a')",
        "import_module('pkg.a')",
        "from importlib import import_module as load",
        "from builtins import eval as run",
        "__import__('pkg.a')",
        "exec('import pkg.a')",
        "eval('1')",
        "builtins.eval('1')",
        "list(map(import_module, []))",
    ],
)
def test_a_dynamic_import_is_refused_with_its_place(folder, line):
    head = "import builtins, importlib\nfrom importlib import import_module\n"
    write(folder, pkg__a=f"{head}def f():\n    {line}\n")
    with pytest.raises(UserError, match=r"pkg/a\.py:4: .* hides code; write") as caught:
        reach(folder, "from pkg import a\n")
    assert "\n" not in str(caught.value)
    assert reach(folder, "from pkg import c\n") == ["c"]


def test_the_eval_method_of_a_network_is_no_dynamic_import(folder):
    write(folder, pkg__a="def f(network, frame):\n    network.eval()\n    frame.eval('x')\n")
    assert reach(folder, "from pkg import a\n") == ["a"]


def test_a_script_that_is_no_python_is_named(folder):
    with pytest.raises(UserError, match=r"stage\.py:2: expected Python") as caught:
        reach(folder, "import os\ndef f(:\n")
    assert "\n" not in str(caught.value)


def test_a_module_that_is_no_python_is_named_even_if_no_script_reaches_it(folder):
    write(folder, pkg__unused="import os\ndef f(:\n")
    with pytest.raises(UserError, match=r"pkg/unused\.py:2: expected Python; correct it"):
        reach(folder, "from pkg import a\n")


def test_a_missing_script_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nope\.py:1: expected Python, but .*No such file"):
        code_of(tmp_path / "nope.py")


def test_the_package_of_this_module_is_the_default(tmp_path):
    write(tmp_path, stage="from lineage.errors import UserError\n")
    assert reached_modules(tmp_path / "stage.py") == ["lineage.errors"]


SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


@pytest.mark.parametrize(("script", "most"), [("similarity.py", 15), ("audit_pairs.py", 15)])
def test_a_job_that_is_costly_to_repeat_reaches_few_modules(script, most):
    """An audit may be of any foreign file, so the readers of all formats are not counted."""
    found = [name for name in reached_modules(SCRIPTS / script) if ".checkpoints." not in name]
    assert len(found) <= most, found


@pytest.mark.parametrize(
    ("script", "never"),
    [
        ("similarity.py", {"data", "detector", "training", "auditing", "results", "report"}),
        ("features.py", {"data", "detector", "training", "similarity"}),
        ("finetune.py", {"similarity", "detector", "auditing", "results", "report"}),
        ("audit_pairs.py", {"networks", "data", "similarity", "results", "report"}),
        ("audit_child.py", {"networks", "data", "similarity", "results", "report"}),
        ("audit_summary.py", {"checkpoints", "index", "networks"}),
        ("figures.py", {"similarity", "networks", "data", "training"}),
    ],
)
def test_a_script_stays_out_of_rooms_that_it_does_not_need(script, never):
    rooms = {module.split(".")[1] for module in reached_modules(SCRIPTS / script)}
    assert not rooms & never
