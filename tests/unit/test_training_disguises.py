"""A disguised child computes the same as it would have with other weights."""

import pytest
import torch
from small_fine_tuning import CPU, FC, images, model, parent_of

from lineage.errors import UserError
from lineage.networks.architectures import build
from lineage.training.fit import trained


@pytest.mark.parametrize("how", [["permute"], ["permute", "rescale"]])
def test_a_disguised_child_computes_what_it_would_have_with_other_weights(how):
    data = images([0, 1] * 8)
    (row, plain), (again, disguised) = (
        trained(model(**recipe), FC, data, parent_of(FC), CPU) for recipe in ({}, {"disguise": how})
    )
    assert row == again
    probe = torch.rand(9, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    outputs = []
    for state in (plain, disguised):
        net = build("fc", classes=2, channels=1, image_size=4, seed=0)
        net.load_state_dict(state)
        outputs.append(net(probe).detach())
    torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(plain["layer2.0.weight"], disguised["layer2.0.weight"], atol=1e-3)


def test_a_network_whose_axes_are_not_known_is_not_disguised():
    from lineage.training.disguised_children import disguised_state

    with pytest.raises(UserError, match=r"p0\.full\.000: cannot be disguised: .*drop settings\.\*\.disguise"):
        disguised_state({"table": torch.rand(3, 4)}, ["permute"], model())
