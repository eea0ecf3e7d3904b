"""Writes disguised copies of a checkpoint, to try detectors on; with an architecture, their outputs are compared."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from lineage.checkpoints.read import open_model
from lineage.checkpoints.several import parted
from lineage.errors import UserError
from lineage.relation.alignment.axes import UnknownStructureError, shapes_of
from lineage.relation.alignment.disguises import CHANGING, HOW, disguised
from lineage.relation.alignment.structure import guessed_order
from lineage.storage.atomic import written_whole

TOLERANCE = 1e-5
"""Outputs of a copy differ by no more, relative to the largest."""
IMAGES = 16


def write_disguised(
    model: str,
    how: Sequence[str],
    to: Path,
    *,
    seed: int = 0,
    head_width: int | None = None,
    arch: str = "",
    image_size: int = 224,
    channels: int = 3,
) -> float | None:
    """Writes a checkpoint's disguised copy as safetensors.

    Args:
        model: `FILE` or `FILE::ID`; how: names of disguises; to: the copy's file.
        seed: of the random orders and scales; head_width: channels of a head of attention.
        arch, image_size, channels: of the network, to compare outputs on noise; without `arch` they are not compared.

    Returns:
        How much the copy's outputs differ, relative to the largest; None where they were not compared.

    Raises:
        UserError: for an unknown disguise, a network whose axes are not known, one whose modules' order is a guess
            while outputs are not compared, a copy whose outputs differ though its disguises keep the function, or
            one in the place of the checkpoint itself; nothing is written then.
    """
    if to.exists() and Path(parted(model)[0]).exists() and to.samefile(parted(model)[0]):
        raise UserError(f"--out: {to} is the checkpoint itself, which would be lost; name another file")
    if unknown := [name for name in how if name not in HOW]:
        raise UserError(f"--how: expected some of {', '.join(HOW)}, got {unknown[0]!r}")
    opened = open_model(model)
    state = {name: opened.read(name) for name in opened.entries}
    is_compared = bool(arch) and not set(how) & set(CHANGING)
    try:
        copy = disguised(state, how, np.random.default_rng(seed), head_width)
        guess = None if is_compared else guessed_order(shapes_of(state))
    except UnknownStructureError as error:
        raise UserError(f"{model}: cannot be disguised: {error}") from None
    if guess:
        raise UserError(
            f"{model}: its names are sorted, and whether data pass {guess[0]} or {guess[1]} first is a guess; give "
            "--arch, so that outputs are compared, or a file in the order of its modules, as torch.save writes it"
        )
    difference = None
    if is_compared:
        difference = largest_difference(state, copy, arch, image_size=image_size, channels=channels)
        if not difference <= TOLERANCE:
            raise UserError(
                f"{model}: the disguised copy's outputs differ by {difference:.1e}, more than {TOLERANCE:.0e}; "
                f"its axes are not those that its names suggest"
            )
    with written_whole(to) as part:
        part.write_bytes(save({name: np.ascontiguousarray(values) for name, values in copy.items()}))
    return difference


def largest_difference(
    state: Mapping[str, np.ndarray],
    copy: Mapping[str, np.ndarray],
    arch: str,
    *,
    image_size: int,
    channels: int,
) -> float:
    """The largest difference between two states' outputs on noise, relative to the largest output.

    Raises:
        UserError: if the states are not the architecture's.
    """
    import torch

    from lineage.networks.architectures import build, classes_of

    size = {"image_size": image_size, "channels": channels}
    tensors = {name: torch.from_numpy(np.array(values)) for name, values in state.items()}
    try:
        network = build(arch, classes=classes_of(arch, tensors, **size), seed=0, **size).eval()
    except KeyError as error:
        raise UserError(f"{arch}: expected a tensor {error} in the checkpoint, found none") from None
    images = torch.rand(
        (IMAGES, channels, image_size, image_size), generator=torch.Generator().manual_seed(0)
    )
    outputs = []
    for values in (state, copy):
        given = {name: torch.from_numpy(np.array(array)) for name, array in values.items()}
        try:
            missing, extra = network.load_state_dict(given, strict=False)
        except RuntimeError as error:
            raise UserError(f"{arch}: {str(error).splitlines()[-1].strip()}") from None
        missing = [name for name in missing if not name.endswith("num_batches_tracked")]
        if missing or extra:
            name = [*missing, *extra][0]
            raise UserError(f"{arch}: tensor {name!r} is not in both the architecture and the checkpoint")
        with torch.inference_mode():
            outputs.append(network(images))
    return float((outputs[0] - outputs[1]).abs().max() / outputs[0].abs().max())
