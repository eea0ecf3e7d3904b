"""Files of TensorFlow Lite that no audit may trust."""

import struct

import numpy as np
from hostile import BAD, hostile
from tflite_writer import tflite_of

W = np.ones((8, 8), np.float32)


def whole() -> bytearray:
    return bytearray(tflite_of({"w": (W, "float32", {})}))


@hostile("of-nothing.tflite", BAD, "truncated")
def _(path):
    path.write_bytes(struct.pack("<I", 8) + b"TFL3")


@hostile("root-beyond.tflite", BAD, "leads out")
def _(path):
    path.write_bytes(struct.pack("<I", 2**31) + b"TFL3" + bytes(100))


@hostile("root-is-itself.tflite", BAD, "")
def _(path):
    path.write_bytes(struct.pack("<I", 0) + b"TFL3" + bytes(100))


@hostile("cut.tflite", BAD, "truncated")
def _(path):
    path.write_bytes(whole()[:200])


@hostile("huge-shape.tflite", BAD, "limit")
def _(path):
    path.write_bytes(tflite_of({"w": (W, "float32", {"shape": (2**30, 2**30)})}))


@hostile("shape-beyond.tflite", BAD, "are stored")
def _(path):
    path.write_bytes(tflite_of({"w": (W, "float32", {"shape": (800, 800)})}))


@hostile("negative-shape.tflite", BAD, "lengths of 0 and more")
def _(path):
    path.write_bytes(tflite_of({"w": (W, "float32", {"shape": (-8, 8)})}))


@hostile("scales-of-another-length.tflite", BAD, "cannot be read")
def _(path):
    path.write_bytes(tflite_of({"w": (W.astype(np.int8), "int8", {"scale": np.ones(5)})}))


@hostile("one-buffer-for-all.tflite", BAD, "than its bytes can hold")
def _(path):
    big = np.ones((512, 512), np.float32)
    tensors = {
        f"w{n}": (big if n == 0 else W[:1, :1], "float32", {"shape": (512, 512), "buffer": 1})
        for n in range(400)
    }
    path.write_bytes(tflite_of(tensors))


@hostile("tables-without-end.tflite", BAD, "")
def _(path):
    data = whole()
    at = data.rindex(struct.pack("<I", 1), 0, len(data))
    data[at : at + 4] = struct.pack("<I", 2**20)
    path.write_bytes(bytes(data) + bytes(2**23))
