"""Hostile ONNX files: data elsewhere, and shapes that the data do not fill."""

from pathlib import Path

import numpy as np
import onnx
from hostile import BAD, hostile
from onnx import TensorProto, helper


def onnx_of(path: Path, *initialisers: TensorProto) -> None:
    graph = helper.make_graph([], "g", [], [], initializer=initialisers)
    path.write_bytes(helper.make_model(graph).SerializeToString())


def with_data_at(path: Path, location: str) -> None:
    tensor = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[64, 4], data_location=TensorProto.EXTERNAL
    )
    tensor.external_data.add(key="location", value=location)
    onnx_of(path, tensor)


@hostile("elsewhere.onnx", BAD, "outside")
def _(path):
    with_data_at(path, "../../../etc/passwd")


@hostile("in-a-file-without-a-name.onnx", BAD, "no file can be called so")
def _(path):
    with_data_at(path, "a\0b")


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
