"""Checks of networks and inputs that people give in Python, before anything is computed.

A message says what was expected, what came, and what to write instead. What a network can take as its input only
the network knows: its first pass, on one input, decides, and `first_pass` puts a failure of it into words.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import SupportsFloat

import torch
from torch import Tensor, nn

from lineage.errors import UserError, one_line

PLAIN = {
    "torch.nn.parallel.data_parallel.DataParallel": ".module",
    "torch.nn.parallel.distributed.DistributedDataParallel": ".module",
    "torch.optim.swa_utils.AveragedModel": ".module",
    "torch._dynamo.eval_frame.OptimizedModule": "._orig_mod",
    "torch.jit._script.ScriptModule": None,
}
"""Wrappers of networks, and where each holds the plain one; by name, so that nothing is imported for this."""


def list_of_names(what: str, values: Iterable[str]) -> list[str]:
    """The names as a list.

    Raises:
        UserError: if they are one string, whose letters would count as names, or hold anything but strings.
    """
    if isinstance(values, str):
        raise UserError(
            f"{what}: expected a list of names, but got the string {values!r}; write {what}=[{values!r}]"
        )
    if not isinstance(values, Iterable):
        raise UserError(f"{what}: expected a list of names, but got {_kind(values)}")
    names = list(values)
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise UserError(f"{what}: expected names, but got {wrong[0]!r} among them; write it as a string")
    return names


def list_of_numbers(what: str, values: Iterable[float]) -> list[float]:
    """The numbers as a list.

    Raises:
        UserError: if they are one number or a string, or hold anything but numbers.
    """
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise UserError(
            f"{what}: expected a list of numbers, but got {values!r}; write them in brackets, as {what}=[0.5]"
        )
    numbers = list(values)
    if wrong := [number for number in numbers if not isinstance(number, SupportsFloat)]:
        raise UserError(f"{what}: expected numbers, but got {wrong[0]!r} among them")
    return numbers


def check_networks(networks: Mapping[str, nn.Module], probe: Tensor) -> None:
    """Checks that networks and probe can be computed with together.

    Args:
        networks: by what a message calls them; the others have to agree with the first.
        probe: inputs [n, ...].

    Raises:
        UserError: for what is no network, a wrapped, compiled or scripted one, weights or a probe on another device
            than the first network's, weights of another dtype, or a probe that is no batch of inputs.
    """
    for what, network in networks.items():
        _check_plain(what, network)
    (first, reference), *others = networks.items()
    for what, network in others:
        _check_alike(what, network, first, reference)
    _check_probe(probe, first, reference)


@contextlib.contextmanager
def first_pass(what: str, network: nn.Module, probe: Tensor) -> Iterator[None]:
    """Turns an error of the network's first run on a part of the probe into a UserError that says what to change."""
    try:
        yield
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        raise UserError(
            f"probe: the {what} cannot take inputs of shape {list(probe.shape[1:])} and {probe.dtype}: "
            f"{one_line(error)}; {_advice(network, probe)}"
        ) from error


def _check_plain(what: str, network: nn.Module) -> None:
    if not isinstance(network, nn.Module):
        raise UserError(
            f"{what}: expected a torch.nn.Module, but got {_kind(network)}; "
            "weights alone go into a network first, with load_state_dict"
        )
    for name, module in network.named_modules():
        ancestry = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(module).__mro__]
        for wrapper in PLAIN.keys() & set(ancestry):
            owner = f"its module {name!r}" if name else "it"
            inside = PLAIN[wrapper]
            plain = f"what {inside} of the wrapper holds" if inside else "the network that it was made from"
            raise UserError(
                f"{what}: expected a plain network, but {owner} is wrapped in {wrapper.rpartition('.')[2]}; "
                f"give {plain} in its place"
            )
    for name, parameter in network.named_parameters():
        if nn.parameter.is_lazy(parameter):
            raise UserError(f"{what}: {name} has no shape yet; run the network on one batch of inputs first")


def _check_alike(what: str, network: nn.Module, first: str, reference: nn.Module) -> None:
    """Raises a UserError where a tensor is on another device than the first network's, or of another dtype."""
    expected = _tensors(reference)
    for name, tensor in _tensors(network).items():
        for attribute in ("device", "dtype"):
            came, wanted = (getattr(x, attribute) for x in (tensor, expected.get(name, tensor)))
            if came != wanted:
                raise UserError(
                    f"{what}: expected {name} to have the {attribute} {wanted} that it has in the {first}, but got "
                    f"{came}; convert the network with .to({_argument(wanted)})"
                )


def _check_probe(probe: Tensor, first: str, reference: nn.Module) -> None:
    if not isinstance(probe, Tensor):
        raise UserError(
            f"probe: expected one tensor of inputs [n, ...], but got {_kind(probe)}; "
            "give one batch, as with torch.stack or torch.as_tensor"
        )
    if probe.ndim == 0 or len(probe) == 0:
        raise UserError(
            f"probe: expected a batch of inputs [n, ...] with n at least 1, but got the shape {list(probe.shape)}; "
            "give some inputs"
        )
    devices = {tensor.device: None for tensor in _tensors(reference).values()}
    if devices and probe.device not in devices:
        raise UserError(
            f"probe: expected it on {next(iter(devices))}, where the {first} is, but it is on {probe.device}; "
            f"move it with .to({_argument(next(iter(devices)))})"
        )


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def _advice(network: nn.Module, probe: Tensor) -> str:
    dtypes = [parameter.dtype for parameter in network.parameters() if parameter.is_floating_point()]
    if dtypes and probe.dtype not in dtypes:
        return f"the weights are {dtypes[0]}: convert the probe with .to({dtypes[0]})"
    return (
        "give inputs [n, ...] of the shape that it was trained on; one alone becomes a batch by unsqueeze(0)"
    )


def _argument(value: torch.device | torch.dtype) -> str:
    """What to write in .to(...)."""
    return repr(str(value)) if isinstance(value, torch.device) else str(value)


def _kind(value: object) -> str:
    return f"an object of the type {type(value).__name__}"
