"""A child of which whole channels or neurons were removed is found as a relative, whatever its file's order."""

import numpy as np
import pytest
from reading_networks import State, child_of, network
from safetensors.numpy import save_file

from lineage.auditing.run import audit

WIDTHS = {"bn1": 32, "bn2": 48}
AFTER = {"conv1": "conv2", "conv2": "conv3", "conv3": "fc1", "fc1": "head"}
"""Which layer takes what each one gives."""


def with_statistics(state: State) -> State:
    drawn = np.random.default_rng(7)
    found = dict(state)
    for name, width in WIDTHS.items():
        found[f"{name}.running_mean"] = drawn.normal(size=width).astype(np.float32)
        found[f"{name}.running_var"] = drawn.uniform(0.5, 2, width).astype(np.float32)
    return found


def narrower(state: State, share: float, *, is_smallest: bool) -> State:
    """Without a share of the channels of every layer but the head: the smallest ones, or random ones."""
    drawn, found = np.random.default_rng(3), dict(state)
    for layer, taker in AFTER.items():
        weight = found[f"{layer}.weight"]
        sizes = (
            np.linalg.norm(weight.reshape(len(weight), -1), axis=1)
            if is_smallest
            else drawn.random(len(weight))
        )
        stays = np.sort(np.argsort(sizes)[int(share * len(weight)) :])
        for name in list(found):
            if name.startswith((f"{layer}.", f"{layer.replace('conv', 'bn')}.")):
                found[name] = np.ascontiguousarray(found[name][stays])
        found[f"{taker}.weight"] = np.ascontiguousarray(found[f"{taker}.weight"][:, stays])
    return found


@pytest.mark.parametrize(("share", "is_smallest"), [(0.25, True), (0.25, False), (0.5, False)])
@pytest.mark.parametrize("is_tuned", [True, False])
def test_a_network_without_some_of_its_channels_is_of_the_family(tmp_path, share, is_smallest, is_tuned):
    (tmp_path / "bases").mkdir()
    parent = with_statistics(network("cnn", 1))
    save_file(parent, tmp_path / "bases" / "parent.safetensors")
    save_file(with_statistics(network("cnn", 2)), tmp_path / "bases" / "other.safetensors")
    child = child_of(parent, 5) if is_tuned else parent
    child |= {name: values for name, values in parent.items() if "running" in name}
    save_file(narrower(child, share, is_smallest=is_smallest), tmp_path / "child.safetensors")
    report = audit(tmp_path / "child.safetensors", tmp_path / "bases", store_digests=False)
    assert report.family == ["parent"]
    assert "thinned" in report.reason


def test_a_stranger_with_fewer_channels_has_no_family(tmp_path):
    (tmp_path / "bases").mkdir()
    for number in (1, 2):
        save_file(with_statistics(network("cnn", number)), tmp_path / "bases" / f"{number}.safetensors")
    stranger = narrower(with_statistics(network("cnn", 3)), 0.25, is_smallest=False)
    save_file(stranger, tmp_path / "child.safetensors")
    report = audit(tmp_path / "child.safetensors", tmp_path / "bases", store_digests=False)
    assert not report.family
