"""`lineage.audit`: the paths it takes, the typed report it returns, and mistakes in one line."""

import dataclasses
import json

import pytest
from small_networks import OF_P2, ROOTS, child_of, save_all

from lineage.auditing.report.bundle import write_json
from lineage.auditing.report.types import AuditReport
from lineage.auditing.run import audit
from lineage.auditing.stages.verdict import Word
from lineage.auditing.verify import differences
from lineage.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """p0 and p1 in `a`, p2, a child of it and another p1 in `b`, and another child of p2."""
    folder = tmp_path_factory.mktemp("run")
    save_all(folder / "a", {name: ROOTS[name] for name in ("p0", "p1")})
    save_all(folder / "b", {name: ROOTS[name] for name in ("p1", "p2")} | {"sibling": OF_P2})
    return save_all(folder, {"child": child_of(ROOTS["p2"], 27)})


@pytest.fixture(scope="module")
def report(folder) -> AuditReport:
    """Of the child against a list of a folder and a file."""
    return audit(
        folder / "child.safetensors",
        [folder / "a", *(folder / "b" / f"{name}.safetensors" for name in ("p2", "sibling"))],
        claimed="p1", store_digests=False,
    )  # fmt: skip


def test_paths_may_be_strings_or_paths_alone_or_in_a_list(folder, report):
    assert (report.verdict, report.parent) == (Word.PARENT, "p2")
    assert sorted(found.id for found in report.candidates) == ["p0", "p1", "p2", "sibling"]
    whole = audit(str(folder / "child.safetensors"), str(folder / "b"), store_digests=False)
    assert (whole.verdict, whole.parent) == ("parent", "p2")


def test_candidates_of_the_same_name_are_called_by_their_paths(folder):
    found = audit(folder / "child.safetensors", [folder / "a", folder / "b"], store_digests=False)
    paths = {str(folder / place / "p1.safetensors") for place in "ab"}
    assert {candidate.id for candidate in found.candidates} == {"p0", "p2", "sibling"} | paths


def test_the_dict_of_a_report_is_what_its_json_holds_key_by_key(report, tmp_path):
    write_json(report, tmp_path / "report.json")
    stored = json.loads((tmp_path / "report.json").read_text())
    assert stored == report.to_dict()
    assert not {"probe", "id"} & stored.keys()
    assert (stored["format"], stored["family"], stored["closest"]) == (4, ["p2", "sibling"], "p2")
    assert (stored["claimed"]["parent"], stored["claimed"]["state"]) == ("p1", "contradicted")
    assert stored["headline"] == report.headline
    assert {
        type(value) for value in (report.to_dict()["verdict"], report.to_dict()["layers"][0]["state"])
    } == {str}


def test_a_bundle_of_a_list_of_paths_verifies(report, tmp_path):
    write_json(report, tmp_path / "report.json")
    assert differences(tmp_path / "report.json") == []


def test_a_report_cannot_be_changed(report):
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.verdict = Word.NONE


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"child": {"w": 1}}, "child: expected a path, got dict"),
        ({"candidates": []}, "candidates: expected at least one path"),
        ({"candidates": [1]}, r"candidates\[0\]: expected a path, got int"),
        ({"unrelated": 3}, "unrelated: expected a path, got int"),
        ({"alpha": 5}, "alpha: expected a rate between 0 and 1, got 5"),
        ({"claimed": "P1"}, "claimed: expected the id of a candidate, got 'P1'; did you mean p1"),
        ({"claimed": "gpt"}, "claimed: expected the id of a candidate, got 'gpt'; the candidates are p0, p1"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_argument(folder, arguments, words):
    given = {"child": folder / "child.safetensors", "candidates": folder / "a", "store_digests": False}
    with pytest.raises(UserError, match=words) as caught:
        audit(**given | arguments)
    assert "\n" not in str(caught.value)


def test_an_unknown_claim_is_refused_before_any_candidate_is_read(folder, monkeypatch):
    monkeypatch.setattr("lineage.auditing.run.audit_sources", None)
    with pytest.raises(UserError, match="claimed: "):
        audit(folder / "child.safetensors", folder / "a", claimed="p11")


def test_a_claim_may_name_a_model_of_a_file_of_several(folder, tmp_path):
    import h5py

    with h5py.File(tmp_path / "several.h5", "w") as file:
        file.attrs["kind"] = "weights"
        for name, tensors in (("p0", ROOTS["p0"]), ("p2", ROOTS["p2"]), ("sibling", OF_P2)):
            for tensor, values in tensors.items():
                file[f"models/{name}/{tensor}"] = values
    several = str(tmp_path / "several.h5")
    with pytest.raises(UserError, match="got 'several'; did you mean several::p"):
        audit(folder / "child.safetensors", several, claimed="several", store_digests=False)
    found = audit(folder / "child.safetensors", several, claimed="several::p2", store_digests=False)
    assert found.claimed.parent == found.parent == "several::p2"
