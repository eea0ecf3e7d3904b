"""What is said of a child with the matrices of a candidate: the same weights, or what else differs."""

import numpy as np
import pytest
from audited_tensors import audit_of
from known_verdicts import related, verdict
from small_networks import ROOTS

from lineage.auditing.report.headline import headline_of
from lineage.auditing.stages.verdict import Word
from lineage.relation.relations import Relation

P1 = ROOTS["p1"] | {
    "norm.weight": np.linspace(0.5, 1.5, 96, dtype=np.float32),
    "token": np.ones((1, 96), np.float32),
    "norm.bias": np.linspace(-1, 1, 96, dtype=np.float32),
}
HEAD = np.random.default_rng(1).normal(size=(10, 64)).astype(np.float32)


def tripled(*names: str) -> dict[str, np.ndarray]:
    return {name: 3 * P1[name] for name in names}


@pytest.mark.parametrize(
    ("child", "said"),
    [
        (P1, "the same weights as p1"),
        ({name: values.astype(np.float16) for name, values in P1.items()}, "the same weights as p1"),
        (P1 | {"head.weight": HEAD}, "the same matrices as p1, but not the same head"),
        (P1 | {"head.bias": P1["head.bias"] + 1}, "the same matrices as p1, but not the same head"),
        (P1 | {"head.weight": HEAD[:7], "head.bias": np.zeros(7, np.float32)},
         "the same matrices as p1, but not the same head"),
        (P1 | tripled("layer0.bias", "layer1.bias"), "the same matrices as p1, but not the same biases"),
        (P1 | tripled("norm.bias", "norm.weight") | {"head.weight": HEAD},
         "the same matrices as p1, but not the same head or norms"),
        (P1 | tripled("norm.weight", "layer2.bias") | {"head.weight": HEAD},
         "the same matrices as p1, but not the same head, biases or norms"),
        (P1 | {"token": P1["token"] + 1}, "the same matrices as p1, but not the same tensors beside them"),
        (P1 | tripled("norm.weight"), "the same matrices as p1, but not the same norms"),
        ({name: values for name, values in P1.items() if name != "layer0.bias"},
         "the same matrices as p1, but not the same set of tensors"),
    ],
    ids=["all", "half", "head", "its bias", "classes", "BitFit", "norms", "three", "token", "norm", "no bias"],
)  # fmt: skip
def test_the_headline_names_what_differs_beside_equal_matrices(tmp_path, child, said):
    found = audit_of(tmp_path, child, {"p1": P1, "p2": ROOTS["p2"]}).verdict
    assert found.word is Word.SAME
    assert headline_of("c", found, 2) == f"c has {said}."


@pytest.mark.parametrize(
    ("differs", "said"),
    [
        ({}, "the same weights as p (copy is a copy of it) and as q and as r"),
        ({"q": ["head"]}, "the same weights as p (copy is a copy of it) and as r, and "
                          "the same matrices as q, but not the same head"),
        ({"p": ["head"], "copy": ["head"], "q": ["head"]},
         "the same matrices as p (copy is a copy of it) and as q, but not the same head, and the same weights as r"),
    ],
)  # fmt: skip
def test_each_candidate_is_said_to_have_what_it_has(differs, said):
    relatives = [related(id, Relation.SAME, differs=differs.get(id, ())) for id in ("p", "copy", "q", "r")]
    found = verdict(Word.SAME, closest="p", parent="p", copies=["copy"], relatives=relatives)
    assert headline_of("c", found, 4) == f"c has {said}."


def test_the_closest_is_the_one_of_which_nothing_differs(tmp_path):
    other_head = P1 | {"head.weight": HEAD}
    found = audit_of(tmp_path, P1, {"a": other_head, "z": P1}).verdict
    assert (found.word, found.closest, found.parent) == (Word.SAME, "z", "z")
    assert headline_of("c", found, 2) == (
        "c has the same weights as z, and the same matrices as a, but not the same head."
    )
