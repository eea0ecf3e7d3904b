"""What the factors of an adapter give, kind by kind: the shape of the weights that they change, and the change.

Sources: LoRA, Hu et al. 2022 (arXiv:2106.09685); LoHa, Hyeon-Woo et al. 2022 (arXiv:2108.06098); LoKr, Yeh et al.
2024 (arXiv:2309.14859); IA3, Liu et al. 2022 (arXiv:2205.05638); peft/tuners of version 0.18.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Shape = tuple[int | None, ...]
Shapes = Mapping[str, tuple[int, ...]]
Arrays = Mapping[str, np.ndarray]
"""The factors of a layer, by what they are called."""


@dataclass(frozen=True)
class Kind:
    """A kind of adapter.

    factors: what its tensors are called, all that it may have.
    shape: of the changed weights, where the factors fit each other; None for a length that they leave open.
    rank: of the change, None where the factors do not say it.
    change: what is added to the weights before it is scaled, as [outputs, inputs · space]; None if it multiplies.
    """

    name: str
    factors: frozenset[str]
    shape: Callable[[Shapes], Shape | None]
    rank: Callable[[Shapes], int | None]
    change: Callable[[Arrays], np.ndarray] | None


def _product(first: tuple[int, ...], second: tuple[int, ...]) -> Shape | None:
    """The shape of the product of two matrices; None if they have none."""
    fits = len(first) == len(second) == 2 and first[1] == second[0]
    return (first[0], second[1]) if fits else None


def _around(core: tuple[int, ...], left: tuple[int, ...], right: tuple[int, ...]) -> Shape | None:
    """The shape of a core [a, b, space] between [p, a] and [b, q]: [p, q, space]."""
    fits = len(core) > 2 and len(left) == len(right) == 2 and left[1] == core[0] and right[0] == core[1]
    return (left[0], right[1], *core[2:]) if fits else None


def _put_around(core: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The product that `_around` is the shape of, its last axes as one."""
    found = np.moveaxis(np.tensordot(np.tensordot(left, core, 1), right, (1, 0)), -1, 1)
    return found.reshape(len(left), -1)


def _of_lora(shapes: Shapes) -> Shape | None:
    if {"lora_embedding_A", "lora_embedding_B"} <= shapes.keys():
        found = _product(shapes["lora_embedding_B"], shapes["lora_embedding_A"])
        return found[::-1] if found else None
    down, up = (shapes.get(f"lora_{end}", ()) for end in ("down", "up"))
    if len(down) < 2 or len(up) != len(down) or set(up[2:]) - {1}:
        return None
    if "lora_mid" in shapes:
        return None if set(down[2:]) - {1} else _around(shapes["lora_mid"], up[:2], down[:2])
    return (up[0], *down[1:]) if up[1] == down[0] else None


def _change_of_lora(factors: Arrays) -> np.ndarray:
    if "lora_embedding_A" in factors:
        return (factors["lora_embedding_B"] @ factors["lora_embedding_A"]).T
    down, up = (factors[name].reshape(len(factors[name]), -1) for name in ("lora_down", "lora_up"))
    return _put_around(factors["lora_mid"], up, down) if "lora_mid" in factors else up @ down


def _rank_of_lora(shapes: Shapes) -> int:
    return shapes["lora_embedding_A" if "lora_embedding_A" in shapes else "lora_down"][0]


def _of_loha(shapes: Shapes) -> Shape | None:
    """Both factors' shape, which is one."""
    if not {f"hada_w{number}_{side}" for number in (1, 2) for side in "ab"} <= shapes.keys():
        return None
    if ("hada_t1" in shapes) != ("hada_t2" in shapes):
        return None
    found = {
        _around(shapes[f"hada_t{number}"], shapes[f"hada_w{number}_a"][::-1], shapes[f"hada_w{number}_b"])
        if "hada_t1" in shapes
        else _product(shapes[f"hada_w{number}_a"], shapes[f"hada_w{number}_b"])
        for number in (1, 2)
    }
    return found.pop() if len(found) == 1 else None


def _change_of_loha(factors: Arrays) -> np.ndarray:
    """The product of two products, entry by entry."""
    first, second = (
        _put_around(factors[f"hada_t{number}"], factors[f"hada_w{number}_a"].T, factors[f"hada_w{number}_b"])
        if "hada_t1" in factors
        else factors[f"hada_w{number}_a"] @ factors[f"hada_w{number}_b"]
        for number in (1, 2)
    )
    return first * second


def _of_lokr(shapes: Shapes) -> Shape | None:
    sides = []
    for number in (1, 2):
        whole, left, right = (shapes.get(f"lokr_w{number}{end}", ()) for end in ("", "_a", "_b"))
        core = shapes.get(f"lokr_t{number}")
        if whole:
            sides.append(whole)
        else:
            sides.append(_around(core, left[::-1], right) if core else _product(left, right))
    first, second = sides
    if not first or not second or len(first) != 2 or len(second) < 2:
        return None
    return (first[0] * second[0], first[1] * second[1], *second[2:])


def _change_of_lokr(factors: Arrays) -> np.ndarray:
    """The Kronecker product of two matrices, of which the second may be of kernels."""
    sides = []
    for number in (1, 2):
        if (name := f"lokr_w{number}") in factors:
            sides.append(factors[name].reshape(len(factors[name]), -1))
        elif (core := factors.get(f"lokr_t{number}")) is not None:
            sides.append(_put_around(core, factors[f"{name}_a"].T, factors[f"{name}_b"]))
        else:
            sides.append(factors[f"{name}_a"] @ factors[f"{name}_b"])
    return np.kron(*sides)


def _rank_of_lokr(shapes: Shapes) -> int | None:
    return next((shapes[name][0] for name in ("lokr_w2_b", "lokr_w1_b") if name in shapes), None)


def _of_ia3(shapes: Shapes) -> Shape | None:
    """One factor for each output [n, 1], or for each input [1, n]."""
    size = shapes["ia3_l"]
    if len(size) != 2 or (size[0] == 1) == (size[1] == 1):
        return None
    return (size[0], None) if size[1] == 1 else (None, size[1])


MAGNITUDES = "lora_magnitude_vector", "dora_scale"
"""What the lengths of rows are called that some adapters give: DoRA, Liu et al. 2024 (arXiv:2402.09353)."""
BIAS = "bias"
"""What an adapter adds to a layer's bias, before it is scaled."""
KINDS = (
    Kind(
        "LoRA",
        frozenset(
            {"lora_down", "lora_up", "lora_mid", "lora_embedding_A", "lora_embedding_B", *MAGNITUDES, BIAS}
        ),
        _of_lora,
        _rank_of_lora,
        _change_of_lora,
    ),
    Kind(
        "LoHa",
        frozenset(
            {*(f"hada_w{number}_{side}" for number in (1, 2) for side in "ab"), "hada_t1", "hada_t2"}
            | {"dora_scale"}
        ),
        _of_loha,
        lambda shapes: shapes["hada_w1_b"][0],
        _change_of_loha,
    ),
    Kind(
        "LoKr",
        frozenset(
            {f"lokr_w{number}{end}" for number in (1, 2) for end in ("", "_a", "_b")}
            | {"lokr_t1", "lokr_t2", "dora_scale"}
        ),
        _of_lokr,
        _rank_of_lokr,
        _change_of_lokr,
    ),
    Kind("IA3", frozenset({"ia3_l"}), _of_ia3, lambda shapes: None, None),
)


def fits(shape: Shape, weights: tuple[int, ...]) -> bool:
    """Whether weights may have the shape that factors give; the inputs and space of kernels may be one axis of it."""
    if len(shape) == 2 and len(weights) > 2:
        weights = (weights[0], math.prod(weights[1:]))
    return len(shape) == len(weights) and all(
        known in (None, length) for known, length in zip(shape, weights, strict=True)
    )
