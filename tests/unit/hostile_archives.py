"""More files of PyTorch that no audit may trust: zip archives that say two things, and every kind of operation."""

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import torch
from hostile import BAD, UNSUPPORTED, Runs, hostile, marker
from hostile_pickles import FOUR_NUMBERS, tensor_pickle, torch_archive

WHOLE = tensor_pickle(b"K\x00", b"K\x04", b"K\x01")
"""A state dict of one tensor of four numbers, as it should be."""


@hostile("two-files-in-one.pt", BAD, "not one that PyTorch wrote")
def _(path):
    """A pickle at the front, which torch.load would run, and an archive at the end."""
    torch_archive(path, WHOLE, more=FOUR_NUMBERS)
    path.write_bytes(pickle.dumps({"innocent": 1}, 2) + path.read_bytes())


@hostile("storage-beside-the-folder.pt", BAD, "not in the file")
def _(path):
    torch_archive(path, WHOLE, more=[("data/0", bytes(16))])


@hostile("stored-in-no-bytes.pt", BAD, "says both")
def _(path):
    torch_archive(path, WHOLE, more=[("archive/data/0", bytes(100))])
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(b"archive/data/0"))
    struct.pack_into("<I", data, entry + 20, 1)
    path.write_bytes(data)


@hostile("directory-of-two-sizes.npz", BAD, "zip directory of")
def _(path):
    """The end record says that the directory is small, the zip64 one, which readers prefer, that it is huge."""
    end64 = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 2**33, 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 4, 1)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, 46, 4, 0)
    path.write_bytes(b"PK\x03\x04" + end64 + locator + end)


@hostile("begins-beyond-every-disk.npz", BAD, "begins outside")
def _(path):
    """Where a member begins is said by its zip64 field, in a number that no file has."""
    member = zipfile.ZipInfo("w.npy")
    member.extra = struct.pack("<HHQ", 1, 8, 2**63 + 5)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, b"x")
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + 42, 0xFFFFFFFF)
    path.write_bytes(data)


@hostile("packed-storage-bomb.pt", BAD, "unpacks to")
def _(path):
    payload = tensor_pickle(b"K\x00", b"J\x00\x00\x00\x04", b"K\x01")
    torch_archive(path, payload, compress=zipfile.ZIP_DEFLATED, more=[("archive/data/0", bytes(2**28))])


@hostile("one-storage-read-forever.pt", BAD, "times over")
def _(path):
    """20,000 tensors of the same 40 MB."""
    numbers = torch.zeros(10**7)
    torch.save({str(index): numbers for index in range(20_000)}, path)


def bare(path, payload: bytes) -> None:
    torch_archive(path, b"\x80\x05" + payload)


@hostile("stack-global-eval.pt", BAD, "would call builtins.eval")
def _(path):
    bare(path, b"\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.")


@hostile("stack-global-of-numbers.pt", BAD, "a name of two parts")
def _(path):
    bare(path, b"K\x01K\x02\x93)R.")


@hostile("stack-global-of-a-long-name.pt", BAD, "a name of two parts")
def _(path):
    bare(path, b"X\xff\xff\x00\x00" + b"a" * 0xFFFF + b"\x8c\x01b\x93.")


@hostile("extension-registry.pt", BAD, "EXT1")
def _(path):
    bare(path, b"\x82\x01.")


@hostile("buffer-from-outside.pt", BAD, "NEXT_BUFFER")
def _(path):
    bare(path, b"\x97.")


@hostile("reference-as-text.pt", BAD, "PERSID")
def _(path):
    torch_archive(path, b"P0\n.")


@hostile("object-of-system.pt", BAD, "os.system")
def _(path):
    torch_archive(path, b"\x80\x02(cos\nsystem\nX\x04\x00\x00\x00exito.")


@hostile("new-object-by-keywords.pt", BAD, "posix.system")
def _(path):
    bare(path, b"cposix\nsystem\n)}\x92.")


@hostile("getattr-of-a-stand-in.pt", UNSUPPORTED, "no dictionary of float tensors")
def _(path):
    bare(path, b"cbuiltins\ngetattr\ncfoo\nBar\n\x8c\x08__call__\x86R.")


@hostile("stand-in-called.pt", BAD, "does not call")
def _(path):
    bare(path, b"cbuiltins\ngetattr\ncfoo\nBar\n\x8c\x08__call__\x86R)R.")


@hostile("set-of-what-hashes-forever.pt", BAD, "nest deeper")
def _(path):
    bare(path, b"\x8f()" + b"2\x86" * 200 + b"\x90.")


@hostile("frozen-set-of-lists.pt", UNSUPPORTED, "no dictionary of float tensors")
def _(path):
    bare(path, b"(]]]\x91.")


@hostile("memo-flood.pt", BAD, "operations")
def _(path):
    bare(path, b"N" + b"\x94" * 4_000_000 + b".")


@hostile("list-in-itself.pt", UNSUPPORTED, "no dictionary of float tensors")
def _(path):
    bare(path, b"]\x94h\x00a.")


@hostile("module-in-itself.pt", UNSUPPORTED, "no dictionary of float tensors")
def _(path):
    bare(path, b"cfoo\nNet\n)\x81\x94}\x8c\x08_modules}\x8c\x01ah\x00ssb.")


@hostile("modules-nested-deep.pt", BAD, "nest deeper")
def _(path):
    level = b"cfoo\nNet\n)\x81}\x8c\x08_modules}\x8c\x01a"
    bare(path, level * 500 + b"N" + b"ssb" * 500 + b".")


@hostile("stack-empty.pt", BAD, "broken pickle")
def _(path):
    bare(path, b"R.")


@hostile("no-end.pt", BAD, "broken pickle")
def _(path):
    bare(path, b"}")


@hostile("memo-of-nothing.pt", BAD, "broken pickle")
def _(path):
    bare(path, b"h\x07.")


@hostile("number-of-a-billion-digits.pt", BAD, "broken pickle")
def _(path):
    torch_archive(path, b"I" + b"9" * 3_000_000 + b"\n.")


def quantised(scale: bytes, zero: bytes, axis: bytes = b"") -> bytes:
    """A state dict of one quantised tensor of 16 numbers, of this scale and zero point."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nQInt8Storage\nX\x01\x00\x00\x000NK\x10tQ"
    scheme = b"(ctorch\nper_channel_affine\n" + scale + zero + axis + b"t"
    return (
        b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_qtensor\n("
        + storage + b"K\x00K\x10\x85K\x01\x85" + scheme + b"tRs."
    )  # fmt: skip


@hostile("scale-that-is-a-list.pt", BAD, "a quantised tensor")
def _(path):
    torch_archive(path, quantised(b"]", b"K\x00"), more=FOUR_NUMBERS)


@hostile("scales-of-another-length.pt", BAD, "a scale for each channel")
def _(path):
    part = WHOLE[WHOLE.index(b"ctorch._utils") : -2]
    torch_archive(path, quantised(part, part, b"K\x00"), more=FOUR_NUMBERS)


@hostile("storage-of-strings.pt", BAD, "no storage that is known")
def _(path):
    torch_archive(path, WHOLE.replace(b"FloatStorage", b"TextStorage"), more=FOUR_NUMBERS)


@hostile("script-that-calls.pt", BAD, "os.system")
def _(path):
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(4, 4)), buffer)
    with zipfile.ZipFile(buffer) as saved, zipfile.ZipFile(path, "w") as archive:
        for member in saved.infolist():
            content = saved.read(member)
            if member.filename.endswith("constants.pkl"):
                content = pickle.dumps(Runs(os.system, f"touch {marker(path)}"), 2).replace(b"posix", b"os")
            archive.writestr(member.filename, content)


@hostile("old-file-with-an-endless-pickle.pt", BAD, "broken pickle")
def _(path):
    with path.open("wb") as stream:
        pickle.dump(0x1950A86A20F9469CFC6C, stream, 2)
        stream.write(b"\x80\x04\x8e" + struct.pack("<Q", 2**40))
        stream.truncate(2**31)


@hostile("old-file-with-a-storage-twice.pt", BAD, "a storage that no tensor has")
def _(path):
    torch.save({"w": torch.ones(4)}, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    keys = data.rindex(b"\x80\x02]")
    key = data[keys:].split(b"X", 1)[1]
    length = int.from_bytes(key[:4], "little")
    name = b"X" + key[: 4 + length]
    path.write_bytes(data[:keys] + b"\x80\x02](" + name * 2 + b"e." + data[data.index(b".", keys) + 1 :])


def with_entry_changed(path: Path, at: int, kind: str, value: int) -> None:
    """An archive of an array, whose entry in the directory says something else."""
    np.savez(path, w=np.ones((8, 8), np.float32))
    data = bytearray(path.read_bytes())
    struct.pack_into(kind, data, data.index(b"PK\x01\x02") + at, value)
    path.write_bytes(data)


@hostile("patch-of-another-file.npz", BAD, "a patch of another file")
def _(path):
    with_entry_changed(path, 8, "<H", 0x20)


@hostile("packed-by-nobody.npz", BAD, "packed by method 77")
def _(path):
    with_entry_changed(path, 10, "<H", 77)
