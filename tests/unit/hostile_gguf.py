"""Files of GGUF that no audit may trust."""

import struct

from hostile import BAD, UNSUPPORTED, hostile


def string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def header(tensors: int, pairs: int, rest: bytes = b"", version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, pairs) + rest


def tensor(shape: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    sizes = struct.pack(f"<{len(shape)}Q", *shape)
    return string(b"w") + struct.pack("<I", len(shape)) + sizes + struct.pack("<IQ", kind, offset)


FILES = {
    "of-version-1.gguf": (UNSUPPORTED, "version 1", header(0, 0, version=1)),
    "of-zeros.gguf": (UNSUPPORTED, "version 0", b"GGUF" + bytes(100)),
    "too-many-tensors.gguf": (BAD, "over the limit", header(2**40, 0)),
    "pairs-without-end.gguf": (BAD, "truncated", header(1, 2**60, string(b"a") + bytes(30))),
    "string-beyond.gguf": (BAD, "truncated", header(0, 1, struct.pack("<Q", 2**63) + b"a")),
    "list-beyond.gguf": (BAD, "truncated", header(0, 1, string(b"a") + struct.pack("<IIQ", 9, 4, 2**61))),
    "lists-nested-deep.gguf": (
        BAD,
        "none of GGUF",
        header(0, 1, string(b"a") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 50),
    ),
    "empty-strings-without-end.gguf": (
        BAD,
        "strings",
        header(0, 1, string(b"a") + struct.pack("<IIQ", 9, 8, 2**60) + bytes(8 * 1_000_100)),
    ),
    "huge-shape.gguf": (BAD, "limit", header(1, 0, tensor((2**30, 2**30)))),
    "tensor-beyond.gguf": (BAD, "truncated", header(1, 0, tensor((2**20,)))),
    "offset-beyond.gguf": (BAD, "truncated", header(1, 0, tensor((4,), offset=2**62))),
    "broken-blocks.gguf": (BAD, "whole blocks", header(1, 0, tensor((33,), kind=8))),
    "many-axes.gguf": (BAD, "axes", header(1, 0, string(b"w") + struct.pack("<I", 2**31))),
    "unknown-type.gguf": (BAD, "no floating point tensor", header(1, 0, tensor((4,), kind=999))),
}

for _name, (_code, _words, _content) in FILES.items():
    hostile(_name, _code, _words)(lambda path, content=_content: path.write_bytes(content))
