"""Small transformers with planted directions, under the names of several libraries, and their children."""

import numpy as np
from small_networks import learnt

Tensors = dict[str, np.ndarray]
WIDTH, INNER, WORDS = 32, 80, 60


def matrix(generator: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """A random matrix with a few strong directions."""
    values = generator.normal(0, columns**-0.5, (rows, columns)) + learnt(generator, rows, columns, rank=4)
    return values.astype(np.float32)


def llama(seed: int, depth: int = 4) -> Tensors:
    """The names of Hugging Face's Llama."""
    generator, width = np.random.default_rng(seed), WIDTH
    tensors = {"model.embed_tokens.weight": matrix(generator, WORDS, width)}
    for layer in range(depth):
        block = f"model.layers.{layer}."
        for part in "qkvo":
            tensors[f"{block}self_attn.{part}_proj.weight"] = matrix(generator, width, width)
        for part in ("gate", "up"):
            tensors[f"{block}mlp.{part}_proj.weight"] = matrix(generator, INNER, width)
        tensors[f"{block}mlp.down_proj.weight"] = matrix(generator, width, INNER)
        tensors[f"{block}input_layernorm.weight"] = 1 + 0.1 * generator.normal(size=width)
    tensors["lm_head.weight"] = matrix(generator, WORDS, width)
    return {name: values.astype(np.float32) for name, values in tensors.items()}


def timm(seed: int, depth: int = 4) -> Tensors:
    """The names of timm's vision transformers."""
    generator, width = np.random.default_rng(seed), WIDTH
    tensors = {"patch_embed.proj.weight": matrix(generator, width, 48).reshape(width, 3, 4, 4)}
    for layer in range(depth):
        block = f"blocks.{layer}."
        tensors[f"{block}norm1.weight"] = 1 + 0.1 * generator.normal(size=width)
        tensors[f"{block}attn.qkv.weight"] = matrix(generator, 3 * width, width)
        tensors[f"{block}attn.proj.weight"] = matrix(generator, width, width)
        tensors[f"{block}mlp.fc1.weight"] = matrix(generator, 4 * width, width)
        tensors[f"{block}mlp.fc1.bias"] = 0.1 * generator.normal(size=4 * width)
        tensors[f"{block}mlp.fc2.weight"] = matrix(generator, width, 4 * width)
    tensors["head.weight"] = matrix(generator, 10, width)
    return {name: values.astype(np.float32) for name, values in tensors.items()}


def tuned(tensors: Tensors, seed: int) -> Tensors:
    """Fine-tuned: other strong directions are added to every matrix, and a little noise to every vector."""
    generator = np.random.default_rng(seed)
    found = {}
    for name, values in tensors.items():
        change = 0.02 * generator.normal(size=values.shape) * values.std()
        if values.ndim > 1:
            change = change + 0.6 * learnt(generator, len(values), values[0].size, rank=3).reshape(
                values.shape
            )
        found[name] = (values + change).astype(np.float32)
    return found


def with_layers(tensors: Tensors, layers: list[int], stem: str = "model.layers.") -> Tensors:
    """The network with these of its layers, in this order, numbered anew."""
    found = {name: values for name, values in tensors.items() if not name.startswith(stem)}
    for place, layer in enumerate(layers):
        for name, values in tensors.items():
            if name.startswith(f"{stem}{layer}."):
                found[name.replace(f"{stem}{layer}.", f"{stem}{place}.", 1)] = values
    return found


def renamed(tensors: Tensors, *pairs: tuple[str, str]) -> Tensors:
    """With parts of names replaced."""
    found = {}
    for name, values in tensors.items():
        for old, new in pairs:
            name = name.replace(old, new)
        found[name] = values
    return found
