"""Scores of many features at once and of one child among many candidates equal those taken alone."""

import pytest
import torch
from random_features import random, related

from lineage.errors import UserError
from lineage.similarity.measures import SIMILARITIES, Representation, compare


@pytest.mark.parametrize(("n", "d"), [(16, 5), (7, 20)])
def test_leading_axes_equal_a_loop(n, d):
    F, G = related(n, d, batch=(2, 3))
    for name, scores in compare(F, G).items():
        loop = torch.stack([SIMILARITIES[name](f, G) for f in F.flatten(0, 1)]).view(2, 3)
        torch.testing.assert_close(scores, loop, rtol=1e-10, atol=1e-12, msg=name)


def test_scores_taken_together_equal_scores_taken_alone():
    F, G = related(16, 9, batch=(3,))
    child = Representation(G)
    for _ in range(2):
        together = compare(Representation(F), child)
        assert list(together) == list(SIMILARITIES)
        for name, score in SIMILARITIES.items():
            assert together[name].equal(score(F, G)), name
    assert list(compare(F, child, ["dc", "l1"])) == ["dc", "l1"]


def test_what_depends_on_the_child_alone_is_computed_once():
    F, G = related(16, 9)
    child = Representation(G)
    compare(F, child)
    kept = dict(vars(child))
    compare(2 * F, child)
    assert {"unit", "gram", "hsic", "distance_kernel", "rbf_kernel", "short"} <= kept.keys()
    assert all(vars(child)[key] is value for key, value in kept.items())


def test_scores_do_not_change_the_features():
    F, G = related(16, 9)
    copies = F.clone(), G.clone()
    compare(F, G)
    assert F.equal(copies[0])
    assert G.equal(copies[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_features_score_in_float32(dtype):
    F, G = (x.to(dtype) for x in related(10, 4))
    for name, score in compare(F, G).items():
        assert score.dtype == torch.float32
        assert score.equal(SIMILARITIES[name](F.float(), G.float())), name


def test_an_unknown_similarity_is_named_beside_the_known_ones():
    with pytest.raises(UserError, match=r"'svcca'.*l1, l2.*procrustes$"):
        compare(random(4, 2), random(4, 2), ["l1", "svcca"])


def test_different_samples_are_refused():
    with pytest.raises(UserError, match="4 and 1 samples"):
        compare(random(4, 2), random(1, 2), ["l1"])
