"""Hostile safetensors and indices of shards: headers that say too much, values that are no numbers."""

import json
import struct
from pathlib import Path

import numpy as np
from hostile import BAD, UNSUPPORTED, hostile
from safetensors.numpy import save_file


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
