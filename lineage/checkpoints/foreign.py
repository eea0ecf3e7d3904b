"""Kinds of models that are known and not read: each is told by its content, and refused with what to do instead."""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from lineage.checkpoints.archives import checked_members
from lineage.checkpoints.sniffing import Content, begins, is_orbax


@dataclass(frozen=True)
class Foreign:
    """A kind of file: what it is called, how its content tells, what to do; is_network: whether it may hold one."""

    name: str
    is_it: Callable[[Content], bool]
    instead: str
    is_network: bool = True


def _marked(mark: bytes) -> Callable[[Content], bool]:
    """Whether FlatBuffers' mark of a format stands in its place."""
    return lambda content: re.fullmatch(mark, content.head[4:8]) is not None


def _has_member(ending: str) -> Callable[[Content], bool]:
    return lambda content: content.is_zip and any(name.endswith(ending) for name in content.members)


def _several_archives(content: Content) -> bool:
    """Zip archives behind each other: the directory is that of the last one, which begins later."""
    return (
        content.is_zip
        and min((member.header_offset for member in checked_members(content.file)), default=0) > 0
    )


def _packed_pickle(content: Content) -> bool:
    """A pickle behind zlib."""
    head = content.head
    if head[:1] != b"\x78" or len(head) < 2 or int.from_bytes(head[:2]) % 31:
        return False
    try:
        return zlib.decompressobj().decompress(head, 2).startswith(b"\x80")
    except zlib.error:
        return False


def _keras_shards(content: Content) -> bool:
    """JSON that names files for each layer by its path."""
    is_json = content.text.startswith(b"{")
    return is_json and re.search(rb'"weight_map"\s*:\s*\{\s*"/', content.head) is not None


def _trees(content: Content) -> bool:
    """XGBoost's in JSON or UBJSON, LightGBM's text, CatBoost's."""
    is_xgboost = re.match(rb'\{\s*"learner"\s*:\s*\{|\{L.{8}learner\{', content.head, re.DOTALL)
    return bool(is_xgboost) or content.head.startswith((b"tree\nversion=", b"CBM1"))


FOREIGN = (
    Foreign(
        "a part of a distributed checkpoint of PyTorch",
        _several_archives,
        "join its folder by `python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER FILE`",
    ),
    Foreign(
        "of a checkpoint of Orbax",
        is_orbax,
        "restore it with Orbax, and save its parameters with flax.serialization.to_bytes or numpy.savez",
    ),
    Foreign(
        "a package of torch.package",
        _has_member("/.data/extern_modules"),
        "save the state_dict() of its model",
    ),
    Foreign(
        "a program of torch.export (.pt2)",
        _has_member("/archive_format"),
        "save the state_dict() of its module",
    ),
    Foreign("an index of Keras' shards", _keras_shards, "save the weights in a single file, as .weights.h5"),
    Foreign("a model of ONNX Runtime (.ort)", _marked(rb"ORTM"), "give the ONNX model that it was made of"),
    Foreign(
        "a program of ExecuTorch", _marked(rb"E[TH]\d\d"), "give the state_dict() that it was exported from"
    ),
    Foreign(
        "a pickle packed by zlib, as joblib writes",
        _packed_pickle,
        "write it again with joblib.dump(model, FILE, compress=0)",
    ),
    Foreign(
        "an array of NumPy (.npy)",
        begins(b"\x93NUMPY"),
        "save all arrays of a model by name with numpy.savez",
    ),
    Foreign("a file of MATLAB", begins(b"MATLAB "), "save its arrays by name with numpy.savez"),
    Foreign(
        "a model of GGML before GGUF",
        begins(b"lmgg", b"tjgg", b"fmgg", b"algg"),
        "convert it to GGUF by llama.cpp",
    ),
    Foreign("an engine of TensorRT", begins(b"ftrt", b"ptrt"), "give the model that it was built of"),
    Foreign("a model of RKNN", begins(b"RKNN"), "give the model that it was converted from"),
    Foreign("a model of decision trees", _trees, "only networks have weights to compare", is_network=False),
)
"""Tried in this order, and before the formats that are read."""


def foreign_kind(content: Content) -> Foreign | None:
    """The kind of a file, if it is one of these; raises a UserError for a broken archive."""
    return next((kind for kind in FOREIGN if kind.is_it(content)), None)
