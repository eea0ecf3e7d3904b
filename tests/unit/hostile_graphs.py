"""Files of graphs that no audit may trust: ONNX."""

from hostile import BAD, hostile, onnx_of
from onnx import TensorProto


def field(number: int, content: bytes) -> bytes:
    """A field of protobuf that has a length."""
    length, size = len(content), bytearray()
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | 2, *size, length]) + content


def model(graph: bytes) -> bytes:
    return b"\x08\x08" + field(7, graph)


@hostile("graphs-nested-deep.onnx", BAD, "nest deeper")
def _(path):
    graph = b""
    for _ in range(400):
        graph = field(1, field(5, field(6, graph)))
    path.write_bytes(model(graph))


@hostile("fields-without-end.onnx", BAD, "fields")
def _(path):
    path.write_bytes(model(b"\x10\x01" * 1_600_000))


@hostile("nodes-without-end.onnx", BAD, "fields")
def _(path):
    path.write_bytes(model(b"\x0a\x02\x0a\x00" * 800_000))


@hostile("number-without-end.onnx", BAD, "no number")
def _(path):
    path.write_bytes(model(b"\xff" * 200))


@hostile("length-beyond.onnx", BAD, "truncated")
def _(path):
    path.write_bytes(model(b"\x2a\xff\xff\xff\xff\x0f"))


@hostile("a-thousand-axes.onnx", BAD, "list of more")
def _(path):
    path.write_bytes(model(field(5, field(1, b"\x01" * 1000))))


@hostile("axes-one-by-one.onnx", BAD, "64 axes")
def _(path):
    path.write_bytes(model(field(5, b"\x08\x01" * 1000)))


@hostile("negative-axis.onnx", BAD, "lengths of 0 and more")
def _(path):
    onnx_of(path, TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[-4, 4], raw_data=b"1234"))


@hostile("name-of-a-megabyte.onnx", BAD, "a name of")
def _(path):
    onnx_of(path, TensorProto(name="w" * 2**20, data_type=TensorProto.FLOAT, dims=[2, 2]))


@hostile("no-values.onnx", BAD, "more than its bytes can hold")
def _(path):
    onnx_of(path, TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[30_000, 30_000]))


@hostile("one-name-for-all.onnx", BAD, "")
def _(path):
    path.write_bytes(model(field(5, b"\x08\x08\x10\x01" + field(8, b"w")) * 110_000))


@hostile("offset-elsewhere.onnx", BAD, "ends after")
def _(path):
    (path.parent / "data").write_bytes(bytes(10))
    tensor = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[64, 4], data_location=TensorProto.EXTERNAL
    )
    tensor.external_data.add(key="location", value="data")
    tensor.external_data.add(key="offset", value="-5000")
    onnx_of(path, tensor)
