"""The same network in every format that is read: by the format's own library where one is installed, else by small
writers. Frameworks that lay kernels out otherwise get them so: inputs before outputs, and space first.
"""

import shutil
from pathlib import Path

import reading_exports
import reading_tensorflow
import reading_torch
from reading_networks import State

WRITERS = reading_torch.WRITERS | reading_tensorflow.WRITERS | reading_exports.WRITERS
"""By the name of the format."""


def written(name: str, state: State, folder: Path) -> Path:
    """The file of a state in a format, in a folder that is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return WRITERS[name](state, folder)
