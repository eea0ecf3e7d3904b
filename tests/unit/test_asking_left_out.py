"""Candidates that cannot be read, or are of another architecture, are left out by name; the others are asked."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from asking_networks import SIZE

import lineage
from lineage.asking.files import MANIFEST, read_query_set
from lineage.asking.terminal import lines_of
from lineage.errors import UserError
from lineage.networks.architectures import build

WORDS = ("--arch", "fc", "--data", "noise", "--image-size", str(SIZE), "--channels", "1", "--budget", "100")


@pytest.fixture(scope="module")
def bases(tmp_path_factory) -> Path:
    """Eight networks, half a file of another one, and one without a layer that the architecture has."""
    folder = tmp_path_factory.mktemp("left out") / "bases"
    folder.mkdir()
    for number in range(9):
        network = build("fc", classes=4, channels=1, image_size=SIZE, seed=number)
        torch.save(network.state_dict(), folder / f"p{number}.pt")
    whole = (folder / "p8.pt").read_bytes()
    (folder / "p8.pt").write_bytes(whole[: len(whole) // 2])
    torch.save({"conv.weight": torch.ones(4, 1, 3, 3)}, folder / "other.pt")
    return folder


def test_the_others_are_asked_and_each_that_was_left_out_is_named(bases, tmp_path, run):
    folder = tmp_path / "queries"
    done = run("ask", "--candidates", bases, *WORDS, "--out", folder)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("left out: ")]
    assert len(said) == 2
    assert "other.pt: expected the tensors of fc" in said[0]
    assert "p8.pt: " in said[1]
    queries, _ = read_query_set(folder)
    assert sorted(queries.plan.candidates) == [f"p{number}" for number in range(8)]

    found = lineage.answer(folder, np.arange(100) % 4)
    assert found.word == "undetermined"
    assert found.left_out.keys() == {"other", "p8"}
    assert found.reason.endswith("but other could not be read")
    assert [line for line in lines_of(found, "answers") if "left out: " in line] == [
        f"  {line}" for line in said
    ]

    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"left_out": ["p8"]}))
    with pytest.raises(UserError, match="left_out: expected a reason by id"):
        read_query_set(folder)


def test_where_none_can_be_read_the_first_reason_is_the_error(tmp_path):
    for name in ("a.pt", "b.pt"):
        (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(UserError, match=r"a\.pt"):
        lineage.ask(tmp_path, "noise", arch="fc", image_size=SIZE, channels=1)
