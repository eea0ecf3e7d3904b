"""Which layers a network is tapped at, and that their features are what its modules give."""

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from lineage.errors import UserError
from lineage.networks.backbone import Backbone, default_layers, state_of

IMAGES = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def fc() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(3 * 32 * 32, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4)
    )


def timm_vit() -> nn.Module:
    size = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "num_heads": 3, "depth": 3}
    return timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=4, **size)


NETWORKS = {
    "fc": (fc, "5"),
    "resnet18": (lambda: torchvision.models.resnet18(num_classes=4), "fc"),
    "timm_resnet18": (lambda: timm.create_model("resnet18", pretrained=False, num_classes=4), "fc"),
    "timm_vit": (timm_vit, "head"),
}


def made(name: str) -> tuple[nn.Module, str]:
    torch.manual_seed(0)
    build, head = NETWORKS[name]
    return build(), head


def hooked(network: nn.Module, layer: str, probe: Tensor) -> Tensor:
    """The output of a module in evaluation."""
    seen = []
    handle = network.get_submodule(layer).register_forward_hook(lambda *args: seen.append(args[2].clone()))
    with torch.no_grad():
        network.eval()(probe)
    handle.remove()
    return seen[-1]


@pytest.mark.parametrize("name", NETWORKS)
def test_by_default_the_last_layer_is_what_the_head_reads_and_the_head_is_left_out(name):
    network, head = made(name)
    backbone = Backbone(network.eval(), IMAGES)
    with torch.no_grad():
        features = backbone(state_of(network), IMAGES)
        logits = network(IMAGES)
        torch.testing.assert_close(
            network.get_submodule(head)(features[backbone.layers[-1]]), logits, rtol=1e-5, atol=1e-5
        )
    expected = {key for key, _ in network.named_parameters() if not key.startswith(f"{head}.")}
    assert set(backbone.parameter_names) == expected
    assert head not in backbone.layers


def test_a_plain_sequence_is_tapped_after_each_activation():
    assert Backbone(fc(), IMAGES).layers == ("2", "4")
    assert default_layers(fc(), probe=IMAGES) == ["2", "4"]


def test_a_wrapped_network_is_looked_into():
    assert Backbone(nn.Sequential(fc()), IMAGES).layers == ("0.2", "0.4")


def test_resnet_is_tapped_at_each_stage_in_the_order_of_the_forward_pass():
    layers = Backbone(made("resnet18")[0], IMAGES).layers
    places = [layers.index(name) for name in ("maxpool", "layer1", "layer2", "layer3", "avgpool")]
    assert places == sorted(places)


def test_each_block_of_a_transformer_is_tapped():
    layers = Backbone(made("timm_vit")[0], IMAGES).layers
    assert {"blocks.0", "blocks.1"} <= set(layers)


@pytest.mark.parametrize("name", NETWORKS)
def test_each_parameter_belongs_to_one_layer_at_most(name):
    names = Backbone(made(name)[0], IMAGES).parameter_names
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("pool", "expected"),
    [("mean", lambda maps: maps.mean((2, 3))), ("flatten", lambda maps: maps.reshape(len(maps), -1))],
)
def test_maps_are_averaged_over_positions_or_flattened(pool, expected):
    network, _ = made("resnet18")
    backbone = Backbone(network, IMAGES, layers=["layer3"], pool=pool)
    found = backbone(state_of(network), IMAGES)["layer3"]
    torch.testing.assert_close(found.detach(), expected(hooked(network, "layer3", IMAGES)))


def test_tokens_are_averaged():
    network, _ = made("timm_vit")
    found = Backbone(network, IMAGES, layers=["blocks.1"])(state_of(network), IMAGES)["blocks.1"]
    tokens = hooked(network, "blocks.1", IMAGES)
    assert tokens.ndim == 3
    torch.testing.assert_close(found.detach(), tokens.mean(1))


def test_features_come_from_the_given_state_not_from_the_networks_own():
    network, _ = made("resnet18")
    other = NETWORKS["resnet18"][0]()
    for module in other.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
    found = Backbone(network, IMAGES, layers=["layer2"])(state_of(other), IMAGES)["layer2"]
    torch.testing.assert_close(found.detach(), hooked(other, "layer2", IMAGES).mean((2, 3)))


def test_nothing_after_the_last_tapped_layer_runs():
    class Fatal(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            assert x.shape[0] == 1, "the head ran on the whole probe"
            return x

    network = nn.Sequential(nn.Linear(4, 3), Fatal())
    probe = torch.zeros(5, 4)
    assert Backbone(network, probe, layers=["0"])(state_of(network), probe)["0"].shape == (5, 3)


def test_modes_and_weights_are_left_as_they_were():
    network, _ = made("resnet18")
    network.train()
    network.layer2.eval()
    modes = [module.training for module in network.modules()]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    Backbone(network, IMAGES)(state_of(network), IMAGES)
    assert [module.training for module in network.modules()] == modes
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_modes_come_back_after_an_error_too():
    network = fc().train()
    with pytest.raises(RuntimeError):
        Backbone(network, torch.zeros(2, 5))
    assert all(module.training for module in network.modules())
    assert not any(module._forward_hooks for module in network.modules())


def test_a_later_operation_in_place_does_not_change_what_was_tapped():
    network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True), nn.Linear(3, 3), nn.Linear(3, 2))
    probe = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    found = Backbone(network, probe, layers=["0", "2"])(state_of(network), probe)["0"]
    assert (found < 0).any()
    torch.testing.assert_close(found, network[0](probe))


class Reused(nn.Module):
    """One activation after two layers."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.act, self.head = (
            nn.Linear(4, 3),
            nn.Linear(3, 3),
            nn.ReLU(),
            nn.Linear(3, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.second(self.act(self.first(x)))))


def test_a_module_called_twice_gives_the_features_of_its_last_call():
    network, probe = Reused(), torch.randn(6, 4)
    found = Backbone(network, probe, layers=["second", "act"])(state_of(network), probe)
    torch.testing.assert_close(found["act"], hooked(network, "act", probe))
    torch.testing.assert_close(found["second"], hooked(network, "second", probe))


def test_a_shared_activation_is_tapped_once_by_default():
    layers = Backbone(Reused(), torch.randn(2, 4)).layers
    assert len(layers) == len(set(layers))


def test_an_unknown_layer_is_told_with_those_there_are():
    with pytest.raises(UserError, match="'7': expected one of the network's modules 0, 1, 2"):
        Backbone(fc(), IMAGES, layers=["7"])


def test_a_layer_that_the_forward_pass_does_not_call_is_told():
    network = Reused()
    network.spare = nn.Linear(4, 3)
    with pytest.raises(UserError, match="'spare': the forward pass does not call it"):
        Backbone(network, torch.zeros(2, 4), layers=["spare"])


def test_a_layer_that_gives_no_tensor_is_told():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention, self.head = nn.MultiheadAttention(4, 1), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.attention(x, x, x)[0])

    network, probe = Attention(), torch.zeros(3, 2, 4)
    with pytest.raises(UserError, match="'attention'"):
        Backbone(network, probe, layers=["attention"])(state_of(network), probe)


@pytest.mark.parametrize("network", [nn.Linear(4, 2), nn.Sequential(nn.Linear(4, 2)), nn.Flatten()])
def test_a_network_without_stages_is_told(network):
    with pytest.raises(UserError, match="name the layers to tap"):
        Backbone(network, torch.zeros(2, 4))


def test_an_unknown_pool_is_told():
    with pytest.raises(UserError, match="'max'"):
        Backbone(fc(), IMAGES, pool="max")
