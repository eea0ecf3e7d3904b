"""The digest that decides which stages run again: what changes it, and what leaves it."""

import os
import shutil

import pytest
from small_packages import digest, forget, reach, small_package, write

from lineage.jobs.code_digest import code_of, reached_modules


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return small_package(tmp_path)


def test_a_comment_docstring_or_formatting_edit_leaves_the_digest(folder):
    write(folder, stage="import os\nfrom pkg.b import thing\nfrom pkg import a\nprint(thing( ), os.name)\n")
    before = digest(folder)
    write(
        folder,
        stage='"""Stage."""\n\nfrom pkg import a  # one\nimport os\nfrom pkg.b import (\n    thing,\n)\n\n'
        "print(\n    thing(),\n    os.name,\n)\n",
        pkg__c='"""Says it."""\n\n\ndef thing():\n    """One."""\n    # why\n    return (1)\n',
        pkg__a='VALUE = 1\n"""Of a."""\n',
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
    [
        {"stage": "from pkg.sub import near\nprint(1)\n"},
        {"pkg__init": "X = 1\n"},
        {"pkg__sub__init": "X = 1\n"},
    ],
)
def test_the_script_and_the_packages_on_the_path_are_part_of_the_digest(folder, edit):
    write(folder, stage="from pkg.sub import near\n")
    before = digest(folder)
    write(folder, **edit)
    assert digest(folder) != before


def test_the_digest_does_not_depend_on_the_place_or_the_times_of_the_files(
    folder, tmp_path_factory, monkeypatch
):
    write(folder, stage="from pkg.sub import near\n")
    before = digest(folder)
    moved = tmp_path_factory.mktemp("elsewhere") / "deeper"
    shutil.copytree(folder, moved)
    shutil.rmtree(folder / "pkg")
    for path in moved.rglob("*.py"):
        os.utime(path, (1, 1))
    monkeypatch.syspath_prepend(moved)
    forget()
    assert digest(moved) == before


def test_the_digest_does_not_depend_on_which_other_scripts_were_read_before(folder):
    write(folder, first="from pkg.sub import near\n", stage="from pkg.sub import deep\n")
    alone = digest(folder)
    code_of(folder / "first.py", "pkg")
    assert digest(folder) == alone
    assert len(alone) == 16
    assert int(alone, 16) >= 0


def test_moving_code_between_reached_modules_changes_the_digest(folder):
    write(folder, stage="from pkg import a, c\n", pkg__a="X = 1\n", pkg__c="X = 2\n")
    before = digest(folder)
    write(folder, pkg__a="X = 2\n", pkg__c="X = 1\n")
    assert digest(folder) != before


def test_a_module_without_a_statement_holds_no_code(folder):
    write(folder, stage="from pkg.sub import near\n")
    before = digest(folder)
    write(folder, pkg__init='"""The package."""\n', pkg__sub__init='"""The room."""\n\n# why\n')
    assert digest(folder) == before
    assert reached_modules(folder / "stage.py", "pkg") == ["pkg.a", "pkg.sub.deep", "pkg.sub.near"]


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
