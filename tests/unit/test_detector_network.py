"""The detector's network: what its logits depend on, and what they may not depend on."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_detectors import KINDS, detector, images

from lineage.detector.model import ImageEncoder


@settings(max_examples=15, deadline=None)
@given(
    order=st.integers(1, 7).flatmap(lambda count: st.permutations(range(count))),
    training=st.booleans(),
    blocks=st.integers(1, 2),
)
def test_reordering_the_candidates_reorders_the_logits(order, training, blocks):
    net = detector(2, blocks=blocks).double().train(training)
    P = len(order)
    weights, features = images((5, 6), (3, 9), P=P), images((4, 4), (4, 7), P=P, seed=1)
    logits = net(weights, features)
    assert logits.shape == (2, P)
    reordered = net([image[:, order] for image in weights], [image[:, order] for image in features])
    torch.testing.assert_close(reordered, logits[:, order], rtol=1e-9, atol=1e-9)


def test_a_childs_logits_do_not_depend_on_the_others_in_its_batch():
    net = detector().double().eval()
    weights, features = images((5, 6), B=4), images((4, 4), B=4, seed=1)
    one = net([weights[0][2:3]], [features[0][2:3]])
    torch.testing.assert_close(net(weights, features)[2:3], one, rtol=1e-9, atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.tuples(*[st.integers(1, 12)] * 4))
def test_images_may_have_any_size(sizes):
    rows, columns, n, d = sizes
    logits = detector().double()(images((rows, columns)), images((n, d), seed=1))
    assert logits.shape == (2, 3)
    assert logits.isfinite().all()


def test_the_first_filters_start_as_the_two_differences():
    torch.manual_seed(0)
    filters = ImageEncoder(4).difference
    parent, child = torch.randn(2, 5, 6, 7)
    with torch.no_grad():
        found = filters(torch.stack([parent, child], 1))
        same = filters(torch.stack([child, child], 1))
    torch.testing.assert_close(found[:, 0], parent - child)
    torch.testing.assert_close(found[:, 1], child - parent)
    assert (same[:, :2] == 0).all()
    assert (same[:, 2] != 0).any()


def test_candidates_that_look_the_same_get_the_same_logit_and_finite_gradients():
    net = detector().double()
    weights, features = (
        [image[:, :1].expand(-1, 3, -1, -1, -1)] for image in (*images((5, 6)), *images((4, 4)))
    )
    logits = net(weights, features)
    torch.testing.assert_close(logits, logits[:, :1].expand(-1, 3))
    logits[:, 0].sum().backward()
    assert all(
        parameter.grad.isfinite().all() for parameter in net.parameters() if parameter.grad is not None
    )


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_image_has_an_encoder_of_its_own(kind):
    net = detector().double().eval()
    images_of = {"weights": images((5, 6)), "features": images((4, 4), seed=1)}
    before = net(**images_of)
    with torch.no_grad():
        net.encoders[kind].pattern[0].weight.zero_()
    assert not torch.allclose(net(**images_of), before)
    silenced = net(**images_of)
    other = {name: images((5, 6), seed=7) if name == kind else values for name, values in images_of.items()}
    torch.testing.assert_close(net(**other), silenced)
    (rest,) = set(KINDS) - {kind}
    other = {name: images((5, 6), seed=7) if name == rest else values for name, values in images_of.items()}
    assert not torch.allclose(net(**other), silenced)


@pytest.mark.parametrize("kind", KINDS)
def test_an_ablated_detector_needs_the_one_kind_alone(kind):
    only = {name: images((5, 6)) if name == kind else [] for name in KINDS}
    assert detector(inputs=kind).double()(**only).shape == (2, 3)


def test_whether_there_is_a_parent_does_not_depend_on_the_order_of_the_candidates():
    net = detector(no_parent=True).double().eval()
    weights, features = images((5, 6), P=4), images((4, 4), P=4, seed=1)
    logits = net(weights, features)
    order = [2, 0, 3, 1]
    reordered = net([weights[0][:, order]], [features[0][:, order]])
    torch.testing.assert_close(reordered, logits[:, [*order, 4]], rtol=1e-9, atol=1e-9)
