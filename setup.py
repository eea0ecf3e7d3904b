"""Adds to a wheel the files that its commands read and that have their place outside of the package.

All else is in pyproject.toml. `lineage/storage/packaged.py` finds these files.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PACKAGED = ["workflow/schemas/config.schema.yaml", "results/reference/published.parquet"]


class BuildWithFiles(build_py):
    """Copies them below `lineage/packaged`; an editable install reads them where they are."""

    def run(self) -> None:
        """Builds the package, then adds the files."""
        super().run()
        if not self.editable_mode:
            for name in PACKAGED:
                target = Path(self.build_lib, "lineage", "packaged", name)
                self.mkpath(str(target.parent))
                self.copy_file(name, str(target))


setup(cmdclass={"build_py": BuildWithFiles})
