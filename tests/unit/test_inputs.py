"""What is no network, or no input of it, is refused in one line that says what to do."""

import copy
from collections.abc import Callable

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from lineage import LineageDetector, UserError, score_pair

PROBE = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
SCORES = {"similarities": ["l1"], "approximations": ["direct"]}


def fc(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(7, 9), nn.ReLU(), nn.Linear(9, 6), nn.ReLU(), nn.Linear(6, 3))


def refusal(parent: object, child: object, probe: object, **options) -> str:
    """The message with which score_pair refuses; a detector has to refuse the same networks and probe."""
    with pytest.raises(UserError) as refused:
        score_pair(parent, child, probe, **SCORES | options)
    message = str(refused.value)
    assert "\n" not in message
    if not options:
        with pytest.raises(UserError) as refused:
            LineageDetector(layers=["2"]).probabilities(parent, {"a": child, "b": fc(2)}, probe)
        assert str(refused.value).startswith("probe: ") == message.startswith("probe: ")
    return message


@pytest.mark.parametrize("name", ["layers", "similarities", "approximations"])
def test_a_string_in_place_of_a_list_is_not_taken_for_its_letters(name):
    message = refusal(fc(), fc(1), PROBE, **{name: "l1"})
    assert message == f"{name}: expected a list of names, but got the string 'l1'; write {name}=['l1']"


def test_a_detector_of_a_layer_that_is_no_list_is_refused():
    with pytest.raises(UserError, match=r"layers: .* write layers=\['layer2'\]"):
        LineageDetector(layers="layer2")


@pytest.mark.parametrize("name", ["layers", "similarities", "approximations"])
def test_names_are_strings(name):
    assert f"{name}: expected names, but got 3 among them" in refusal(fc(), fc(1), PROBE, **{name: ["1", 3]})
    assert f"{name}: expected a list of names, but got an object of the type int" in refusal(
        fc(), fc(1), PROBE, **{name: 3}
    )


@pytest.mark.parametrize("alphas", [0.5, "0.5", torch.nn.ReLU()])
def test_alphas_are_a_list(alphas):
    assert "write them in brackets, as alphas=[0.5]" in refusal(fc(), fc(1), PROBE, alphas=alphas)


def test_alphas_are_numbers():
    assert refusal(fc(), fc(1), PROBE, alphas=[0.1, "0.5"]) == (
        "alphas: expected numbers, but got '0.5' among them"
    )


def test_names_and_alphas_of_any_iterable_are_read_once():
    listed = score_pair(fc(), fc(1), PROBE, layers=["1", "3"], alphas=[0.25, 0.5], similarities=["l1", "dc"])
    given = score_pair(
        fc(),
        fc(1),
        PROBE,
        layers=(name for name in ("1", "3")),
        alphas=torch.tensor([0.25, 0.5]).double().numpy(),
        similarities={"l1": 0, "dc": 0},
        approximations=iter(["direct", "path", "linear", "taylor"]),
    )
    assert given.equals(listed)


@pytest.mark.parametrize("network", [fc().state_dict(), "resnet18", None, nn.Linear])
def test_what_is_no_module_is_refused(network):
    assert "parent: expected a torch.nn.Module, but got an object of the type" in refusal(
        network, fc(), PROBE
    )
    assert "child: expected a torch.nn.Module" in refusal(fc(), network, PROBE)


def distributed(network: nn.Module) -> nn.Module:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        return nn.parallel.DistributedDataParallel(network)
    finally:
        dist.destroy_process_group()


WRAPPERS: dict[str, tuple[Callable[[nn.Module], nn.Module], str]] = {
    "DataParallel": (nn.DataParallel, "what .module of the wrapper holds"),
    "DistributedDataParallel": (distributed, "what .module of the wrapper holds"),
    "AveragedModel": (torch.optim.swa_utils.AveragedModel, "what .module of the wrapper holds"),
    "OptimizedModule": (torch.compile, "what ._orig_mod of the wrapper holds"),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_network_is_refused_and_what_it_holds_is_not(wrapper):
    wrap, told = WRAPPERS[wrapper]
    wrapped = wrap(fc())
    expected = f"expected a plain network, but it is wrapped in {wrapper}; give {told} in its place"
    assert refusal(wrapped, fc(1), PROBE) == f"parent: {expected}"
    assert refusal(fc(1), wrapped, PROBE) == f"child: {expected}"
    plain = getattr(wrapped, told.split()[1][1:])
    assert score_pair(plain, fc(1), PROBE, **SCORES).equals(score_pair(fc(), fc(1), PROBE, **SCORES))


def test_a_wrapped_part_of_a_network_is_named():
    network = fc()
    network[2] = nn.DataParallel(network[2])
    assert "child: expected a plain network, but its module '2' is wrapped in DataParallel" in refusal(
        fc(), network, PROBE
    )


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize("to_script", [torch.jit.script, lambda network: torch.jit.trace(network, PROBE)])
def test_a_scripted_network_is_refused(to_script):
    assert "wrapped in ScriptModule; give the network that it was made from" in refusal(
        to_script(fc()), fc(1), PROBE
    )


def test_weights_without_a_shape_are_refused():
    lazy = nn.Sequential(nn.LazyLinear(9), nn.Linear(9, 6), nn.Linear(6, 3))
    assert "parent: 0.weight has no shape yet; run the network on one batch" in refusal(lazy, fc(), PROBE)


def test_weights_of_different_types_are_refused():
    assert refusal(fc(), fc(1).half(), PROBE) == (
        "child: expected 0.weight to have the dtype torch.float32 that it has in the parent, but got torch.float16; "
        "convert the network with .to(torch.float32)"
    )


def test_weights_on_different_devices_are_refused():
    assert refusal(fc(), fc(1).to("meta"), PROBE) == (
        "child: expected 0.weight to have the device cpu that it has in the parent, but got meta; "
        "convert the network with .to('cpu')"
    )


def test_a_probe_on_another_device_is_refused():
    assert refusal(fc(), fc(1), PROBE.to("meta")) == (
        "probe: expected it on cpu, where the parent is, but it is on meta; move it with .to('cpu')"
    )


@pytest.mark.parametrize("probe", [[PROBE], PROBE.numpy(), (PROBE, torch.zeros(5)), {"x": PROBE}, None])
def test_a_probe_that_is_no_tensor_is_refused(probe):
    told = (
        f"probe: expected one tensor of inputs [n, ...], but got an object of the type {type(probe).__name__}"
    )
    assert told in refusal(fc(), fc(1), probe)


@pytest.mark.parametrize("probe", [PROBE[:0], torch.tensor(1.0)])
def test_a_probe_without_inputs_is_refused(probe):
    assert f"n at least 1, but got the shape {list(probe.shape)}" in refusal(fc(), fc(1), probe)


@pytest.mark.parametrize(
    ("probe", "told"),
    [
        (PROBE.int(), "convert the probe with .to(torch.float32)"),
        (PROBE.half(), "convert the probe with .to(torch.float32)"),
        (PROBE.double(), "convert the probe with .to(torch.float32)"),
        (PROBE[:, :6], "give inputs [n, ...] of the shape that it was trained on"),
        (PROBE[0], "one alone becomes a batch by unsqueeze(0)"),
    ],
    ids=["integers", "half", "double", "narrow", "no batch"],
)
def test_a_probe_that_the_network_cannot_take_is_refused_after_one_input(probe, told):
    parent, child = fc(), fc(1)
    rows = []
    for network in (parent, child):
        network[0].register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    with pytest.raises(UserError) as refused:
        score_pair(parent, child, probe, **SCORES)
    assert rows == [1]
    message = refusal(parent, child, probe)
    assert message == str(refused.value)
    assert message.startswith(f"probe: the parent cannot take inputs of shape {list(probe.shape[1:])} and ")
    assert told in message


def test_whole_numbers_are_inputs_of_a_network_that_looks_them_up():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Embedding(11, 6), nn.Linear(6, 4), nn.Linear(4, 2))
    child = copy.deepcopy(network)
    child[1].weight.data += 1
    tokens = torch.tensor([3, 0, 10, 7])
    (score,) = score_pair(network, child, tokens, layers=["1"], **SCORES)["score"]
    looked_up = network[0].weight[tokens]
    assert score == pytest.approx(-(looked_up @ torch.ones(6, 4)).abs().mean().item(), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_of_numbers_are_taken_where_all_have_them(dtype):
    parent, child = fc().to(dtype), fc(1).to(dtype)
    scores = score_pair(parent, child, PROBE.to(dtype), layers=["1"], **SCORES)
    expected = score_pair(fc(), fc(1), PROBE, layers=["1"], **SCORES)
    assert scores["score"].item() == pytest.approx(expected["score"].item(), rel=0.03)


def answer(candidates: object, child: nn.Module | None = None, probe: Tensor = PROBE) -> str:
    with pytest.raises(UserError) as refused:
        LineageDetector(layers=["2"]).probabilities(child or fc(), candidates, probe)
    return str(refused.value)


def test_a_detectors_candidates_have_names():
    assert "candidates: expected networks by name, as {'a': network, 'b': network}" in answer([fc(), fc(1)])


def test_a_detector_names_the_candidate_that_it_refuses():
    assert answer({"a": fc(), "b": nn.DataParallel(fc())}).startswith(
        "candidate 'b': expected a plain network"
    )
    assert answer({"a": fc(), "b": fc().double()}).startswith(
        "candidate 'b': expected 0.weight to have the dtype"
    )
    narrow = nn.Sequential(nn.Linear(6, 9), *fc()[1:])
    assert answer({"a": fc(), "b": narrow}).startswith(
        "probe: the candidate 'b' cannot take inputs of shape [7]"
    )
