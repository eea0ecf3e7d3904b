"""Writers of PyTorch's files, of safetensors and of arrays of NumPy."""

import json
import pickle
from pathlib import Path

import numpy as np
import torch
from reading_format import as_tree, table_of_writers
from reading_networks import State
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

WRITERS, writer = table_of_writers()


def of_tensors(state: State, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(values).to(dtype) for name, values in state.items()}


def module_of(state: State) -> torch.nn.Module:
    """Modules in modules, as the dots in the names say."""
    root = torch.nn.Module()
    for name, values in state.items():
        at, (*path, own) = root, name.split(".")
        for part in path:
            if part not in at._modules:
                at.add_module(part, torch.nn.Module())
            at = at._modules[part]
        at.register_parameter(own, torch.nn.Parameter(torch.tensor(values)))
    return root


@writer("safetensors")
def _(state, folder):
    save_file(state, folder / "m.safetensors")
    return folder / "m.safetensors"


@writer("safetensors, float16")
def _(state, folder):
    save_torch_file(of_tensors(state, torch.float16), folder / "m.safetensors")
    return folder / "m.safetensors"


@writer("safetensors, bfloat16")
def _(state, folder):
    save_torch_file(of_tensors(state, torch.bfloat16), folder / "m.safetensors")
    return folder / "m.safetensors"


@writer("safetensors, 8-bit floats with a scale")
def _(state, folder):
    tensors = {}
    for name, value in of_tensors(state).items():
        tensors[name] = value
        if value.ndim == 2:
            scale = value.abs().max() / 448
            tensors |= {name: (value / scale).to(torch.float8_e4m3fn), f"{name}_scale": scale}
    save_torch_file(tensors, folder / "m.safetensors")
    return folder / "m.safetensors"


@writer("bitsandbytes, 8 bits")
def _(state, folder):
    tensors = {}
    for name, values in state.items():
        tensors[name] = values
        if values.ndim == 2:
            scale = np.abs(values).max(1)
            tensors[name] = np.round(values / scale[:, None] * 127).astype(np.int8)
            tensors[f"{name.removesuffix('weight')}SCB" if name.endswith("weight") else f"{name}.SCB"] = scale
    save_file(tensors, folder / "m.safetensors")
    return folder / "m.safetensors"


def in_shards(state: State, folder: Path, index: str, suffix: str, save) -> Path:
    names = list(state)
    parts = {f"part-{number + 1}{suffix}": names[number::2] for number in range(2)}
    for shard, members in parts.items():
        save({name: state[name] for name in members}, folder / shard)
    of_name = {name: shard for shard, members in parts.items() for name in members}
    (folder / index).write_text(json.dumps({"weight_map": {name: of_name[name] for name in names}}))
    return folder / index


@writer("shards of safetensors")
def _(state, folder):
    return in_shards(state, folder, "model.safetensors.index.json", ".safetensors", save_file)


@writer("shards of PyTorch")
def _(state, folder):
    def save(part: State, path: Path) -> None:
        torch.save(of_tensors(part), path)

    return in_shards(state, folder, "pytorch_model.bin.index.json", ".bin", save)


@writer("PyTorch, state dict")
def _(state, folder):
    torch.save(of_tensors(state), folder / "m.pt")
    return folder / "m.pt"


@writer("PyTorch before 1.6, as pth.tar with an epoch")
def _(state, folder):
    saved = {"epoch": 3, "state_dict": {f"module.{name}": value for name, value in of_tensors(state).items()}}
    torch.save(saved, folder / "m.pth.tar", _use_new_zipfile_serialization=False)
    return folder / "m.pth.tar"


@writer("PyTorch, whole module")
def _(state, folder):
    torch.save(module_of(state), folder / "m.pt")
    return folder / "m.pt"


@writer("TorchScript")
def _(state, folder):
    class Holder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = module_of(state)

        def forward(self, x):
            return x

    torch.jit.save(torch.jit.trace(Holder(), torch.zeros(1), check_trace=False), folder / "m.pt")
    return folder / "m.pt"


@writer("NumPy .npz")
def _(state, folder):
    np.savez(folder / "m.npz", **state)
    return folder / "m.npz"


@writer("pickle of arrays, protocol 2")
def _(state, folder):
    (folder / "m.pkl").write_bytes(pickle.dumps({"model": state}, 2))
    return folder / "m.pkl"


@writer("pickle of arrays, protocol 5")
def _(state, folder):
    (folder / "m.pkl").write_bytes(pickle.dumps(as_tree(state), 5))
    return folder / "m.pkl"
