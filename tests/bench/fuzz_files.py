"""Small files with a layer of each kind, for `fuzz_readers.py` to change; adapters, packed and sparse weights too."""

import json
import pickle
from pathlib import Path

import joblib
import numpy as np
import scipy.sparse
import torch
from reading_networks import State
from reading_writers import written
from safetensors.numpy import save_file
from tflite_writer import tflite_of

DRAWN = np.random.default_rng(0)


def drawn(*shape: int) -> np.ndarray:
    return DRAWN.normal(size=shape).astype(np.float32)


SMALL: State = {
    name: drawn(*shape)
    for name, shape in {
        "conv1.weight": (8, 3, 3, 3), "conv1.bias": (8,), "embed.weight": (12, 32),
        "lstm.weight_ih_l0": (24, 32), "lstm.weight_hh_l0": (24, 6), "lstm.bias_ih_l0": (24,),
        "lstm.bias_hh_l0": (24,),
        "block.0.fc.weight": (10, 32), "block.0.fc.bias": (10,), "head.weight": (4, 10),
    }.items()
}  # fmt: skip
"""A layer of each kind, so small that most changes hit something else than weights."""


def packed(*shape: int) -> np.ndarray:
    return DRAWN.integers(0, 2**31 - 1, shape, dtype=np.int32)


def of_adapter(state: State, folder: Path) -> Path:
    """Layers of three kinds and their base, which the configuration names."""
    adapter = {"lstm.weight_ih_l0.x": drawn(2)}
    adapter |= {"block.0.fc.lora_A.weight": drawn(2, 32), "block.0.fc.lora_B.weight": drawn(10, 2)}
    adapter |= {
        "conv1.lokr_w1": drawn(2, 3),
        "conv1.lokr_w2": drawn(4, 1, 3, 3),
        "conv1.alpha": np.array(3, np.float32),
    }
    adapter |= {f"head.hada_w{number}_{side}": drawn(*shape) for number in (1, 2)
                for side, shape in (("a", (4, 2)), ("b", (2, 10)))}  # fmt: skip
    save_file(state, folder / "base.safetensors")
    save_file(adapter, folder / "adapter_model.safetensors")
    config = {
        "r": 2,
        "lora_alpha": 3,
        "alpha_pattern": {"fc": 4},
        "base_model_name_or_path": "base.safetensors",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder / "adapter_model.safetensors"


def of_packed(state: State, folder: Path) -> Path:
    """Matrices as GPTQ and AWQ pack them, and with 8-bit floats and scales."""
    tensors = dict(state)
    for layer, weight, zeros in (("gptq", packed(4, 16), packed(2, 2)), ("awq", packed(32, 2), packed(2, 2))):
        tensors |= {f"{layer}.qweight": weight, f"{layer}.qzeros": zeros, f"{layer}.scales": drawn(2, 16)}
    tensors |= {"gptq.g_idx": np.repeat(np.arange(2, dtype=np.int32), 16)}
    tensors |= {"b.weight": DRAWN.integers(-127, 127, (6, 8), dtype=np.int8), "b.SCB": drawn(6)}
    tensors |= {"c.weight": DRAWN.integers(-127, 127, (6, 8), dtype=np.int8), "c.weight_scale": drawn(6, 1)}
    tensors |= {
        "d.weight_packed": packed(6, 1),
        "d.weight_scale": drawn(6, 1),
        "d.weight_shape": np.array([6, 8]),
    }
    save_file(tensors, folder / "m.safetensors")
    return folder / "m.safetensors"


def of_sparse(state: State, folder: Path) -> Path:
    """Rows and blocks of rows of TensorFlow Lite, of which some numbers are stored."""
    thin = scipy.sparse.random(12, 24, 0.2, format="csr", random_state=3, dtype=np.float32)
    tensors = {name: (values, "float32", {}) for name, values in state.items()}
    for name, order, blocks, stored, axes in (
        ("rows", [0, 1], [], thin, lambda lists: [12, lists]),
        ("blocks", [0, 1, 2, 3], [0, 1], thin.tobsr((2, 4)), lambda lists: [6, lists, 2, 4]),
    ):
        lists = stored.indptr.astype(np.int32), stored.indices.astype(np.int32)
        sparse = {"order": order, "blocks": blocks, "axes": axes(lists)}
        tensors[name] = stored.data, "float32", {"shape": (12, 24), "sparse": sparse}
    (folder / "m.tflite").write_bytes(tflite_of(tensors))
    return folder / "m.tflite"


def of_joblib(state: State, folder: Path) -> Path:
    """Arrays between the operations of a pickle."""
    joblib.dump({"network": state}, folder / "m.joblib")
    return folder / "m.joblib"


def of_bare_torch(state: State, folder: Path) -> Path:
    """Storages in a pickle, each as a file of its own."""
    (folder / "m.pkl").write_bytes(
        pickle.dumps({name: torch.tensor(values) for name, values in state.items()})
    )
    return folder / "m.pkl"


MORE = {
    "joblib": of_joblib,
    "pickle of PyTorch's tensors": of_bare_torch,
    "adapter with its base": of_adapter,
    "packed weights": of_packed,
    "TensorFlow Lite, sparse": of_sparse,
}

READERS = {
    "safetensors": (
        "safetensors", "safetensors, float16", "safetensors, bfloat16", "safetensors, 8-bit floats with a scale",
        "bitsandbytes, 8 bits", "packed weights",
    ),
    "shards": ("shards of safetensors", "shards of PyTorch"),
    "archives of PyTorch": ("PyTorch, state dict", "PyTorch, whole module", "TorchScript"),
    "PyTorch without an archive": ("PyTorch before 1.6, as pth.tar with an epoch", "pickle of PyTorch's tensors"),
    "pickles of arrays": ("pickle of arrays, protocol 2", "pickle of arrays, protocol 5", "joblib"),
    "NumPy": ("NumPy .npz",),
    "Flax": ("Flax msgpack",),
    "HDF5 of Keras": ("Keras .weights.h5",),
    "archives of Keras": ("Keras .keras",),
    "TensorFlow's variables": ("TensorFlow checkpoint", "SavedModel"),
    "TensorFlow's graphs": ("TensorFlow graph",),
    "TensorFlow.js": ("TensorFlow.js", "TensorFlow.js, 8 bits"),
    "TensorFlow Lite": ("TensorFlow Lite", "TensorFlow Lite, sparse"),
    "GGUF": ("GGUF, F16", "GGUF, Q8_0"),
    "ONNX": ("ONNX", "ONNX, Constant nodes", "ONNX, data in another file", "ONNX, DequantizeLinear"),
    "OpenVINO": ("OpenVINO, 32 bits", "OpenVINO, 8 bits"),
    "Core ML": ("Core ML, 16 bits", "Core ML, 8 bits", "Core ML, tables of 6 bits"),
    "ncnn": ("ncnn, 16 bits",),
    "adapters": ("adapter with its base",),
}  # fmt: skip
"""What reads which of the formats: a part of `lineage.checkpoints`."""


def start_of(name: str, folder: Path) -> Path:
    """The file that is changed, or whose companions are."""
    if name not in MORE:
        return written(name, SMALL, folder)
    folder.mkdir()
    return MORE[name](SMALL, folder)
