"""Files that no audit may trust: each maker writes one and says which words its refusal must hold."""

import json
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import onnx
from onnx import TensorProto, helper
from safetensors.numpy import save_file

MARKER = "the-pickle-ran"
BAD, UNSUPPORTED = 2, 5

Maker = Callable[[Path], None]
HOSTILE: dict[str, tuple[Maker, int, str]] = {}
"""Name of the file: how it is made, the exit code, words of the one line."""


def hostile(name: str, code: int, words: str):
    def keep(maker: Maker) -> Maker:
        HOSTILE[name] = (maker, code, words)
        return maker

    return keep


class Runs:
    """An object whose pickle calls a function when it is loaded."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def marker(path: Path) -> str:
    return str(path.parent / MARKER)


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


@hostile("oversized-header.safetensors", BAD, "header says")
def _(path):
    path.write_bytes(struct.pack("<Q", 2**40) + b'{"w":1}' + bytes(64))


@hostile("truncated-header.safetensors", BAD, "header says")
def _(path):
    path.write_bytes(struct.pack("<Q", 500) + b'{"w":')


@hostile("truncated-data.safetensors", BAD, "")
def _(path):
    save_file({"w": np.ones((100, 100), np.float32)}, path)
    path.write_bytes(path.read_bytes()[:20_000])


def safetensors_of(path: Path, header: dict, data: bytes = b"") -> None:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@hostile("wrong-dtype.safetensors", BAD, "")
def _(path):
    safetensors_of(path, {"w": {"dtype": "PICKLE", "shape": [1], "data_offsets": [0, 4]}}, bytes(4))


@hostile("offsets-outside.safetensors", BAD, "")
def _(path):
    safetensors_of(path, {"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}, bytes(4))


@hostile("deep-header.safetensors", BAD, "")
def _(path):
    text = b'{"w":' + b"[" * 200_000
    path.write_bytes(struct.pack("<Q", len(text)) + text)


@hostile("nan.safetensors", BAD, "NaN")
def _(path):
    save_file({"fc.weight": np.full((64, 32), np.nan, np.float32)}, path)


@hostile("infinite.safetensors", BAD, "infinite")
def _(path):
    values = np.ones((64, 32), np.float16)
    values[3, 4] = np.inf
    save_file({"fc.weight": values}, path)


@hostile("integers-only.safetensors", UNSUPPORTED, "int64")
def _(path):
    save_file({"w": np.ones((4, 4), np.int64)}, path)


@hostile("shard-elsewhere.safetensors.index.json", BAD, "outside")
def _(path):
    path.write_text(json.dumps({"weight_map": {"w": "../../../etc/passwd"}}))


@hostile("no-index.json", UNSUPPORTED, "weight_map")
def _(path):
    path.write_text('{"a": 1}')


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


def onnx_of(path: Path, *initialisers: TensorProto) -> None:
    graph = helper.make_graph([], "g", [], [], initializer=initialisers)
    path.write_bytes(helper.make_model(graph).SerializeToString())


@hostile("elsewhere.onnx", BAD, "outside")
def _(path):
    tensor = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[64, 4], data_location=TensorProto.EXTERNAL
    )
    tensor.external_data.add(key="location", value="../../../etc/passwd")
    onnx_of(path, tensor)


@hostile("in-a-file-without-a-name.onnx", BAD, "no file can be called so")
def _(path):
    tensor = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[64, 4], data_location=TensorProto.EXTERNAL
    )
    tensor.external_data.add(key="location", value="a\0b")
    onnx_of(path, tensor)


@hostile("huge-shape.onnx", BAD, "limit")
def _(path):
    onnx_of(path, TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**30, 2**30]))


@hostile("short-data.onnx", BAD, "cannot be read")
def _(path):
    onnx_of(path, TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[640, 64], raw_data=b"1234"))


@hostile("truncated.onnx", BAD, "truncated")
def _(path):
    onnx_of(path, onnx.numpy_helper.from_array(np.ones((100, 100), np.float32), "w"))
    path.write_bytes(path.read_bytes()[:3000])


@hostile("page.pt", BAD, "web page")
def _(path):
    path.write_text("<!DOCTYPE html><html><body>404</body></html>")


@hostile("pointer.safetensors", BAD, "Git LFS")
def _(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")


@hostile("empty.pt", BAD, "is empty")
def _(path):
    path.touch()


@hostile("missing.pt", BAD, "no such file")
def _(path):
    pass


@hostile("link-out.pt", BAD, "leads out")
def _(path):
    path.symlink_to("/etc/hostname")


@hostile("link-to-nothing.pt", BAD, "does not exist")
def _(path):
    path.symlink_to("nothing-here.pt")


@hostile("link-to-itself.pt", BAD, "link")
def _(path):
    path.symlink_to(path.name)


@hostile("device.pt", BAD, "link")
def _(path):
    path.symlink_to("/dev/zero")


@hostile("pipe.pt", BAD, "a pipe")
def _(path):
    os.mkfifo(path)


@hostile("folder.pt", BAD, "a folder")
def _(path):
    path.mkdir()


@hostile("packed.pt", UNSUPPORTED, "packed")
def _(path):
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("x"))


@hostile("noise.bin", UNSUPPORTED, "no format")
def _(path):
    path.write_bytes(np.random.default_rng(0).integers(128, 255, 5000, np.uint8).tobytes())


@hostile("text.ckpt", UNSUPPORTED, "no format")
def _(path):
    path.write_text("hello, world, this is no checkpoint\n")
