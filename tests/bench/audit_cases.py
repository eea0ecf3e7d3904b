"""Children of a zoo stored otherwise, changed, merged and grafted, for `audit_rates.py`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_torch
from safetensors.torch import save_file as save_torch

from lineage.relation.tensor_names import heads
from lineage.seeds import seed_of

Tensors = dict[str, np.ndarray]


def variants(path: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """The child stored otherwise, or changed in ways that leave its parent."""
    tensors = load_file(path)
    generator = np.random.default_rng(seed_of(path.stem))

    def kept(kind: str, changed: Tensors) -> tuple[str, Path]:
        target = folder / f"{path.stem}-{kind.replace(' ', '-').replace('%', '')}.safetensors"
        save_file({name: np.ascontiguousarray(values) for name, values in changed.items()}, target)
        return kind, target

    def floats(change: Callable[[np.ndarray], np.ndarray]) -> Tensors:
        return {
            name: change(values) if values.dtype.kind == "f" else values for name, values in tensors.items()
        }

    yield kept("fp16", floats(lambda values: values.astype(np.float16)))
    target = folder / f"{path.stem}-bf16.safetensors"
    save_torch({name: value.bfloat16() if value.is_floating_point() else value
                for name, value in load_torch(path).items()}, target)  # fmt: skip
    yield "bf16", target
    quantised: Tensors = {}
    for name, values in tensors.items():
        if values.dtype.kind == "f" and values.ndim >= 2:
            scale = np.float32(np.abs(values).max() / 127)
            quantised |= {name: np.round(values / scale).astype(np.int8), f"{name}_scale": np.array([scale])}
        else:
            quantised[name] = values
    yield kept("int8", quantised)
    yield kept("prefixed", {f"module.model.{name}": values for name, values in tensors.items()})
    yield kept("renamed", {f"t{number:04d}.weight": values for number, values in enumerate(tensors.values())})
    head = {
        name.rpartition(".")[0] for name in heads({name: values.shape for name, values in tensors.items()})
    }
    yield kept("new head", {
        name: generator.normal(0, 0.02, (37, *values.shape[1:])).astype(np.float32)
        if name.rpartition(".")[0] in head else values
        for name, values in tensors.items()
    })  # fmt: skip
    yield kept("pruned 50 %", floats(
        lambda values: np.where(np.abs(values) < np.median(np.abs(values)), 0, values) if values.ndim >= 2 else values
    ))  # fmt: skip
    yield kept("noise 5 %", floats(
        lambda values: (values + 0.05 * values.std() * generator.normal(size=values.shape)).astype(np.float32)
    ))  # fmt: skip


def merged(first: Path, second: Path, weight: float, folder: Path) -> Path:
    """The weighted mean of two networks."""
    one, other = load_file(first), load_file(second)
    target = folder / f"{first.stem}-{second.stem}-{weight}.safetensors"
    save_file({
        name: np.asarray(weight * one[name] + (1 - weight) * other[name], one[name].dtype) for name in one
    }, target)  # fmt: skip
    return target


def grafted(first: Path, second: Path, folder: Path) -> Iterator[tuple[Path, set[str]]]:
    """The first network with its later half, and with every other matrix, of the second."""
    one, other = load_file(first), load_file(second)
    wide = [name for name in one if one[name].ndim >= 2]
    for kind, taken in (("half", set(wide[len(wide) // 2 :])), ("every-other", set(wide[::2]))):
        target = folder / f"{first.stem}-{second.stem}-{kind}.safetensors"
        save_file({name: other[name] if name in taken else one[name] for name in one}, target)
        yield target, taken
