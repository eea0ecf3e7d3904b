"""The digest that decides which stages run again, on small packages written to a temporary folder."""

import itertools
import os
import shutil
from pathlib import Path

import pytest

from lineage.errors import UserError
from lineage.jobs.code_digest import code_of, reached_modules

CLOCK = itertools.count(
    10**18
)  # a file written twice within one tick of the system's clock still looks edited


def write(folder: Path, **files: str) -> Path:
    """Writes `a__b="text"` as a/b.py and returns the folder; `init` stands for __init__."""
    for name, text in files.items():
        path = folder.joinpath(*[{"init": "__init__"}.get(part, part) for part in name.split("__")])
        path = path.with_name(path.name + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, ns=(next(CLOCK), next(CLOCK)))
    return folder


def reach(folder: Path, script: str) -> list[str]:
    """Modules of the package `pkg` in the folder reached by a script of that text, `pkg` itself left out."""
    write(folder, stage=script)
    found = reached_modules(folder / "stage.py", "pkg", root=folder / "pkg")
    assert "pkg" in found or not found
    return [name.removeprefix("pkg.") for name in found if name != "pkg"]


def digest(folder: Path) -> str:
    return code_of(folder / "stage.py", "pkg", root=folder / "pkg")


@pytest.fixture
def folder(tmp_path):
    return write(
        tmp_path,
        pkg__init="",
        pkg__a="VALUE = 1\n",
        pkg__b="from pkg.c import thing\n",
        pkg__c="def thing():\n    return 1\n",
        pkg__unused="VALUE = 1\n",
        pkg__sub__init="",
        pkg__sub__deep="from ..a import VALUE\nfrom . import near\n",
        pkg__sub__near="from .deep import VALUE\n",
    )


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("import os, json\nfrom numpy import array\n", []),
        ("import pkg\n", []),
        ("import pkg.a\n", ["a"]),
        ("import pkg.a as first, pkg.c as third\n", ["a", "c"]),
        ("from pkg.a import VALUE\n", ["a"]),
        ("from pkg.a import *\n", ["a"]),
        ("from pkg import a\n", ["a"]),
        ("from pkg import (a as first, unused)\n", ["a", "unused"]),
        ("from pkg.b import thing\n", ["b", "c"]),
        ("def run():\n    from pkg import a\n", ["a"]),
        ("try:\n    import pkg.a\nexcept ImportError:\n    pass\n", ["a"]),
        ("import pkg.sub\n", ["sub"]),
        ("from pkg import sub\n", ["sub"]),
        ("from pkg.sub import near\n", ["a", "sub", "sub.deep", "sub.near"]),
        ("import pkg.sub.near\n", ["a", "sub", "sub.deep", "sub.near"]),
        ("import pkg\nprint(pkg.b.thing)\n", ["b", "c"]),
        ("import pkg as p\nprint(p.sub.near.VALUE)\n", ["a", "sub", "sub.deep", "sub.near"]),
        ("import pkgother\nfrom pkgother import a\n", []),
    ],
)
def test_every_form_of_import_reaches_its_modules(folder, script, expected):
    assert reach(folder, script) == expected


def test_a_parent_package_init_counts_with_all_that_it_imports(folder):
    write(folder, pkg__sub__init="from .. import c\n", pkg__init="from .unused import VALUE\n")
    assert reach(folder, "import pkg.sub.near\n") == ["a", "c", "sub", "sub.deep", "sub.near", "unused"]


def test_relative_imports_climb_from_modules_and_from_inits_alike(folder):
    write(folder, pkg__sub__inner__init="from ... import a\nfrom ..near import VALUE\n")
    assert reach(folder, "import pkg.sub.inner\n") == ["a", "sub", "sub.deep", "sub.inner", "sub.near"]


def test_a_star_import_of_a_package_reaches_the_submodules_it_exports(folder):
    write(folder, pkg__init="__all__ = ['a', 'c']\n")
    assert reach(folder, "from pkg import *\n") == ["a", "c"]


def test_a_comment_docstring_or_formatting_edit_leaves_the_digest(folder):
    write(folder, stage="import os\nfrom pkg.b import thing\nfrom pkg import a\nprint(thing( ), os.name)\n")
    before = digest(folder)
    write(
        folder,
        stage='"""Stage."""\n\nfrom pkg import a  # one\nimport os\nfrom pkg.b import (\n    thing,\n)\n\n'
        "print(\n    thing(),\n    os.name,\n)\n",
        pkg__c='"""Says it."""\n\n\ndef thing():\n    """One."""\n    # why\n    return (1)\n',
    )
    assert digest(folder) == before


def test_a_code_edit_in_a_transitively_reached_module_changes_the_digest_and_an_unreached_one_does_not(
    folder,
):
    write(folder, stage="from pkg.b import thing\n")
    before = digest(folder)
    write(folder, pkg__unused="VALUE = 2\n", pkg__a="VALUE = 2\n")
    assert digest(folder) == before
    write(folder, pkg__c="def thing():\n    return 2\n")
    assert digest(folder) != before


@pytest.mark.parametrize(
    "edit",
    [{"stage": "import pkg.sub.near\nprint(1)\n"}, {"pkg__init": "X = 1\n"}, {"pkg__sub__init": "X = 1\n"}],
)
def test_the_script_and_the_packages_on_the_path_are_part_of_the_digest(folder, edit):
    write(folder, stage="import pkg.sub.near\n")
    before = digest(folder)
    write(folder, **edit)
    assert digest(folder) != before


def test_the_digest_does_not_depend_on_the_place_or_the_times_of_the_files(folder, tmp_path_factory):
    write(folder, stage="import pkg.sub.near\n")
    moved = tmp_path_factory.mktemp("elsewhere") / "deeper"
    shutil.copytree(folder, moved)
    for path in moved.rglob("*.py"):
        os.utime(path, (1, 1))
    assert digest(moved) == digest(folder)


def test_the_digest_does_not_depend_on_which_other_scripts_were_read_before(folder):
    write(folder, first="import pkg.sub.near\n", stage="import pkg.sub.deep\n")
    alone = digest(folder)
    code_of(folder / "first.py", "pkg", root=folder / "pkg")
    assert digest(folder) == alone
    assert len(alone) == 16
    assert int(alone, 16) >= 0


def test_moving_code_between_reached_modules_changes_the_digest(folder):
    write(folder, stage="import pkg.a, pkg.c\n", pkg__a="X = 1\n", pkg__c="X = 2\n")
    before = digest(folder)
    write(folder, pkg__a="X = 2\n", pkg__c="X = 1\n")
    assert digest(folder) != before


LAZY = """from importlib import import_module


def __getattr__(name):
    from pkg.unused import VALUE

    {}
"""


def test_the_lazy_names_of_an_init_are_neither_followed_nor_part_of_the_digest(folder):
    write(folder, pkg__init=LAZY.format("return import_module('pkg.c')"))
    assert reach(folder, "from pkg import a\n") == ["a"]
    before = digest(folder)
    write(folder, pkg__init=LAZY.format("return {'more': VALUE}[name]"))
    assert digest(folder) == before


def test_a_getattr_of_an_ordinary_module_is_followed(folder):
    write(folder, pkg__a="def __getattr__(name):\n    from pkg.c import thing\n    return thing\n")
    assert reach(folder, "import pkg.a\n") == ["a", "c"]


@pytest.mark.parametrize(
    "script",
    [
        "\nfrom pkg import thing\n",
        "\nfrom pkg import a, thing\n",
        "import pkg\npkg.thing()\n",
        "import pkg.a\npkg.thing()\n",
        "import pkg as p\np.thing()\n",
    ],
)
def test_a_lazily_offered_name_must_be_imported_from_its_own_module(folder, script):
    write(folder, pkg__init=LAZY.format("return import_module('pkg.c').thing"))
    with pytest.raises(UserError, match=r"stage\.py:2: takes 'thing' from pkg, .*from its own module"):
        reach(folder, script)


def test_a_lazily_offered_name_is_refused_in_a_reached_module_too(folder):
    write(folder, pkg__b="from . import thing\n")
    with pytest.raises(UserError, match=r"^pkg/b\.py:1: takes 'thing' from pkg"):
        reach(folder, "import pkg.b\n")


@pytest.mark.parametrize(
    "init",
    [
        "from pkg.c import thing\n",
        "from pkg.c import *\n",
        "from .c import other as thing\n",
        "thing = 1\n",
        "first, (thing, *rest) = f()\n",
        "thing: int = 1\n",
        "try:\n    import json as thing\nexcept ImportError:\n    thing = None\n",
        "def thing(): ...\n",
        "class thing: ...\n",
    ],
)
def test_a_name_bound_by_a_statement_of_the_init_may_be_taken_from_the_package(folder, init):
    write(folder, pkg__init=init)
    assert reach(folder, "from pkg import thing, a\nfrom pkg import __name__\n") == (
        ["a", "c"] if "c import" in init else ["a"]
    )


def test_a_name_bound_only_inside_a_function_of_the_init_is_not_bound(folder):
    write(folder, pkg__init="def f():\n    thing = 1\n")
    with pytest.raises(UserError, match="takes 'thing' from pkg"):
        reach(folder, "from pkg import thing\n")


@pytest.mark.parametrize(
    "line",
    [
        "importlib.import_module('pkg.a')",
        "import_module('pkg.a')",
        "load('pkg.a')",
        "__import__('pkg.a')",
        "exec('import pkg.a')",
        "eval('1')",
        "builtins.eval('1')",
        "list(map(import_module, []))",
    ],
)
def test_a_dynamic_import_is_refused_with_its_place(folder, line):
    head = "import builtins, importlib\nfrom importlib import import_module, import_module as load\n"
    write(folder, pkg__a=f"{head}def f():\n    {line}\n")
    with pytest.raises(UserError, match=r"^pkg/a\.py:4: uses .*plain import") as caught:
        reach(folder, "import pkg.a\n")
    assert "\n" not in str(caught.value)
    assert reach(folder, "import pkg.c\n") == ["c"]


def test_the_eval_method_of_a_network_is_no_dynamic_import(folder):
    write(folder, pkg__a="def f(network, frame):\n    network.eval()\n    frame.eval('x')\n")
    assert reach(folder, "import pkg.a\n") == ["a"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("import pkg.nope\n", r"stage\.py:1: imports pkg\.nope, expected pkg/nope\.py"),
        ("import os\nfrom pkg.sub.nope import x\n", r"stage\.py:2: imports pkg\.sub\.nope"),
        ("from . import a\n", r"stage\.py:1: a relative import leaves the package"),
        ("def f(:\n", r"stage\.py:1: expected Python"),
    ],
)
def test_what_cannot_be_followed_is_one_clear_line(folder, script, message):
    with pytest.raises(UserError, match=message) as caught:
        reach(folder, script)
    assert "\n" not in str(caught.value)


def test_a_relative_import_beyond_the_package_is_refused(folder):
    write(folder, pkg__a="from .. import b\n")
    with pytest.raises(UserError, match=r"^pkg/a\.py:1: a relative import leaves the package"):
        reach(folder, "import pkg.a\n")


def test_a_missing_script_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nope\.py: expected a stage script"):
        code_of(tmp_path / "nope.py")


def test_the_package_of_this_module_is_the_default(tmp_path):
    write(tmp_path, stage="from lineage.errors import UserError\n")
    assert reached_modules(tmp_path / "stage.py") == ["lineage", "lineage.errors"]
