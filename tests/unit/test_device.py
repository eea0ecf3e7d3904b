"""Where a job computes: its device and threads, and what it says of them."""

import pytest
import torch

from lineage.errors import UserError
from lineage.jobs.device import chosen_device, computing

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")


@pytest.fixture
def torch_settings():
    """Puts back what a stage sets in torch."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


def test_the_device_is_named_and_the_threads_are_those_of_the_configuration(
    snakemake, torch_settings, capsys
):
    torch.set_num_threads(2)
    with computing(snakemake) as run:
        assert run.device == torch.device("cpu")
        assert run.provenance == {"code": "abc", "device": "cpu"}
    assert torch.get_num_threads() == 1
    assert torch.are_deterministic_algorithms_enabled()
    assert (
        f"finetune toy/full/p0: on cpu, 1 thread, {torch.backends.cpu.get_cpu_capability()} kernels\n"
        in capsys.readouterr().err
    )


@without_gpu
@pytest.mark.parametrize(("device", "gpu", "lines"), [("auto", 1, 2), ("auto", 0, 1), ("cpu", 1, 1)])
def test_a_job_that_asked_for_a_gpu_and_got_none_says_so_in_one_line(
    snakemake, torch_settings, tmp_path, device, gpu, lines
):
    snakemake.params.device, snakemake.resources["gpu"] = device, gpu
    with computing(snakemake) as run:
        assert run.device == torch.device("cpu")
    told = (tmp_path / "job.log").read_text().splitlines()
    assert len(told) == lines
    assert ("asked for a GPU" in told[-1]) == (lines == 2)


@without_gpu
def test_a_job_that_must_have_a_gpu_fails_without_one(snakemake, torch_settings, capsys):
    snakemake.params.device, snakemake.resources["gpu"] = "cuda", 1
    with pytest.raises(SystemExit), computing(snakemake) as run:
        print(run.device)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert told[0].startswith("error: device: cuda was asked for, but PyTorch sees no GPU")


def test_too_few_cores_for_the_configured_threads_are_told(snakemake, capsys):
    snakemake.params.threads = 4
    with pytest.raises(SystemExit), computing(snakemake) as run:
        print(run.device)
    told = capsys.readouterr().err
    assert told.startswith("error: threads: 4 in the configuration, but this run gives a job 2")
    assert len(told.splitlines()) == 1


def test_a_bad_device_name_is_told():
    with pytest.raises(UserError, match="expected auto, cpu or cuda, but got 'gpu'"):
        chosen_device("gpu")


@without_gpu
def test_without_a_gpu_auto_means_cpu_and_cuda_is_an_error():
    assert chosen_device("auto") == torch.device("cpu")
    with pytest.raises(UserError, match="no GPU"):
        chosen_device("cuda")
