"""What jobs ask for grows with their work and with each attempt, and the table of what they used."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lineage.data.load import load_images
from lineage.errors import UserError
from lineage.jobs.resources import IMAGES, Work, parameters_in, requested, root_parameters, scoring, training
from lineage.jobs.usage import usage
from lineage.networks.architectures import build
from lineage.storage.hdf5 import write_weights
from lineage.types.recipe import Recipe
from lineage.types.scoring import Data, Network, Probe, Similarity

ROOT = Path(__file__).parents[2]
SIZES = st.integers(0, 10**9)
WORK = st.builds(
    Work,
    parameters=SIZES,
    networks=st.integers(0, 100),
    pixels=st.integers(0, 10**6),
    values=SIZES,
    at_once=st.integers(0, 512),
    passes=SIZES,
    pairs=st.integers(0, 10**6),
    rows=SIZES,
)
PROBE = Probe(data=Data(source="sklearn:digits"), images=100)
NETWORK = Network(name="fc", image_size=28, channels=1)
RECIPE = Recipe.of(
    {
        "learning_rate": 0.1,
        "epochs": 4,
        "batch_size": 64,
        "images": 5000,
        "data": {"source": "sklearn:digits"},
    }
)


@given(work=WORK, attempt=st.integers(1, 5))
def test_each_attempt_asks_for_twice_as_much(work, attempt):
    first, later = requested(work), requested(work, attempt)
    assert later == {key: value * 2 ** (attempt - 1) for key, value in first.items()}


@given(work=WORK, key=st.sampled_from(sorted(Work.__dataclass_fields__)), more=st.integers(1, 10**6))
def test_more_work_never_asks_for_less(work, key, more):
    larger = Work(**(vars(work) | {key: vars(work)[key] + more}))
    assert all(requested(larger)[what] >= amount for what, amount in requested(work).items())


def test_a_job_without_work_asks_for_an_interpreter_and_ten_minutes():
    assert requested(Work()) == {"mem_mb": 1500, "runtime": 10}


def test_memory_by_hand():
    """A million float32 parameters in 5 copies are 20 MB, 1000 images of 10 x 10 values twice 0.8 MB."""
    work = Work(parameters=1_000_000, networks=5, pixels=100, values=1000 * 100)
    assert requested(work)["mem_mb"] == 1500 + 21


@pytest.mark.parametrize(("image_size", "channels"), [(28, 1), (8, 1), (32, 3)])
def test_the_size_of_a_root_is_known_before_it_is_trained(image_size, channels):
    size = {"image_size": image_size, "channels": channels}
    network = build("fc", classes=10, seed=0, **size)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count <= root_parameters(Network(name="fc", **size)) <= 1.1 * count + 10_000


@pytest.mark.parametrize(
    ("source", "split"), [("sklearn:digits", "all"), ("embedded:fashion-mnist", "train")]
)
def test_the_number_of_images_is_known_before_they_are_read(source, split):
    assert len(load_images(source, split=split, size=28, channels=1)) == IMAGES[source]


def test_a_gpu_takes_fewer_minutes_and_no_less_memory():
    work = Work(parameters=10**8, networks=5, pixels=224**2, passes=10**6)
    on_cpu, on_gpu = requested(work), requested(work, device="gpu")
    assert on_gpu["runtime"] < on_cpu["runtime"] / 50
    assert on_gpu["mem_mb"] == on_cpu["mem_mb"]


def test_minutes_by_hand():
    """10^7 passes of 10^6 parameters are 10^13 multiplications: 1000 s; with 60 s to start, twice 1060 s."""
    ten_times = Work(parameters=1_000_000, pixels=256, passes=10**7)
    assert requested(ten_times)["runtime"] == 36


def test_a_larger_batch_asks_for_more_time_and_no_more_memory_to_train():
    one, ten = (training(NETWORK, [RECIPE] * count, 10**8) for count in (1, 10))
    assert requested(ten)["runtime"] > requested(one)["runtime"]
    assert requested(ten)["mem_mb"] == requested(one)["mem_mb"]


def test_a_forward_pass_for_each_alpha_of_the_path_and_one_derivative_for_both_that_need_it():
    similarity = Similarity(alphas=(0.25, 0.5, 1.0))
    work = scoring(NETWORK, PROBE, similarity, 10, children=4, candidates=5)
    assert work.pairs == 20
    assert work.passes == 20 * 100 * (2 + 3)
    direct = scoring(NETWORK, PROBE, replace(similarity, approximations=("direct",)), 10, 4, 5)
    assert direct.passes == 0


@pytest.mark.parametrize("models", [1, 3])
def test_parameters_are_read_off_the_size_of_a_file_of_weights(tmp_path, models):
    network = build("fc", classes=10, channels=1, image_size=28, seed=0)
    count = sum(parameter.numel() for parameter in network.parameters())
    states = (({"id": f"m{number}"}, network.state_dict()) for number in range(models))
    write_weights(tmp_path / "weights.h5", states)
    assert parameters_in(tmp_path / "weights.h5", models) == pytest.approx(count, rel=0.02)


def test_parameters_of_weights_that_are_not_there_yet_are_not_known(tmp_path):
    with pytest.raises(FileNotFoundError):
        parameters_in(tmp_path / "weights.h5")


def benchmark(folder, name: str, **changes):
    record = {
        "rule_name": "finetune", "s": 60.0, "max_rss": 500.0, "mean_load": 90.0,
        "resources": {"mem_mb": 1000, "runtime": 10},
    } | changes  # fmt: skip
    path = folder / f"{name}.jsonl"
    path.write_text(json.dumps(record) + "\n")
    return path


def test_the_table_gives_each_rules_largest_job_and_largest_share(tmp_path):
    paths = [
        benchmark(tmp_path, "a"),
        benchmark(tmp_path, "b", s=300.0, max_rss=600.0, resources={"mem_mb": 2000, "runtime": 20}),
        benchmark(tmp_path, "c", rule_name="evaluate", max_rss="NA"),
    ]
    evaluate, finetune = usage(paths).to_dict("records")
    assert finetune == {
        "rule": "finetune", "jobs": 2, "MB asked": 2000, "MB used": 600, "% of memory": 50,
        "minutes asked": 20, "minutes used": 5, "% of time": 25, "% of a core": 90,
    }  # fmt: skip
    assert evaluate["jobs"] == 1
    assert evaluate["MB used"] != evaluate["MB used"]  # not measured


def test_a_benchmark_without_what_was_asked_for_is_told(tmp_path):
    path = benchmark(tmp_path, "a")
    path.write_text('{"s": 1.0}\n')
    with pytest.raises(UserError, match=r"a\.jsonl: .*--benchmark-extended"):
        usage([path])
    with pytest.raises(UserError, match="there are none"):
        usage([])


def test_what_is_asked_for_covers_a_training_that_is_measured(tmp_path):
    """The tensors of a step of the largest kind that the default configuration trains."""
    network = build("fc", classes=10, channels=1, image_size=28, seed=0)
    count = sum(parameter.numel() for parameter in network.parameters())
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        network(torch.zeros(64, 1, 28, 28)).sum().backward()
    work = training(NETWORK, [RECIPE], count)
    needed = 4 * (4 * count + sum(kept)) / 1e6
    assert requested(work)["mem_mb"] - requested(Work())["mem_mb"] > needed


def test_every_rule_that_asks_for_a_gpu_has_the_partition_of_gpus_on_slurm():
    text = "\n".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    rules = set(re.findall(r"^rule (\w+):\n(?:(?: .*)?\n)*? +gpu=gpus,", text, re.MULTILINE))
    rules |= {
        other for rule, other in re.findall(r"^use rule (\w+) as (\w+)", text, re.MULTILINE) if rule in rules
    }
    profile = yaml.safe_load((ROOT / "profiles" / "slurm" / "profile.yaml").read_text())["set-resources"]
    assert set(profile) == rules
    assert all(set(asked) == {"slurm_partition"} for asked in profile.values())
