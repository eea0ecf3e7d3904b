"""`lineage.ask` and `lineage.answer`, end to end, on networks whose ancestry is known."""

import json
import subprocess
import sys

import numpy as np
import pytest
from asking_networks import DIGITS, SIZE, World, labels, logits, probabilities, trained_briefly
from PIL import Image

import lineage
from lineage.asking.files import read_query_set
from lineage.asking.queryset import QuerySet
from lineage.asking.verdict import Word
from lineage.errors import UserError


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def parents(world) -> dict[str, np.ndarray]:
    return {f"p{number}": world.unrelated() for number in range(12)}


@pytest.fixture(scope="module")
def queries(parents) -> QuerySet:
    return lineage.ask({id: logits(weights) for id, weights in parents.items()}, budget=300, **DIGITS)


@pytest.mark.parametrize("answered", [labels, probabilities])
def test_a_childs_parent_is_the_closest(answered, world, parents, queries):
    for id in ("p0", "p3", "p11"):
        found = lineage.answer(queries, answered(world.child(parents[id])))
        assert (found.word, found.family, found.closest) == (Word.CLOSEST, [id], id)
        assert found.candidates[0].deviation > found.critical


@pytest.mark.parametrize("answered", [labels, probabilities])
def test_an_unrelated_network_has_no_family(answered, world, queries):
    words = [lineage.answer(queries, answered(world.unrelated())).word for _ in range(60)]
    assert words.count(Word.UNDETERMINED) >= 57


def test_two_relatives_among_the_candidates_are_both_of_the_family(world, parents):
    relatives = parents | {"copy": world.child(parents["p3"], 0.05)}
    queries = lineage.ask({id: logits(weights) for id, weights in relatives.items()}, budget=300, **DIGITS)
    found = lineage.answer(queries, probabilities(world.child(parents["p3"], 0.3)))
    assert set(found.family) == {"p3", "copy"}


def test_a_strangers_family_is_never_that_of_an_unrelated_network(world, parents):
    functions = {id: logits(weights) for id, weights in parents.items()}
    stranger = functions.pop("p3")
    queries = lineage.ask(functions, unrelated={"p3": stranger}, budget=100, **DIGITS)
    found = lineage.answer(queries, labels(world.child(parents["p3"], 0.1)))
    assert found.word == Word.UNDETERMINED
    assert found.reason == "p3 was given as unrelated, and stands out"


def test_with_few_networks_nothing_can_stand_out(world, parents):
    few = {id: logits(parents[id]) for id in ("p0", "p1")}
    found = lineage.answer(lineage.ask(few, budget=100, **DIGITS), labels(parents["p0"]))
    assert found.word == Word.UNDETERMINED
    assert "expected at least 8 networks" in found.reason


def test_a_query_set_is_the_same_after_it_was_written_and_read(queries, tmp_path, parents):
    folder = tmp_path / "queries"
    functions = {id: logits(weights) for id, weights in parents.items()}
    lineage.ask(functions, budget=300, out=folder, **DIGITS)
    read, stated = read_query_set(folder)
    assert stated == read.commitment == queries.commitment
    pictures = sorted((folder / "images").iterdir())
    assert len(pictures) == 300
    shown = np.stack([np.asarray(Image.open(picture)) for picture in pictures])
    assert np.array_equal(shown[..., None], queries.images)
    with pytest.raises(UserError, match="holds a query set already"):
        lineage.ask(functions, budget=300, out=folder, **DIGITS)


def test_an_answer_from_files_needs_no_torch(parents, tmp_path, world):
    folder = tmp_path / "queries"
    queries = lineage.ask(
        {id: logits(weights) for id, weights in parents.items()}, budget=100, out=folder, **DIGITS
    )
    said = labels(world.child(parents["p5"]))(queries.images)
    rows = "\n".join(f"{number:04d}.png,{label}" for number, label in enumerate(said))
    (tmp_path / "answers.csv").write_text(f"query,label\n{rows}\n")
    code = (
        "import sys, lineage; found = lineage.answer('queries', 'answers.csv'); "
        "print(found.closest, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["p5", "False"]


def test_the_commands_ask_verify_and_answer(tmp_path, world, monkeypatch, run):
    torch = pytest.importorskip("torch")
    from lineage.networks.architectures import build

    (tmp_path / "bases").mkdir()
    states = {}
    for number in range(9):
        network = build("fc", classes=4, channels=1, image_size=SIZE, seed=number)
        with torch.no_grad():  # answers of untrained networks are nearly constant
            for parameter in network.parameters():
                parameter.mul_(3)
        states[number] = network.state_dict()
        torch.save(states[number], tmp_path / "bases" / f"p{number}.pt")
    suspect = build("fc", classes=4, channels=1, image_size=SIZE, seed=0)
    suspect.load_state_dict({k: v * (1 + 0.1 * torch.randn_like(v)) for k, v in states[4].items()})
    photos = tmp_path / "photos"
    photos.mkdir()
    random = np.random.default_rng(0)
    for number in range(120):
        Image.fromarray(random.integers(0, 256, (SIZE, SIZE), dtype=np.uint8)).save(photos / f"{number}.png")
    monkeypatch.chdir(tmp_path)

    def ended(*words: str) -> tuple[int, str]:
        with trained_briefly():
            done = run(*words)
        return done.returncode, done.stdout

    of_candidates = ("--candidates", "bases", "--arch", "fc", "--data", "photos")
    size = ("--image-size", str(SIZE), "--channels", "1", "--budget", "100", "--out", "queries")
    code, said = ended("ask", *of_candidates, *size)
    assert code == 0
    commitment = said.split("commitment: ")[1].split()[0]
    assert ended("ask", *of_candidates, "--verify", "queries") == (0, "queries: verified, nothing differs\n")
    queries, _ = read_query_set(tmp_path / "queries")
    pixels = torch.from_numpy(queries.images.transpose(0, 3, 1, 2)).float() / 255
    with torch.no_grad():
        np.savez("answers.npz", probabilities=suspect(pixels).softmax(1).numpy())
    code, said = ended("answer", "queries", "answers.npz", "--commitment", commitment, "--json", "found.json")
    assert code == 0
    assert "answers.npz: of the family of p4; closest: p4" in said
    assert json.loads((tmp_path / "found.json").read_text())["closest"] == "p4"
    (tmp_path / "bases" / "p8.pt").unlink()
    assert ended("ask", *of_candidates, "--verify", "queries")[0] == 1
