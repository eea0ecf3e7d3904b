"""A mistake ends as one line that names file and key, with exit code 1, and earlier artifacts stay as they were."""

import json
import os
import resource
import shutil
import sys
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checkout import Checkout, kill_group

CONFIG = "config/config.yaml"


def complaint(code: int, output: str) -> str:
    """The one error that a failed command shows to a person."""
    assert code == 1, output
    assert "Traceback" not in output
    lines = {line for line in output.splitlines() if line.startswith("error: ")}
    assert len(lines) == 1, output
    return lines.pop()


def set_at(key: str, value):
    """Sets a key like `settings.full.children` in an experiment's configuration."""

    def edit(config: dict) -> None:
        *parents, last = key.split(".")
        for parent in parents:
            config = config[parent]
        config[last] = value

    return edit


MISTAKES = {
    "of the schema": ("experiments.tiny.roots.epochs", "many", ["integer", "'many'"]),
    "at the top": ("threads", 0, ["at least 1", "0"]),
    "of two keys": ("experiments.tiny.similarity.alphas", [1], ["below 1", "path"]),
    "of the models": ("experiments.tiny.settings.full.parents", "full", ["roots", "full -> full"]),
    "of the data": (
        "experiments.tiny.settings.full.data.source",
        "parquet:data/none.parquet",
        ["data/none.parquet: expected a Parquet file"],
    ),
}
"""One of each kind; tests/unit/test_config_mistakes.py has the others, and says the same of them."""


@pytest.mark.parametrize(("key", "value", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake_in_the_configuration_is_told_before_any_job_runs(finished, key, value, words):
    finished.configure(set_at(key, value), experiment=None)
    before = finished.artifacts()
    told = complaint(*finished.snakemake("--cores", "2"))
    assert [word for word in words if word not in told] == []
    if "source" not in key:
        assert f"{CONFIG}: {key}" in told
    assert finished.artifacts() == before


def images_with_labels(path, labels: list[int]) -> None:
    """Writes images in the layout of Hugging Face, of three classes."""
    picture = b"P5 2 2 255 " + bytes([0, 80, 160, 240])
    table = pa.table({"image": [{"bytes": picture, "path": None}] * len(labels), "label": labels})
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table.replace_schema_metadata({"class_names": json.dumps(["a", "b", "c"])}), path)


def trains_on(checkout: Checkout, name: str):
    """Lets the roots train on a Parquet file of the checkout; gives its path."""
    checkout.configure(set_at("roots.data", {"source": f"parquet:{name}"}))
    return checkout.folder / name


def truncated_data(checkout: Checkout) -> None:
    path = trains_on(checkout, "data/cut.parquet")
    images_with_labels(path, [0, 1, 2] * 100)
    os.truncate(path, path.stat().st_size - 100)


def more_images_than_there_are(checkout: Checkout) -> None:
    checkout.configure(set_at("roots.images", 5000))


def unknown_layer(checkout: Checkout) -> None:
    checkout.configure(set_at("similarity.layers", ["nope"]))


def more_threads_than_cores(checkout: Checkout) -> None:
    checkout.configure(lambda config: config.update(threads=64), experiment=None)


def in_place_of(checkout: Checkout, name: str, write) -> None:
    """Puts another file in an artifact's place, with the artifact's times."""
    path = checkout.path(name)
    times = path.stat()
    write(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def cut_in_half(path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def foreign_parquet(path) -> None:
    pq.write_table(pa.table({"a": [1]}), path)


WEIGHTS = "results/tiny/finetune/full/p0/0/weights.h5"
FEATURES = "results/tiny/features/full/p0/0/features.h5"
ROOT_FEATURES = "results/tiny/features/roots/features.h5"
SCORES = "results/tiny/similarity/full/p0/0/scores.parquet"
RESULTS = "results/tiny/results.parquet"
ROOT = "results/tiny/pretrain/p0/weights.h5"
DAMAGES = {
    "truncated data": (truncated_data, "pretrain", ROOT, ["data/cut.parquet", "cut off"]),
    "more images than there are": (
        more_images_than_there_are, "pretrain", ROOT, ["images", "1797", "5000"],
    ),
    "unknown layer": (unknown_layer, "root_features", ROOT_FEATURES, ["layer 'nope'", "layer2"]),
    "more threads than cores": (more_threads_than_cores, "pretrain", ROOT, ["threads: 64", "--cores"]),
    "truncated weights": (
        lambda checkout: in_place_of(checkout, WEIGHTS, cut_in_half), "features", FEATURES,
        [WEIGHTS, "weights", "remove it and run again"],
    ),
    "foreign Parquet": (
        lambda checkout: in_place_of(checkout, SCORES, foreign_parquet), "evaluate", RESULTS,
        [SCORES, "columns", "but got a", "remove it and run again"],
    ),
}  # fmt: skip
"""What the functions that a job calls refuse is in the unit tests; here, that a job passes it on."""


def others(checkout: Checkout, target: str) -> dict[str, bytes]:
    """All artifacts but those of the target's own job, which Snakemake removes before the job begins."""
    folder = target.rpartition("/")[0] + "/"
    own = {
        name
        for name in checkout.artifacts()
        if name.startswith(folder) and name.count("/") == target.count("/")
    }
    assert target in own or not checkout.folder.joinpath(target).exists()
    return {name: content for name, content in checkout.artifacts().items() if name not in own}


@pytest.mark.parametrize(("damage", "rule", "target", "words"), DAMAGES.values(), ids=DAMAGES.keys())
def test_mistake_found_by_a_job_is_told_and_spoils_no_other_artifact(finished, damage, rule, target, words):
    damage(finished)
    before = others(finished, target)
    told = complaint(*finished.snakemake("--cores", "2", "--forcerun", rule, "--", target))
    assert [word for word in words if word not in told] == []
    assert others(finished, target) == before
    assert not list(finished.results.rglob("*.part"))


def test_device_cuda_without_a_gpu_is_told(finished):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    finished.configure(lambda config: config.update(device="cuda"), experiment=None)
    before = others(finished, ROOT)
    told = complaint(*finished.snakemake("--cores", "2", "--", ROOT))
    assert "device: cuda" in told
    assert "auto or cpu" in told
    assert others(finished, ROOT) == before


def test_file_that_the_disk_cannot_hold_is_told(finished):
    def allow_a_quarter_of_the_weights() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    before = others(finished, WEIGHTS)
    arguments = ("--cores", "2", "--forcerun", "finetune", "--", WEIGHTS)
    told = complaint(*finished.snakemake(*arguments, preexec_fn=allow_a_quarter_of_the_weights))
    assert f"{WEIGHTS}: could not be written" in told
    assert others(finished, WEIGHTS) == before
    assert not list(finished.results.rglob("*.part"))


@pytest.fixture
def locked(repository, tmp_path) -> Iterator[Checkout]:
    """A folder with the lock of a run that was killed; its commands use the repository's package."""
    lock = tmp_path / ".snakemake" / "locks" / "0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    shutil.copytree(repository.folder / "lineage", tmp_path / "lineage")
    return Checkout(tmp_path)


def locks(checkout: Checkout) -> list[str]:
    return [path.name for path in checkout.folder.glob(".snakemake/locks/*")]


WAITS = "import sys; print('ready', flush=True); sys.stdin.read()"


def unlocked_beside(checkout: Checkout, *arguments: str) -> tuple[int, str]:
    """`lineage unlock` while a process with these arguments lives in the folder."""
    process = checkout.start(sys.executable, "-c", WAITS, *arguments, stdin=-1)
    try:
        assert process.stdout.readline() == "ready\n"
        return checkout.python("-m", "lineage", "unlock")
    finally:
        kill_group(process)


def test_unlock_removes_a_dead_runs_lock(locked):
    code, output = locked.python("-m", "lineage", "unlock")
    assert code == 0, output
    assert "0.input.lock" in output
    assert locks(locked) == []


@pytest.mark.parametrize("argument", ["/usr/bin/snakemake", "/x/.snakemake/scripts/tmp1.pretrain.py"])
def test_unlock_refuses_while_a_run_lives_in_the_folder(locked, argument):
    code, output = unlocked_beside(locked, argument)
    assert code == 2, output
    assert output.startswith("error: ")
    assert "still alive" in output
    assert locks(locked) == ["0.input.lock"]


def test_unlock_does_not_mind_a_reader_of_the_log(locked):
    code, output = unlocked_beside(locked, "-f", ".snakemake/log/today.snakemake.log")
    assert code == 0, output
    assert locks(locked) == []
