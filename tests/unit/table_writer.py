"""Small writers of TensorFlow's checkpoints (a table of LevelDB's kind, and numbers) and of its frozen graphs."""

import struct
from pathlib import Path

import numpy as np

MAGIC = 0xDB4775248B80FB57


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def block(items: list[tuple[bytes, bytes]]) -> bytes:
    """A block whose keys begin with what the one before them begins with, and its trailer."""
    found, before = b"", b""
    for key, value in items:
        shared = next(
            (n for n, (a, b) in enumerate(zip(key, before, strict=False)) if a != b),
            min(len(key), len(before)),
        )
        found += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return found + struct.pack("<II", 0, 1) + bytes(5)


def table(items: list[tuple[bytes, bytes]], size: int = 40) -> bytes:
    """A table of blocks of `size` items."""
    data, index = b"", []
    for start in range(0, len(items), size):
        part = block(items[start : start + size])
        index.append((items[min(start + size, len(items)) - 1][0], varint(len(data)) + varint(len(part) - 5)))
        data += part
    meta, whole = block([]), block(index)
    handles = (
        varint(len(data)) + varint(len(meta) - 5) + varint(len(data) + len(meta)) + varint(len(whole) - 5)
    )
    return data + meta + whole + handles.ljust(40, b"\0") + struct.pack("<Q", MAGIC)


def entry(kind: int, shape, offset: int, size: int, shard: int = 0) -> bytes:
    axes = b"".join(b"\x12" + bytes([len(axis)]) + axis for axis in (b"\x08" + varint(n) for n in shape))
    return b"\x08" + varint(kind) + b"\x12" + varint(len(axes)) + axes + b"".join(
        bytes([field << 3]) + varint(number) for field, number in ((3, shard), (4, offset), (5, size))
    )  # fmt: skip


def bundle(path: Path, tensors: dict[str, np.ndarray], **changes: bytes) -> Path:
    """The index at `path`, the numbers beside it; `changes`: other entries by name."""
    kinds = {"float32": 1, "float64": 2, "int32": 3, "int8": 6, "int64": 9, "bfloat16": 14, "float16": 19}
    items, data = {b"": b"\x08\x01\x1a\x02\x08\x01"}, b""
    for name, values in tensors.items():
        stored = np.ascontiguousarray(values).tobytes()
        items[name.encode()] = entry(kinds[values.dtype.name], values.shape, len(data), len(stored))
        data += stored
    items |= {name.encode(): change for name, change in changes.items()}
    path.write_bytes(table(sorted(items.items())))
    path.with_name(f"{path.name.removesuffix('.index')}.data-00000-of-00001").write_bytes(data)
    return path


def part(number: int, value: bytes | int) -> bytes:
    """A field of a message of protobuf."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def constant(name: str, values: np.ndarray, *, in_fields: bool = False, **changes: bytes | int) -> bytes:
    """A node of a GraphDef; `in_fields`: its numbers one by one, and not in one run of bytes."""
    kinds = {"float32": 1, "float64": 2, "int32": 3, "float16": 19}
    shape = b"".join(part(2, part(1, length)) for length in changes.get("shape", values.shape))
    numbers = part(5 if in_fields else 4, np.ascontiguousarray(values).tobytes())
    tensor = part(1, changes.get("dtype", kinds[values.dtype.name])) + part(2, shape)
    tensor += changes.get("numbers", numbers)
    kind = part(5, part(1, b"dtype") + part(2, part(6, kinds[values.dtype.name])))
    value = part(5, part(1, b"value") + part(2, part(8, tensor)))
    return part(1, part(1, name.encode()) + part(2, b"Const") + kind + value)


def graph(tensors: dict[str, np.ndarray]) -> bytes:
    """A GraphDef that reads each of its constants."""
    found = part(1, part(1, b"input") + part(2, b"Placeholder"))
    for name, values in tensors.items():
        read = part(1, f"{name}/read".encode()) + part(2, b"Identity") + part(3, name.encode())
        found += constant(name, values) + part(1, read)
    return found + part(4, part(1, 1205))
