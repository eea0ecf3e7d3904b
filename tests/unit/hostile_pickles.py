"""Files of PyTorch that no audit may trust: pickles that would call something, take forever, or say too much."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from hostile import BAD, UNSUPPORTED, Runs, hostile, marker


def torch_archive(path: Path, payload: bytes, *, compress: int = zipfile.ZIP_STORED, more=()) -> None:
    with zipfile.ZipFile(path, "w", compress) as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
        for name, content in more:
            archive.writestr(name, content)


@hostile("system.pt", BAD, "system")
def _(path):
    torch_archive(path, pickle.dumps(Runs(os.system, f"touch {marker(path)}"), 2))


@hostile("eval.pth", BAD, "eval")
def _(path):
    torch_archive(path, pickle.dumps({"w": Runs(eval, f"open({marker(path)!r}, 'w')")}, 2))


@hostile("open-protocol-4.bin", BAD, "would call")
def _(path):
    torch_archive(path, pickle.dumps(Runs(open, marker(path), "w"), 4))


@hostile("bare-pickle.pt", BAD, "system")
def _(path):
    path.write_bytes(pickle.dumps(Runs(os.system, f"touch {marker(path)}"), 2))


@hostile("instance-opcode.pt", BAD, "os.system")
def _(path):
    torch_archive(path, f"(S'touch {marker(path)}'\nios\nsystem\n.".encode())


@hostile("legacy-format.pt", BAD, "system")
def _(path):
    with path.open("wb") as stream:
        for item in (0x1950A86A20F9469CFC6C, 1001, {}, Runs(os.system, f"touch {marker(path)}"), []):
            pickle.dump(item, stream, 2)


@hostile("hidden-behind-a-state-dict.pt", BAD, "system")
def _(path):
    buffer = io.BytesIO()
    torch.save({"w": torch.ones(4, 4)}, buffer)
    with zipfile.ZipFile(buffer) as saved, zipfile.ZipFile(path, "w") as archive:
        for member in saved.infolist():
            content = saved.read(member)
            if member.filename.endswith("data.pkl"):
                content = pickle.dumps(Runs(os.system, f"touch {marker(path)}"), 2)
            archive.writestr(member.filename, content)


@hostile("billion-bytes.pt", UNSUPPORTED, "no dictionary of float tensors")
def _(path):
    torch_archive(path, pickle.dumps(Runs(bytearray, 10**11), 2))


@hostile("huge-pickle.pt", BAD, "operations")
def _(path):
    torch_archive(path, b"\x80\x02" + b"N0" * 5_000_000 + b"N.")


@hostile("expanded-tensor.pt", BAD, "larger than what the file stores")
def _(path):
    torch.save({"w": torch.ones(1).expand(2**15, 2**14)}, path)


@hostile("huge-shape.pt", BAD, "larger than what")
def _(path):
    torch.save({"w": torch.ones(1).expand(2**20, 2**20)}, path)


@hostile("meta-tensor.pt", UNSUPPORTED, "")
def _(path):
    torch.save({"w": torch.empty(2**20, 2**20, device="meta")}, path)


@hostile("deep.pt", BAD, "nest deeper")
def _(path):
    nested = {"w": torch.ones(2, 2)}
    for _ in range(40):
        nested = {"deeper": nested}
    torch.save(nested, path)


@hostile("zip-bomb.pt", BAD, "unpacks to")
def _(path):
    torch_archive(path, bytes(50_000_000), compress=zipfile.ZIP_DEFLATED)


@hostile("compressed.pt", BAD, "broken pickle")
def _(path):
    torch_archive(path, bytes(range(256)) * 4, compress=zipfile.ZIP_DEFLATED)


@hostile("key-that-hashes-forever.pt", UNSUPPORTED, "no dictionary of float tensors")
def _(path):
    torch_archive(path, b"\x80\x02})" + b"2\x86" * 200 + b"Ns.")


@hostile("key-nested-to-overflow.pt", UNSUPPORTED, "no dictionary of float tensors")
def _(path):
    torch_archive(path, b"\x80\x02})" + b"\x85" * 300_000 + b"Ns.")


@hostile("memo-far-away.pt", UNSUPPORTED, "no dictionary of float tensors")
def _(path):
    torch_archive(path, b"\x80\x02}r\xff\xff\xff\x7f.")


@hostile("one-list-copied-often.pt", BAD, "items in its OrderedDicts")
def _(path):
    pairs = b"](" + b"(X\x01\x00\x00\x00wNl" * 50_000 + b"e"
    copies = b"".join(b"h\x01h\x00\x85R0" for _ in range(100_000))
    torch_archive(path, b"\x80\x02" + pairs + b"q\x00ccollections\nOrderedDict\nq\x01" + copies + b"}.")


@hostile("one-tuple-used-often.pt", BAD, "tuple of at most")
def _(path):
    arguments = b"(" + b"N" * 50_000 + b"t"
    torch_archive(path, b"\x80\x02" + arguments + b"q\x00ctorch\nSize\nh\x00R.")


@hostile("number-called.pt", BAD, "does not call")
def _(path):
    torch_archive(path, b"\x80\x02K\x01)R.")


@hostile("dtype-called.pt", BAD, "does not call")
def _(path):
    torch_archive(path, b"\x80\x02ctorch\nfloat32\n)R.")


def tensor_pickle(offset: bytes, shape: bytes, strides: bytes, key: bytes = b"0") -> bytes:
    """A state dict of one tensor of a storage of four float32 numbers."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x00" + key + b"NK\x04tQ"
    view = offset + shape + b"\x85" + strides + b"\x85"
    return b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor\n(" + storage + view + b"tRs."


FOUR_NUMBERS = [("archive/data/0", bytes(16))]


@hostile("offset-outside.pt", BAD, "larger than what the file stores")
def _(path):
    torch_archive(path, tensor_pickle(b"K\x02", b"K\x03", b"K\x01"), more=FOUR_NUMBERS)


@hostile("strides-outside.pt", BAD, "larger than what the file stores")
def _(path):
    torch_archive(path, tensor_pickle(b"K\x00", b"K\x03", b"K\x02"), more=FOUR_NUMBERS)


@hostile("negative-offset.pt", BAD, "of 0 and more")
def _(path):
    torch_archive(path, tensor_pickle(b"J\xff\xff\xff\xff", b"K\x03", b"K\x01"), more=FOUR_NUMBERS)


@hostile("missing-storage.pt", BAD, "not in the file")
def _(path):
    torch_archive(path, tensor_pickle(b"K\x00", b"K\x03", b"K\x01", key=b"7"), more=FOUR_NUMBERS)


@hostile("storage-twice.pt", BAD, "more often than once")
def _(path):
    with pytest.warns(UserWarning, match="Duplicate"):
        torch_archive(path, tensor_pickle(b"K\x00", b"K\x03", b"K\x01"), more=FOUR_NUMBERS * 2)


@hostile("state-for-a-tensor.pt", BAD, "gives a state")
def _(path):
    tensor = tensor_pickle(b"K\x00", b"K\x03", b"K\x01")
    torch_archive(path, tensor.replace(b"Rs.", b"R}bs."), more=FOUR_NUMBERS)
