"""Audits of a known architecture, which compare features on a probe too."""

import pytest
from small_networks import save_audited

from lineage.auditing.run import audit
from lineage.errors import UserError


def test_a_known_architecture_ranks_candidates_on_a_probe_as_score_pair_does(tmp_path):
    import torch
    from safetensors.torch import save_file as save

    from lineage import score_pair
    from lineage.networks.architectures import build

    torch.manual_seed(0)
    (tmp_path / "bases").mkdir()
    networks = [build("fc", classes=10, channels=1, image_size=8, seed=seed) for seed in range(3)]
    for number, candidate in enumerate(networks):
        save(candidate.state_dict(), tmp_path / "bases" / f"p{number}.safetensors")
    child = build("fc", classes=4, channels=1, image_size=8, seed=9)
    changed = {name: value + 0.3 * value.std() * torch.randn_like(value) if "head" not in name
               else child.state_dict()[name] for name, value in networks[1].state_dict().items()}  # fmt: skip
    child.load_state_dict(changed)
    save({f"module.{name}": value for name, value in changed.items()}, tmp_path / "child.safetensors")
    report = audit(str(tmp_path / "child.safetensors"), str(tmp_path / "bases"), arch="fc", image_size=8,
                       channels=1, store_digests=False)  # fmt: skip
    assert report.probe.best == "p1"
    assert report.probe.agrees
    from lineage.auditing.probing import Prober

    inputs = Prober("fc", "noise", image_size=8, channels=1)._inputs
    expected = score_pair(
        networks[1], child, inputs, approximations=["path"], alphas=[0.5], similarities=["cosine"]
    )
    assert report.probe.scores["p1"] == pytest.approx(expected["score"].mean(), abs=1e-6)


def test_a_wrong_architecture_is_lines(run, tmp_path):
    folder = save_audited(tmp_path)
    done = run("audit", "--child", folder / "child.safetensors", "--candidates", folder / "bases", "--no-cache",
               "--arch", "fc", "--channels", "1", "--image-size", "28")  # fmt: skip
    assert done.returncode == 2
    assert "expected the tensors of fc" in done.stderr


def test_an_unknown_architecture_is_refused_before_any_checkpoint_is_read(tmp_path):
    with pytest.raises(UserError, match=r"^arch: expected one of fc, .*, but got 'nosuch'$"):
        audit(tmp_path / "absent.safetensors", tmp_path / "absent", arch="nosuch")
