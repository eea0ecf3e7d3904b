"""A network up to its last tapped layer, as a function of its parameters: F(theta) on a probe.

n samples, d features. A layer is a module, named as `named_modules` does; its output on the probe is its
features. What runs after the last tapped layer is the head, and is neither run nor compared.
BatchNorm and dropout behave as in evaluation.
"""

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lineage.errors import UserError

POOLS = ("mean", "flatten")
STATISTICS = ("running_mean", "running_var")


class _LastLayerReached(Exception):  # noqa: N818
    """Ends a forward pass early."""


class Backbone:
    """The features of a network's layers as a function of its parameters and buffers.

    Args:
        network: gives the structure; its own weights are not used, and its mode is left as it was.
        probe: inputs [n, ...]; the first is run once to see in which order modules are called.
        layers: names of the modules to tap; by default the stages that `default_layers` finds.
        pool: how an output with more than two axes becomes [n, d]: `mean` over positions, or `flatten`.

    Raises:
        UserError: for an unknown layer, or one that the forward pass does not reach.
    """

    def __init__(
        self, network: nn.Module, probe: Tensor, *, layers: Iterable[str] | None = None, pool: str = "mean"
    ):
        if pool not in POOLS:
            raise UserError(f"pool: expected one of {', '.join(POOLS)}, but got {pool!r}")
        self._network = network
        self._pool = pool
        calls = _calls(network, probe[:1])
        wanted = default_layers(network, calls) if layers is None else list(layers)
        if not wanted:
            raise UserError(
                "layers: expected at least one, but got none; leave layers out to tap every stage"
            )
        modules = dict(network.named_modules())
        if unknown := [layer for layer in wanted if layer not in modules]:
            known = ", ".join(name for name in modules if name)
            raise UserError(f"layer {unknown[0]!r}: expected one of the network's modules {known}")
        last_exit = {name: place for place, (event, name) in enumerate(calls) if event == "exit"}
        if unused := [layer for layer in wanted if layer not in last_exit]:
            raise UserError(f"layer {unused[0]!r}: the forward pass does not call it; tap another layer")
        self.layers = tuple(sorted(wanted, key=last_exit.get))
        self._calls_of_last = calls.count(("exit", self.layers[-1]))
        self.parameters = self._by_layer(network.named_parameters(), calls, last_exit)
        stored = network.state_dict().keys()
        buffers = [(name, buffer) for name, buffer in network.named_buffers() if name in stored]
        self.buffers = self._by_layer(buffers, calls, last_exit)
        self.statistics = [
            name
            for name, buffer in network.named_buffers()
            if name.endswith(STATISTICS) and buffer.is_floating_point()
        ]

    def _by_layer(
        self,
        tensors: Iterable[tuple[str, Tensor]],
        calls: list[tuple[str, str]],
        last_exit: dict[str, int],
    ) -> dict[str, list[str]]:
        """Gives each named tensor to the first tapped layer that ends after the tensor's module began."""
        began = {}
        for place, (event, name) in enumerate(calls):
            if event == "enter":
                began.setdefault(name, place)
        by_layer = {layer: [] for layer in self.layers}
        for name, _ in tensors:
            owner = name.rpartition(".")[0]
            while owner not in began:
                owner = owner.rpartition(".")[0]
            layer = next((layer for layer in self.layers if last_exit[layer] > began[owner]), None)
            if layer is not None:
                by_layer[layer].append(name)
        return by_layer

    @property
    def parameter_names(self) -> list[str]:
        """Names of all the backbone's parameters."""
        return [name for names in self.parameters.values() for name in names]

    @property
    def left_out(self) -> list[str]:
        """Names of the network's parameters that are no part of the backbone: its head's."""
        known = set(self.parameter_names)
        return [name for name, _ in self._network.named_parameters() if name not in known]

    def __call__(self, state: dict[str, Tensor], probe: Tensor) -> dict[str, Tensor]:
        """Features [n, d] of every tapped layer, under these parameters and buffers."""
        features = {}
        calls_left = self._calls_of_last
        modules = dict(self._network.named_modules())

        def keep(layer: str):
            def hook(module: nn.Module, inputs: tuple, output: Tensor) -> None:
                nonlocal calls_left
                pooled = self._pooled(output, layer)
                calls_left -= layer == self.layers[-1]
                if not calls_left:
                    features[layer] = pooled
                    raise _LastLayerReached
                is_view = output.ndim == 2 or self._pool == "flatten"
                features[layer] = pooled.clone() if is_view else pooled

            return hook

        with contextlib.ExitStack() as cleanup:
            cleanup.enter_context(evaluating(self._network))
            for layer in self.layers:
                cleanup.callback(modules[layer].register_forward_hook(keep(layer)).remove)
            with contextlib.suppress(_LastLayerReached):
                functional_call(self._network, state, (probe,))
        return {layer: features[layer] for layer in self.layers}

    def _pooled(self, output: Tensor, layer: str) -> Tensor:
        """An output as [n, d]; of tokens [n, t, d] or maps [n, d, h, w], `mean` is over t or h and w."""
        if not isinstance(output, Tensor) or output.ndim < 2:
            raise UserError(f"layer {layer!r}: expected it to give one tensor [n, ...]; tap another layer")
        if output.ndim == 2 or self._pool == "flatten":
            return output.flatten(1)
        return output.mean(1) if output.ndim == 3 else output.flatten(2).mean(2)


def state_of(network: nn.Module) -> dict[str, Tensor]:
    """A network's parameters and buffers by name, without their gradients' history."""
    named = [*network.named_parameters(), *network.named_buffers()]
    return {name: tensor.detach() for name, tensor in named}


def default_layers(
    network: nn.Module, calls: list[tuple[str, str]] | None = None, probe: Tensor | None = None
) -> list[str]:
    """The network's stages: each direct child with parameters, to the end of what follows it without any.

    The last stage is taken as the head and left out. A lone child is looked into, and so is a sequence of
    blocks that holds most of the parameters, as in a transformer.

    Args:
        network: whose modules are named.
        calls: (`enter` or `exit`, module) in the order of a pass, where it is known already.
        probe: inputs [n, ...], else; the first is run.

    Raises:
        UserError: if fewer than two stages are found.
    """
    calls = _calls(network, probe[:1]) if calls is None else calls
    prefix, parts = "", dict(network.named_children())
    while len(with_parameters := [name for name, part in parts.items() if _has_parameters(part)]) == 1:
        prefix = f"{prefix}{with_parameters[0]}."
        parts = dict(parts[with_parameters[0]].named_children())
    parts = _with_main_container_opened(parts) if parts else parts
    ends = [name.removeprefix(prefix) for event, name in calls if event == "exit" and name.startswith(prefix)]
    stages: list[str] = []
    for name in (name for name in ends if name in parts):
        if _has_parameters(parts[name]):
            stages.append(name)
        elif stages:
            stages[-1] = name
    if len(stages) < 2:
        raise UserError("layers: found no stages before a head in this network; name the layers to tap")
    return [f"{prefix}{name}" for name in dict.fromkeys(stages[:-1])]


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Puts a network in evaluation mode, and every module back in its own mode afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _has_parameters(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _with_main_container_opened(parts: dict[str, nn.Module]) -> dict[str, nn.Module]:
    """The parts, with one that is a sequence of blocks and holds most parameters replaced by its blocks."""
    sizes = {name: sum(parameter.numel() for parameter in part.parameters()) for name, part in parts.items()}
    main = max(sizes, key=sizes.get)
    blocks = {f"{main}.{name}": block for name, block in parts[main].named_children()}
    is_sequence = isinstance(parts[main], nn.Sequential | nn.ModuleList | nn.ModuleDict)
    if (
        not is_sequence
        or sizes[main] <= sum(sizes.values()) / 2
        or sum(map(_has_parameters, blocks.values())) < 2
    ):
        return parts
    return {
        name: part
        for whole, part_of_whole in parts.items()
        for name, part in (blocks if whole == main else {whole: part_of_whole}).items()
    }


def _calls(network: nn.Module, probe: Tensor) -> list[tuple[str, str]]:
    """Every ("enter" | "exit", module's name) of one forward pass, in order."""
    calls: list[tuple[str, str]] = []
    with contextlib.ExitStack() as cleanup, torch.no_grad():
        cleanup.enter_context(evaluating(network))
        for name, module in network.named_modules():
            enter = module.register_forward_pre_hook(lambda *_, name=name: calls.append(("enter", name)))
            leave = module.register_forward_hook(lambda *_, name=name: calls.append(("exit", name)))
            cleanup.callback(enter.remove)
            cleanup.callback(leave.remove)
        network(probe)
    return calls
