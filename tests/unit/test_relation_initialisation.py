"""The test against an initialisation: exact for strangers, sure of disguised children."""

import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy.stats import kstest
from small_networks import ROOTS, child_of, network
from typer.testing import CliRunner

from lineage.auditing.initial import against_initial
from lineage.cli import app
from lineage.errors import UserError
from lineage.relation.alignment.axes import UnknownStructureError
from lineage.relation.alignment.disguises import disguised
from lineage.relation.initialisation import initial_test


def untrained(seed: int, widths=(24, 32, 32, 10)) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    names = ("layer1", "layer2", "head")
    return {
        f"{name}.weight": draw.normal(0, inputs**-0.5, (outputs, inputs)).astype(np.float32)
        for name, inputs, outputs in zip(names, widths[:-1], widths[1:], strict=True)
    }


def test_p_values_of_unrelated_initialisations_are_uniform():
    draw = np.random.default_rng(0)
    child = disguised(untrained(0), ["permute", "rescale"], draw)
    found = [10 ** initial_test(child, untrained(seed), draw, draws=39).log10_p for seed in range(1, 121)]
    jittered = np.array(found) - draw.uniform(0, 1 / 40, len(found))
    assert kstest(jittered, "uniform").pvalue > 0.01


def test_a_disguised_child_comes_from_its_initialisation():
    draw = np.random.default_rng(0)
    child = disguised(child_of(ROOTS["p0"], 3), ["permute", "rescale"], draw)
    found = initial_test(child, ROOTS["p0"], draw, draws=99)
    assert found.z > 20
    assert found.log10_p == pytest.approx(-2)
    assert initial_test(child, ROOTS["p1"], draw, draws=99).log10_p > -1.7


def test_an_initialisation_of_another_shape_is_refused():
    with pytest.raises(UnknownStructureError, match="has not the child's tensors"):
        initial_test(untrained(0), untrained(0, (24, 48, 32, 10)), np.random.default_rng(0))


def test_no_number_is_no_evidence():
    widths = (64, 32, 32, 10)
    child = untrained(0, widths)
    child["layer1.weight"][:, :] = np.nan
    assert initial_test(child, untrained(0, widths), np.random.default_rng(0), draws=9).log10_p == 0


@pytest.mark.parametrize(
    ("seed", "code", "said"), [(0, 0, " comes from the"), (1, 3, " does not show that it comes from the")]
)
def test_the_command_says_whether_a_child_comes_from_it(tmp_path, seed, code, said):
    child, initial = tmp_path / "child.safetensors", tmp_path / "initial.safetensors"
    save_file(disguised(child_of(network(0), 3), ["permute"], np.random.default_rng(0)), child)
    save_file(network(seed), initial)
    result = CliRunner().invoke(app, ["audit", "--child", str(child), "--initial", str(initial)])
    assert result.exit_code == code
    assert "against 999 initialisations" in result.output
    assert f"{child}{said} initialisation {initial}" in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--initial", "init", "--json", "a.json"], "--json and --html are the report"),
        (["--candidates", "bases", "--probe", "images"], "--probe: .* give their architecture"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused_before_anything_is_read(options, said):
    with pytest.raises(UserError, match=said):
        CliRunner().invoke(app, ["audit", "--child", "missing", *options], catch_exceptions=False)


@pytest.mark.parametrize("bad", ["child", "initial"])
def test_a_number_that_is_not_finite_is_refused_by_name(tmp_path, bad):
    states = {"child": untrained(0), "initial": untrained(0)}
    states[bad]["layer2.weight"][3, 4] = np.nan
    for name, state in states.items():
        save_file(state, tmp_path / name)
    with pytest.raises(UserError, match=rf"{bad}: layer2.weight: expected finite numbers"):
        against_initial(str(tmp_path / "child"), str(tmp_path / "initial"))


@pytest.mark.parametrize("alpha", [0, 1, float("nan")])
def test_a_rate_that_is_none_is_refused_before_anything_is_read(alpha):
    with pytest.raises(UserError, match="alpha: expected a rate between 0 and 1"):
        against_initial("missing", "missing", alpha=alpha)
