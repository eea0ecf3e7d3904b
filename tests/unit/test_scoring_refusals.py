"""Choices and children that cannot be scored are told in one line."""

import pytest
from moved_networks import conv, made, probe_of
from torch import Tensor, nn

from lineage import score_pair
from lineage.errors import UserError


def refused(parent: nn.Module, child: nn.Module, probe: Tensor, **choice) -> str:
    with pytest.raises(UserError) as caught:
        score_pair(parent, child, probe, **choice)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"layers": ["9"]}, "'9'"),
        ({"similarities": ["l1", "l3"]}, "'l3'"),
        ({"approximations": ["straight"]}, "'straight'"),
        ({"approximations": ["straight"], "similarities": ["weight_l2"]}, "'straight'"),
        ({"alphas": [0.5, 1.5]}, "1.5"),
        ({"alphas": [0.0]}, "0.0"),
        ({"alphas": [float("nan")]}, "nan"),
        ({"alphas": [1.0]}, "path"),
        ({"pool": "max"}, "'max'"),
    ],
)
def test_a_bad_choice_is_told(choice, told):
    assert told in refused(made("fc", 0), made("fc", 1), probe_of("fc"), **choice)


def wide() -> nn.Module:
    return nn.Sequential(nn.Linear(7, 9), nn.ReLU(), nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, 3)).double()


def shallow() -> nn.Module:
    return nn.Sequential(nn.Linear(7, 9), nn.ReLU()).double()


@pytest.mark.parametrize(("child", "told"), [(wide, "2.weight"), (shallow, "2.weight"), (conv, "0.weight")])
def test_a_child_of_another_backbone_is_told_by_its_first_weight_that_differs(child, told):
    assert told in refused(made("fc", 0), child().double(), probe_of("fc"))


def test_a_child_with_more_layers_than_the_parent_is_told():
    def network(depth: int) -> nn.Module:
        body = nn.Sequential(*(nn.Linear(7, 7) for _ in range(depth)))
        return nn.Sequential(nn.Linear(7, 7), body, nn.Linear(7, 3)).double()

    assert "1.2" in refused(network(2), network(3), probe_of("fc"))
