"""Files of graphs that no audit may trust: ONNX, OpenVINO, ncnn."""

import itertools

import numpy as np
from hostile import BAD, UNSUPPORTED, hostile
from hostile_onnx import onnx_of
from onnx import TensorProto
from openvino_writer import Graph


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


def openvino(path, prolog='<?xml version="1.0"?>', **said):
    graph = Graph(path)
    graph.constant("w", "f32", np.ones((8, 8), np.float32), **said)
    return graph.saved(prolog)


@hostile("laughs.xml", BAD, "type of document")
def _(path):
    """A billion laughs."""
    letters = "abcdefghij"
    entities = "".join(
        f'<!ENTITY {after} "{f"&{before};" * 10}">' for before, after in itertools.pairwise(letters)
    )
    openvino(path, f'<?xml version="1.0"?><!DOCTYPE net [<!ENTITY a "ha">{entities}]>')
    path.write_text(path.read_text().replace('"Const"', '"&j;"'))


@hostile("file-in-a-graph.xml", BAD, "type of document")
def _(path):
    openvino(path, '<?xml version="1.0"?><!DOCTYPE net [<!ENTITY a SYSTEM "file:///etc/passwd">]>')


@hostile("nested.xml", BAD, "broken graph")
def _(path):
    path.write_text('<?xml version="1.0"?><net name="n" version="11">' + "<layer>" * 1_000_000)


@hostile("layers-without-end.xml", BAD, "layers")
def _(path):
    path.write_text(
        '<?xml version="1.0"?><net name="n" version="11">' + '<layer id="1"/>' * 250_000 + "</net>"
    )


@hostile("huge-shape.xml", BAD, "limit")
def _(path):
    openvino(path, shape="1073741824, 1073741824")


@hostile("shape-beyond.xml", BAD, "takes")
def _(path):
    openvino(path, shape="800, 800")


@hostile("shape-of-words.xml", BAD, "whole numbers")
def _(path):
    openvino(path, shape="many")


@hostile("digits-without-end.xml", BAD, "whole numbers")
def _(path):
    openvino(path, shape="9" * 100_000)


@hostile("negative-offset.xml", BAD, "are said to be stored")
def _(path):
    openvino(path, offset=-256)


@hostile("offset-beyond.xml", BAD, "are said to be stored")
def _(path):
    openvino(path, offset=2**60)


@hostile("numbers-missing.xml", BAD, "no such file")
def _(path):
    openvino(path).with_suffix(".bin").unlink()


@hostile("numbers-elsewhere.xml", BAD, "leads out")
def _(path):
    openvino(path).with_suffix(".bin").unlink()
    path.with_suffix(".bin").symlink_to("/etc/hostname")


@hostile("nothing-in-it.xml", UNSUPPORTED, "no constants")
def _(path):
    Graph(path).saved()


@hostile("ring-of-operators.xml", BAD, "no floating point tensor")
def _(path):
    graph = Graph(path)
    graph.constant("w", "i8", np.ones((8, 8), np.int8))
    graph.operator("Convert", 0, 1)
    graph.edges.append('<edge from-layer="1" from-port="0" to-layer="1" to-port="0" />')
    graph.saved()


def ncnn(path, layers: str, numbers: bytes = bytes(400)):
    path.write_text(f"7767517\n1 1\n{layers}\n")
    path.with_suffix(".bin").write_bytes(numbers)


@hostile("shape-beyond.param", BAD, "ends after")
def _(path):
    ncnn(path, "InnerProduct l 1 1 0 1 0=800 2=640000")


@hostile("huge-shape.param", BAD, "")
def _(path):
    ncnn(path, "InnerProduct l 1 1 0 1 0=1 2=1000000000000")


@hostile("no-outputs.param", BAD, "do not fill")
def _(path):
    ncnn(path, "InnerProduct l 1 1 0 1 0=0 2=10")


@hostile("not-a-number.param", BAD, "setting")
def _(path):
    ncnn(path, "InnerProduct l 1 1 0 1 0=nan 2=inf")


@hostile("negative-inputs.param", BAD, "")
def _(path):
    ncnn(path, "InnerProduct l -5 -9 0 1 0=4 2=16")


@hostile("no-kernel.param", BAD, "missing")
def _(path):
    ncnn(path, "Convolution l 1 1 0 1 0=4 6=16")


@hostile("words.param", BAD, "line 3")
def _(path):
    ncnn(path, "InnerProduct l one two")


@hostile("layers-without-end.param", BAD, "")
def _(path):
    ncnn(path, "InnerProduct l 1 1 0 1 0=4 2=16\n" * 900_000)


@hostile("numbers-missing.param", BAD, "no such file")
def _(path):
    path.write_text("7767517\n1 1\nInput l 0 1 0\n")


@hostile("a-kilobyte-of-a-broadcast.param", BAD, "truncated or broken")
def _(path):
    ncnn(path, "Gemm l 1 1 0 1 6=1 7=4 8=4 9=4 10=77")
