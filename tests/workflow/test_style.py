"""The style checks, and what may not be imported where."""

import pytest

CHECKS = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "snakefmt": ("snakefmt", "--check", "Snakefile", "audit.smk", "workflow"),
    "snakemake --lint": ("snakemake", "--lint"),
}


@pytest.mark.parametrize("command", CHECKS.values(), ids=CHECKS.keys())
def test_style_is_clean(repository, command):
    code, output = repository.python("-m", *command)
    assert code == 0, output


PARSED = "config data errors lock provenance resources summary tables usage zoo"


def test_importing_the_package_imports_no_torch(repository):
    code, output = repository.python("-X", "importtime", "-c", "import lineage")
    assert code == 0, output
    assert "| lineage" in output
    assert "torch" not in output


@pytest.mark.parametrize("module", PARSED.split())
def test_what_the_snakefile_and_the_tables_import_has_no_torch(repository, module):
    looks = f"import sys, lineage.{module}; print('torch' in sys.modules)"
    code, output = repository.python("-c", looks)
    assert (code, output) == (0, "False\n")
