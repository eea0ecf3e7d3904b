"""Hostile HDF5 and Keras files: links, groups in themselves, and numbers that are not stored."""

import zipfile
from pathlib import Path

import h5py
import numpy as np
from hostile import BAD, UNSUPPORTED, hostile


@hostile("external-link.h5", BAD, "link")
def _(path):
    with h5py.File(path, "w") as file:
        file.attrs["kind"] = "weights"
        file.create_group("models/p0")["w"] = h5py.ExternalLink("/etc/hostname", "/")


@hostile("external-storage.h5", BAD, "another file")
def _(path):
    with h5py.File(path, "w") as file:
        file.attrs["kind"] = "weights"
        file.create_group("models/p0").create_dataset(
            "w", (16,), "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
        )


@hostile("unwritten-petabyte.h5", BAD, "limit")
def _(path):
    with h5py.File(path, "w") as file:
        file.attrs["kind"] = "weights"
        file.create_group("models/p0").create_dataset("w", (2**25, 2**25), "f4", chunks=(64, 64))


@hostile("hdf5-bomb.h5", BAD, "are stored")
def _(path):
    with h5py.File(path, "w") as file:
        file.attrs["kind"] = "weights"
        file.create_group("models/p0").create_dataset("w", (2**14, 2**14), "f4", chunks=(64, 64))


@hostile("another-layout.h5", UNSUPPORTED, "HDF5")
def _(path):
    with h5py.File(path, "w") as file:
        file["w"] = np.ones(4)


def keras(path: Path):
    file = h5py.File(path, "w")
    file.attrs["keras_version"] = "3.0"
    return file


@hostile("link-out-of-keras.h5", BAD, "link")
def _(path):
    with keras(path) as file:
        file.create_group("model_weights")["w"] = h5py.ExternalLink("/etc/hostname", "/")


@hostile("many-ways-to-one-group.h5", BAD, "two names")
def _(path):
    """Twenty groups, each in the one before under two names: a million ways."""
    with keras(path) as file:
        group = file
        for _ in range(20):
            inner = group.create_group("a")
            group["b"] = inner
            group = inner
        group["w"] = np.ones((4, 4), np.float32)


@hostile("group-in-itself.h5", BAD, "two names")
def _(path):
    with keras(path) as file:
        file["again"] = file["/"]


@hostile("bomb-of-keras.h5", BAD, "are stored")
def _(path):
    with keras(path) as file:
        file.create_dataset("w", (2**14, 2**14), "f4", chunks=(64, 64), compression="gzip")


@hostile("nothing-in-it.keras", BAD, "broken HDF5")
def _(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(100))


@hostile("weights-unpack-without-end.keras", BAD, "unpacks to")
def _(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(2**26))


@hostile("truncated.h5", BAD, "")
def _(path):
    with h5py.File(path, "w") as file:
        file["w"] = np.ones(100_000)
    path.write_bytes(path.read_bytes()[:3000])
