"""Part of a network kept as it is while the rest is trained."""

from torch import Tensor, nn

from lineage.errors import UserError
from lineage.networks.architectures import head_prefixes
from lineage.networks.backbone import Backbone

LINEAR_PROBE, LAST_BLOCK = "linear-probe", "last-block"


def freeze(net: nn.Module, what: str | list[str], sample: Tensor) -> None:
    """Stops gradients to a part of a network, and puts that part's modules in evaluation mode.

    So neither its parameters nor its BatchNorm statistics change in training.

    Args:
        net: in training mode.
        what: `linear-probe` (all but the head), `last-block` (all before the last stage with weight matrices of its
            own), or names of modules.
        sample: one input [1, ...], to see in which order the stages are called.

    Raises:
        UserError: for an unknown module, or if nothing is left to train or to freeze.
    """
    frozen = frozen_parameters(net, what, sample)
    parameters = dict(net.named_parameters())
    if not frozen:
        raise UserError(f"freeze: expected a part with parameters, but {what} has none")
    if len(frozen) == len(parameters):
        raise UserError(f"freeze: expected some parameters to be left to train, but {what} are all")
    for name in frozen:
        parameters[name].requires_grad_(False)
    for name, module in net.named_modules():
        if _all_frozen(name, frozen, parameters):
            module.training = False


def frozen_parameters(net: nn.Module, what: str | list[str], sample: Tensor) -> set[str]:
    """Names of the parameters that `freeze`, with these arguments, keeps as they are.

    Raises:
        UserError: for an unknown module.
    """
    names = [name for name, _ in net.named_parameters()]
    if what == LINEAR_PROBE:
        heads = head_prefixes(net)
        return {name for name in names if not name.startswith(heads)}
    if what == LAST_BLOCK:
        return _before_the_last_block(net, sample)
    modules = dict(net.named_modules())
    if unknown := [name for name in what if name not in modules]:
        known = ", ".join(name for name in modules if name)
        raise UserError(f"freeze: expected modules of the network, {known}, but got {unknown[0]!r}")
    return {name for name in names if name.startswith(tuple(f"{module}." for module in what))}


def _before_the_last_block(net: nn.Module, sample: Tensor) -> set[str]:
    """Parameters of all stages before the last that has weight matrices; a lone normalisation after it has none."""
    stages = Backbone(net, sample).parameters
    sizes = {name: parameter.ndim for name, parameter in net.named_parameters()}
    blocks = [stage for stage, names in stages.items() if any(sizes[name] > 1 for name in names)]
    before = list(stages)[: list(stages).index(blocks[-1])]
    return {name for stage in before for name in stages[stage]}


def _all_frozen(module: str, frozen: set[str], parameters: dict) -> bool:
    """Whether all parameters below a module are frozen, or below what it is part of where it has none."""
    while not (below := [name for name in parameters if not module or name.startswith(f"{module}.")]):
        module = module.rpartition(".")[0]
    return frozen.issuperset(below)
