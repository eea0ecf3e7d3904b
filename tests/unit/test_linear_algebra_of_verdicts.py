"""Verdicts and family trees, whose matrices are small, keep linear algebra to the thread that asks for it."""

from audited_tensors import audit_of, saved_sources
from small_networks import child_of, network
from threadpoolctl import threadpool_info, threadpool_limits

from lineage.auditing.audit import Settings
from lineage.genealogy.run import tree_of
from lineage.index.digest import DigestCache
from lineage.relation.direction.estimate import Unmodelled

ROOT = network(0)
MODELS = {"root": ROOT, "first": child_of(ROOT, 1), "second": child_of(ROOT, 2)}


class Watched(Unmodelled):
    """Estimates, and remembers how many threads linear algebra had meanwhile."""

    def __init__(self):
        self.threads = set()

    def __call__(self, features):
        self.threads |= {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}
        return super().__call__(features)


def test_an_audit_compares_relatives_with_one_thread(tmp_path):
    watched = Watched()
    with threadpool_limits(2, user_api="blas"):
        audit_of(tmp_path, child_of(ROOT, 3), MODELS, settings=Settings(direction=watched))
    assert watched.threads == {1}


def test_a_family_tree_does_too(tmp_path):
    watched = Watched()
    with threadpool_limits(2, user_api="blas"):
        tree_of("models", saved_sources(tmp_path, MODELS), DigestCache(None), watched)
    assert watched.threads == {1}
