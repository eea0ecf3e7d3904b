"""Files that lie outside of the package: in a checkout where the workflow has them, in a wheel inside the package.

`setup.py` says which of them a wheel holds.
"""

from importlib import resources
from pathlib import Path

INSTALLED = Path(str(resources.files("lineage"))) / "packaged"
"""Where `setup.py` puts them in a wheel; a checkout has no such folder."""


def packaged(path: str) -> Path:
    """A file or folder of the repository, named by its path there; it need not be part of a wheel."""
    return (INSTALLED if INSTALLED.is_dir() else INSTALLED.parents[1]) / path
