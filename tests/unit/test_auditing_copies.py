"""A candidate given twice, or rounded or pruned beside itself, says no more of the child than once."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_networks import child_of, network

from lineage.auditing.audit import audit_sources
from lineage.checkpoints.find import Source

ROOT = network(0)
SIBLING = child_of(ROOT, 1, strength=0.5)
CHILD = child_of(ROOT, 2, strength=1.5)


def another_head(tensors):
    return tensors | {"head.weight": tensors["head.weight"][::-1].copy()}


def in_halves(tensors):
    return {name: values.astype(np.float16).astype(np.float32) for name, values in tensors.items()}


def on_a_grid(tensors):
    def rounded(values):
        step = np.abs(values).max(1, keepdims=True) / 127
        return (np.rint(values / step) * step).astype(np.float32)

    return {name: rounded(values) if values.ndim == 2 else values for name, values in tensors.items()}


def pruned(tensors):
    def without_the_small(values):
        return np.where(np.abs(values) < np.quantile(np.abs(values), 0.3), np.float32(0), values)

    return {
        name: without_the_small(values) if values.ndim == 2 else values for name, values in tensors.items()
    }


COPIES = {"head": another_head, "halves": in_halves, "grid": on_a_grid, "pruned": pruned}


@pytest.fixture
def relatives_of(tmp_path):
    """What an audit finds of each candidate, by id."""

    def audited(child, candidates):
        def saved(name, tensors) -> str:
            path: Path = tmp_path / f"{name}.safetensors"
            save_file(tensors, path)
            return str(path)

        sources = [Source(id=name, path=saved(name, tensors)) for name, tensors in candidates.items()]
        verdict = audit_sources(saved("child", child), sources).verdict
        return {relative.id: relative for relative in verdict.relatives}

    return audited


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_of_a_sibling_makes_it_no_parent(relatives_of, copy):
    alone = relatives_of(CHILD, {"sibling": SIBLING})
    beside = relatives_of(CHILD, {"sibling": SIBLING, "copy": COPIES[copy](SIBLING)})
    assert beside["sibling"] == alone["sibling"]


def test_a_model_that_a_sibling_was_hardly_trained_into_makes_it_no_parent(relatives_of):
    alone = relatives_of(CHILD, {"sibling": SIBLING})
    beside = relatives_of(CHILD, {"sibling": SIBLING, "late": child_of(SIBLING, 3, strength=0.1)})
    assert beside["sibling"] == alone["sibling"]


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_of_the_child_says_nothing_of_its_parent(relatives_of, copy):
    alone = relatives_of(CHILD, {"root": ROOT})
    beside = relatives_of(CHILD, {"root": ROOT, "copy": COPIES[copy](CHILD)})
    assert beside["root"].share == alone["root"].share


def test_a_second_file_of_a_sibling_changes_nothing_of_the_others(relatives_of):
    models = {"root": ROOT, "sibling": SIBLING, "late": child_of(SIBLING, 3)}
    once = relatives_of(CHILD, models)
    twice = relatives_of(CHILD, models | {"copy": another_head(SIBLING)})
    assert {name: twice[name] for name in models} == once
