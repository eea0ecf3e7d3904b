"""A detector on networks of one's own: an answer for each candidate, and what cannot be compared."""

import numpy as np
import pytest
import torch
from small_detectors import detector

from lineage.errors import UserError
from lineage.experiment.conditions import NO_PARENT
from lineage.networks.architectures import build


def networks(count: int) -> dict[str, torch.nn.Module]:
    return {
        f"p{seed}": build("fc", classes=10, channels=1, image_size=28, seed=seed) for seed in range(count)
    }


@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize("inputs", ["both", "weights", "features"])
def test_modules_get_a_probability_each_and_one_that_none_is_the_parent(inputs, alpha):
    net = detector(layers=["layer2"], inputs=inputs, no_parent=True, alpha=alpha).eval()
    candidates = networks(3)
    child = build("fc", classes=4, channels=1, image_size=28, seed=9)
    probe = torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    answer = net.probabilities(child, candidates, probe)
    assert list(answer.index) == [*candidates, NO_PARENT]
    assert answer.sum() == pytest.approx(1)
    turned = net.probabilities(child, dict(reversed(candidates.items())), probe)
    np.testing.assert_allclose(turned[answer.index], answer, rtol=1e-4)


@pytest.mark.parametrize(("candidates", "told"), [(1, "at least two"), (2, r"candidate 'odd'.*layer1")])
def test_candidates_that_cannot_be_compared_are_named(candidates, told):
    net = detector(layers=["layer2"])
    models = networks(candidates)
    if candidates == 2:
        models["odd"] = build("fc", classes=10, channels=1, image_size=14, seed=0)
        models["odd"].layer2 = models["p0"].layer2
        models["odd"].layer1 = torch.nn.Linear(784, 1024)
    with pytest.raises(UserError, match=told):
        net.probabilities(models["p0"], models, torch.rand(2, 1, 28, 28))
