"""The style checks, and what may not be imported where."""

import re

import pytest

CHECKS = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "snakefmt": ("snakefmt", "--check", "Snakefile", "audit.smk", "families.smk", "tree.smk", "workflow"),
    "snakemake --lint": ("snakemake", "--lint"),
}


@pytest.mark.parametrize("command", CHECKS.values(), ids=CHECKS.keys())
def test_style_is_clean(repository, command):
    code, output = repository.python("-m", *command)
    assert code == 0, output


def test_importing_the_package_imports_no_torch(repository):
    code, output = repository.python("-X", "importtime", "-c", "import lineage")
    assert code == 0, output
    assert "| lineage" in output
    assert "torch" not in output


SCRIPTS = ("evaluate", "figures", "report", "summarise", "tables")
"""Those of jobs that only read and write tables."""
IMPORT = re.compile(r"^(from lineage[\w.]* import|import) ([\w., ]+|\()$", re.MULTILINE)
FIRST = """
import sys
for statement in {statements}:
    exec(statement)
    assert "torch" not in sys.modules, statement
"""


def test_neither_the_snakefile_nor_the_tables_import_torch(repository):
    """The Snakefile is read again in every job; its imports and those of the tables' scripts, one after the other."""
    rules = sorted(repository.folder.glob("workflow/rules/*.smk"))
    scripts = [repository.path(f"workflow/scripts/{name}.py") for name in SCRIPTS]
    statements = set()
    for path in [*rules, *scripts]:
        for start, names in IMPORT.findall(path.read_text()):
            statements.add(f"{start} {names.replace('(', '*')}")
    assert len(statements) > 15
    code, output = repository.python("-c", FIRST.format(statements=sorted(statements)))
    assert code == 0, output
