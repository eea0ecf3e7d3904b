"""Counters that both files have give a hint which one was trained for longer, and decide nothing."""

import pytest
from small_networks import OF_P2, ROOTS, child_of

from lineage.auditing.run import audit
from lineage.auditing.stages.hints import hints_of


@pytest.mark.parametrize(
    ("candidate_counts", "child_counts", "hints"),
    [
        ({"step": 4}, {"step": 9, "epoch": 1},
         ["step is 4 there and 9 in the child, as if the child was trained for longer"]),
        ({"step": 9}, {"step": 4},
         ["step is 9 there and 4 in the child, as if the candidate was trained for longer"]),
        ({"step": 4}, {"step": 4}, ["step is 4 there and 4 in the child, as if both were counted alike"]),
        ({"step": 4}, {}, []),
    ],
)  # fmt: skip
def test_a_counter_that_both_files_have_gives_a_hint(candidate_counts, child_counts, hints):
    assert hints_of(candidate_counts, child_counts) == hints


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_counters_of_files_are_shown_and_decide_nothing(tmp_path, suffix):
    import torch
    from safetensors.torch import save_file as save_safetensors

    save = save_safetensors if suffix == ".safetensors" else torch.save
    (tmp_path / "bases").mkdir()
    for name, state, batches in (("p2", ROOTS["p2"], 30), ("p0", ROOTS["p0"], 5), ("sibling", OF_P2, 20)):
        tensors = {key: torch.from_numpy(values) for key, values in state.items()}
        counter = {"norm.num_batches_tracked": torch.tensor(batches)}
        save(tensors | counter, tmp_path / "bases" / f"{name}{suffix}")
    child = {key: torch.from_numpy(values) for key, values in child_of(ROOTS["p2"], 27).items()}
    save(child | {"norm.num_batches_tracked": torch.tensor(20)}, tmp_path / f"child{suffix}")
    report = audit(tmp_path / f"child{suffix}", tmp_path / "bases", store_digests=False)
    assert report.parent == "p2"
    hints = {found.id: list(found.hints) for found in report.candidates}
    assert hints == {
        "p2": [
            "num_batches_tracked is 30 there and 20 in the child, as if the candidate was trained for longer"
        ],
        "p0": [],
        "sibling": ["num_batches_tracked is 20 there and 20 in the child, as if both were counted alike"],
    }
