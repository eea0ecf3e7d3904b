"""Hostile archives of arrays: they unpack without end, overlap, lead out, or say more than they hold."""

import os
import struct
import zipfile

import numpy as np
from hostile import BAD, Runs, hostile, marker


@hostile("zip-bomb.npz", BAD, "unpacks to")
def _(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("w.npy", "w", force_zip64=True) as stream:
            np.lib.format.write_array_header_1_0(
                stream, {"descr": "<f4", "fortran_order": False, "shape": (2**28,)}
            )
            for _ in range(256):
                stream.write(bytes(2**20))


@hostile("overlapping.npz", BAD, "")
def _(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", bytes(100_000))
    data = path.read_bytes()
    directory = data.index(b"PK\x01\x02")
    end = data.rindex(b"PK\x05\x06")
    record = data[directory:end]
    copies = b"".join(record.replace(b"a.npy", b"%c.npy" % letter) for letter in b"abcdef")
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 6, 6, len(copies), directory, 0)
    path.write_bytes(data[:directory] + copies + tail)


@hostile("path-traversal.npz", BAD, "leads out")
def _(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../evil.npy", b"x")


@hostile("huge-shape.npz", BAD, "limit")
def _(path):
    with zipfile.ZipFile(path, "w") as archive, archive.open("w.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**6)}
        )


@hostile("short-member.npz", BAD, "takes")
def _(path):
    with zipfile.ZipFile(path, "w") as archive, archive.open("w.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "<f4", "fortran_order": False, "shape": (1000, 1000)}
        )


@hostile("objects.npz", BAD, "no floating point tensor")
def _(path):
    np.savez(path, w=np.array([Runs(os.system, f"touch {marker(path)}")], dtype=object))


@hostile("truncated.npz", BAD, "")
def _(path):
    np.savez(path, w=np.ones((50, 50), np.float32))
    path.write_bytes(path.read_bytes()[:5000])
