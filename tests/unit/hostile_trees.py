"""Files of Flax, TensorFlow, and bare pickles that no audit may trust."""

import json
import pickle
import struct

import msgpack
import numpy as np
from hostile import BAD, UNSUPPORTED, hostile
from table_writer import block, bundle, constant, entry, part, table, varint

W = np.ones((8, 8), np.float32)


def array(shape, name="float32", data=b"") -> msgpack.ExtType:
    return msgpack.ExtType(1, msgpack.packb((shape, name, data)))


def flax(path, tree) -> None:
    path.write_bytes(msgpack.packb(tree))


@hostile("nested.msgpack", BAD, "nested deeper")
def _(path):
    path.write_bytes(b"\x81\xa1a" * 100_000 + b"\xc0")


@hostile("lists-in-lists.msgpack", BAD, "nested deeper")
def _(path):
    path.write_bytes(b"\x81\xa1a" + b"\x91" * 100_000 + b"\xc0")


@hostile("four-thousand-million-values.msgpack", BAD, "truncated")
def _(path):
    path.write_bytes(b"\x81\xa1a\xdd\xff\xff\xff\xff" + bytes(100))


@hostile("values-without-end.msgpack", BAD, "values")
def _(path):
    path.write_bytes(b"\x81\xa1a\xdd" + struct.pack(">I", 2_000_000) + bytes(2_000_000))


@hostile("huge-shape.msgpack", BAD, "limit")
def _(path):
    flax(path, {"a": {"kernel": array((2**30, 2**30), data=W.tobytes())}})


@hostile("shape-beyond.msgpack", BAD, "are stored")
def _(path):
    flax(path, {"a": {"kernel": array((800, 800), data=W.tobytes())}})


@hostile("negative-shape.msgpack", BAD, "without a shape")
def _(path):
    flax(path, {"a": {"kernel": array((-8, 8), data=W.tobytes())}})


@hostile("type-of-objects.msgpack", BAD, "of the type")
def _(path):
    flax(path, {"a": {"kernel": array((8, 8), "object", W.tobytes())}})


@hostile("array-in-an-array.msgpack", BAD, "nested deeper")
def _(path):
    flax(path, {"a": {"kernel": msgpack.ExtType(1, b"\x93" * 60_000)}})


@hostile("chunks-of-nothing.msgpack", BAD, "in chunks")
def _(path):
    flax(path, {"a": {"__msgpack_chunked_array__": True, "shape": {"0": 8}, "chunks": {"0": 1}}})


@hostile("text-of-a-megabyte.msgpack", BAD, "a text of")
def _(path):
    flax(path, {"a": {"kernel": "x" * 2**20}})


@hostile("no-arrays.msgpack", UNSUPPORTED, "no dictionary of float tensors")
def _(path):
    flax(path, {"parameters": {"b": 1}})


@hostile("bare-arrays-of-one-text.pkl", BAD, "more than its bytes can hold")
def _(path):
    """A megabyte of bytes, which ten thousand arrays have as their own."""
    data = bytes(2**20)

    class Array:
        def __reduce__(self):
            return np._core.multiarray._reconstruct, (np.ndarray, (0,), b"b"), (
                1, (2**18,), np.dtype("f4"), False, data
            )  # fmt: skip

    path.write_bytes(pickle.dumps({f"a.{number}": Array() for number in range(1000)}))


@hostile("arrays-over-the-limit.pkl", BAD, "arrays have more than")
def _(path):
    with path.open("wb") as stream:
        stream.write(b"\x80\x04}(\x8c\x01a\x8e" + struct.pack("<Q", 2**30))
        stream.truncate(2**29)


@hostile("array-in-itself.pkl", UNSUPPORTED, "no dictionary of float tensors")
def _(path):
    """An array whose state holds the array."""
    made = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btRq\x00"
    path.write_bytes(b"\x80\x04}X\x01\x00\x00\x00a" + made + b"(K\x01h\x00h\x00\x89h\x00tbs.")


FRONT = {b"": b"\x08\x01"}


@hostile("huge-shape.index", BAD, "limit")
def _(path):
    bundle(path, {"w": W}, w=entry(1, (2**30, 2**30), 0, 256))


@hostile("shape-beyond.index", BAD, "takes")
def _(path):
    bundle(path, {"w": W}, w=entry(1, (800, 800), 0, 256))


@hostile("negative-shape.index", BAD, "lengths of 0 and more")
def _(path):
    bundle(path, {"w": W}, w=entry(1, (2**64 - 8, 8), 0, 256))


@hostile("offset-beyond.index", BAD, "are said to be stored")
def _(path):
    bundle(path, {"w": W}, w=entry(1, (8, 8), 2**62, 256))


@hostile("another-file-of-numbers.index", BAD, "data-00077-of-00001")
def _(path):
    bundle(path, {"w": W}, w=entry(1, (8, 8), 0, 256, shard=77))


@hostile("many-variables-of-the-same-numbers.index", BAD, "than its bytes can hold")
def _(path):
    big = np.ones((1024, 1024), np.float32)
    same = {f"w{number}": entry(1, big.shape, 0, big.nbytes) for number in range(600)}
    bundle(path, {"w": big}, **same)


@hostile("keys-without-end.index", BAD, "keys")
def _(path):
    """A block of a million keys, each of which is the one before it, that an index names again and again."""
    items = (varint(0) + varint(0) + varint(0)) * 300_000
    data = items + struct.pack("<II", 0, 1) + bytes(5)
    index = block([(b"a", varint(0) + varint(len(data) - 5))] * 5)
    end = varint(0) + varint(0) + varint(len(data)) + varint(len(index) - 5)
    path.write_bytes(data + index + end.ljust(40, b"\0") + table([])[-8:])


@hostile("packed-blocks.index", BAD, "packed block")
def _(path):
    whole = bytearray(bundle(path, {"w": W}).read_bytes())
    whole[whole.index(struct.pack("<II", 0, 1)) + 8] = 1
    path.write_bytes(bytes(whole))


@hostile("key-longer-than-its-block.index", BAD, "")
def _(path):
    path.write_bytes(b"\0\0" + bundle(path, {"w": W}).read_bytes()[2:].replace(b"\x00\x01", b"\xff\x7f", 1))


@hostile("end-that-points-nowhere.index", BAD, "")
def _(path):
    path.write_bytes(b"\0\0" + bytes(60) + b"\xff" * 40 + table([])[-8:])


@hostile("big-endian.index", UNSUPPORTED, "big endian")
def _(path):
    path.write_bytes(table([(b"", b"\x08\x01\x10\x01")]))


@hostile("no-variables.index", BAD, "no floating point tensor")
def _(path):
    path.write_bytes(table([*FRONT.items()]))


def tfjs(path, **changes) -> None:
    """A model of TensorFlow.js of one tensor, whose numbers lie beside it."""
    path.with_name(f"{path.name}.numbers").write_bytes(W.tobytes())
    weight = {"name": "w", "shape": [8, 8], "dtype": "float32"} | changes.pop("weight", {})
    group = {"paths": [f"{path.name}.numbers"], "weights": [weight]} | changes
    path.write_text(json.dumps({"modelTopology": {}, "weightsManifest": [group]}))


@hostile("numbers-elsewhere.tfjs.json", BAD, "outside")
def _(path):
    tfjs(path, paths=["../../etc/passwd"])


@hostile("numbers-twice.tfjs.json", BAD, "twice")
def _(path):
    tfjs(path, paths=[f"{path.name}.numbers"] * 100_000)


@hostile("huge.tfjs.json", BAD, "more than the limit")
def _(path):
    tfjs(path, weight={"shape": [2**40, 2**40]})


@hostile("infinite.tfjs.json", BAD, "list of weights")
def _(path):
    tfjs(path, weight={"shape": [float("inf"), 2]})


@hostile("many-weights.tfjs.json", BAD, "more than")
def _(path):
    tfjs(path, weights=[{"name": str(n), "shape": [0], "dtype": "float32"} for n in range(100_001)])


@hostile("nested.tfjs.json", BAD, "expected JSON")
def _(path):
    path.write_text('{"weightsManifest": ' + "[" * 200_000)


@hostile("huge-constant.pb", BAD, "more than the limit")
def _(path):
    path.write_bytes(constant("w", W, shape=(2**40, 2**40)))


@hostile("truncated-graph.pb", BAD, "truncated")
def _(path):
    path.write_bytes(constant("w", W)[:-90])


@hostile("many-constants.pb", BAD, "more than")
def _(path):
    path.write_bytes(b"".join(constant(str(n), W[:1, :2]) for n in range(100_001)))


@hostile("many-attributes.pb", BAD, "fields")
def _(path):
    path.write_bytes(part(1, part(1, b"n") + part(2, b"Const") + part(5, b"") * 1_600_000))
