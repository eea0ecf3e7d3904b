"""Networks beside the one that they follow in one file: a teacher, a target, an average; each is a model."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from small_networks import ROOTS, child_of, save_all

from lineage.auditing.run import audit
from lineage.checkpoints.followers import followers
from lineage.checkpoints.read import open_model, open_models

STUDENT, TEACHER = child_of(ROOTS["p0"], 9), ROOTS["p1"]
WAYS = {
    ("student.", "teacher."): ("student", "teacher"),
    ("encoder_q.", "encoder_k."): ("encoder_q", "encoder_k"),
    ("online_net.", "target_net."): ("online_net", "target_net"),
    ("modelStudent.", "modelTeacher."): ("modelStudent", "modelTeacher"),
    ("visual_encoder.", "visual_encoder_m."): ("visual_encoder", "visual_encoder_m"),
    ("actor.", "actor_target."): ("actor", "actor_target"),
    ("module.student.", "module.teacher."): ("module.student", "module.teacher"),
    ("", "ema_model."): ("top", "ema_model"),
}
MATRIX = (64, 64)


def together(first, second):
    prefixed = ((STUDENT, first), (TEACHER, second))
    return {f"{prefix}{name}": values for state, prefix in prefixed for name, values in state.items()}


@pytest.mark.parametrize("prefixes", WAYS, ids=" ".join)
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_a_network_and_the_one_that_follows_it_are_two_models(tmp_path, prefixes, suffix):
    path, state = tmp_path / f"both.{suffix}", together(*prefixes)
    if suffix == "pt":
        torch.save({name: torch.from_numpy(values) for name, values in state.items()}, path)
    else:
        save_file(state, path)
    models = open_models(path)
    assert [model.name.partition("::")[2] for model in models] == list(WAYS[prefixes])
    for model, expected in zip(models, (STUDENT, TEACHER), strict=True):
        assert model.entries.keys() == expected.keys()
        assert all(np.array_equal(model.read(name), values) for name, values in expected.items())
    assert open_model(path).name == models[0].name


def test_what_the_followed_network_has_beside_stays_with_it(tmp_path):
    save_file(
        together("student.", "teacher.") | {"queue": np.ones((4, 4), "f4")}, tmp_path / "both.safetensors"
    )
    own, teacher = open_models(tmp_path / "both.safetensors")
    assert [name for name in own.entries if not name.startswith("student.")] == ["queue"]
    assert teacher.entries.keys() == TEACHER.keys()


@pytest.mark.parametrize(
    "parts",
    [("layer1", "layer2"), ("net_a", "net_b"), ("generator", "discriminator"), ("source_net", "target_net")],
    ids=" ".join,
)
def test_parts_that_are_alike_but_do_not_follow_each_other_are_one_network(parts):
    assert not followers({f"{part}.{number}.weight": MATRIX for part in parts for number in range(3)})


def test_queries_and_keys_of_attention_and_a_small_target_are_parts_of_a_network():
    attention = {f"blocks.{block}.attn.{part}.weight": MATRIX for block in range(3) for part in "qkv"}
    assert not followers(attention)
    assert not followers({f"{part}.weight": MATRIX for part in "qkv"})
    heads = {f"{part}_head.{number}.weight": (8, 8) for part in ("online", "target") for number in range(2)}
    assert not followers({f"body.{number}.weight": MATRIX for number in range(3)} | heads)


def test_an_audit_of_such_a_file_is_of_the_followed_network(tmp_path):
    save_all(tmp_path, ROOTS | {"both": together("student.", "teacher.")})
    candidates = [tmp_path / f"{name}.safetensors" for name in ("p0", "p1")]
    report = audit(tmp_path / "both.safetensors", candidates, store_digests=False)
    assert list(report.family) == ["p0"]
    assert "repeat" not in report.reason
    of_teacher = audit(f"{tmp_path}/both.safetensors::teacher", candidates, store_digests=False)
    assert (of_teacher.verdict, of_teacher.parent) == ("same weights", "p1")
