"""The verdict on a network does not depend on the format that it is saved in; `make bench-reading` tries all."""

import pytest
from reading_networks import SHAPES, child_of, network
from reading_writers import WRITERS, written
from safetensors.numpy import save_file

from lineage.auditing.run import audit

FAST = ["llama", "lstm"]
"""Kinds that are tried in the suite: without convolutions, and with layers that frameworks lay out otherwise."""
ALSO = [
    ("cnn", name) for name in ("Keras .keras", "Flax msgpack", "TensorFlow Lite", "OpenVINO, 8 bits", "ONNX")
]
ALSO += [("vit", name) for name in ("SavedModel", "ncnn, 16 bits", "GGUF, Q8_0", "PyTorch, whole module")]
CASES = [*((FAST[place % 2], name) for place, name in enumerate(WRITERS)), *ALSO]


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bases")
    for kind in SHAPES:
        (folder / kind).mkdir()
        save_file(network(kind, 1), folder / kind / "parent.safetensors")
        save_file(network(kind, 2), folder / kind / "other.safetensors")
    return folder


@pytest.fixture(scope="module")
def digests(tmp_path_factory):
    """Where the candidates' digests are kept, which are the same for every format of the suspect."""
    return tmp_path_factory.mktemp("digests")


@pytest.fixture(scope="module")
def as_safetensors(bases, digests, tmp_path_factory):
    """The verdict on each kind's child in the candidates' own format."""
    folder = tmp_path_factory.mktemp("children")
    found = {}
    for kind in SHAPES:
        child = written("safetensors", child_of(network(kind, 1), 9), folder / kind)
        found[kind] = audit(child, bases / kind, cache=digests).verdict
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_child_has_its_verdict_and_a_stranger_none(bases, digests, as_safetensors, tmp_path, kind, name):
    child = written(name, child_of(network(kind, 1), 9), tmp_path / "child")
    report = audit(child, bases / kind, cache=digests)
    assert report.verdict == as_safetensors[kind]
    assert report.closest == "parent"
    assert report.family == ["parent"]
    stranger = written(name, network(kind, 3), tmp_path / "stranger")
    assert audit(stranger, bases / kind, cache=digests).verdict == "none of these"


def test_there_are_at_least_20_formats_and_variants():
    assert len(WRITERS) >= 20
