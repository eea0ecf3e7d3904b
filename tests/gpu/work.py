"""Runs a job: the workflow's own script, given what Snakemake would give it, with images kept on the device."""

import contextlib
import io
import json
import runpy
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor

import lineage.data.load
from gpu.plan import SCRIPTS, Job
from lineage.data.images import Images
from lineage.errors import UserError
from lineage.jobs.device import chosen_device
from lineage.types.scoring import Data, Network


class Named(list):
    """Values that have names too, as Snakemake's wildcards."""

    def __init__(self, values: dict):
        super().__init__(values.values())
        self.__dict__.update(values)


@dataclass(frozen=True, kw_only=True)
class KeptImages(Images):
    """Images whose bytes stay on the device: uint8 [N, C, H, W]."""

    bytes_there: Tensor

    def tensor(self, index=None) -> Tensor:
        """As of `Images`, and equal to the last bit, but on the device."""
        chosen = self.bytes_there if index is None else self.bytes_there[torch.as_tensor(index)]
        whole = torch.full((), 255.0, device=chosen.device)  # by a number, CUDA would multiply by 1/255
        pixels = chosen.float().div_(whole)
        if self.mean is not None:
            mean, std = (torch.tensor(x, device=chosen.device)[:, None, None] for x in (self.mean, self.std))
            pixels.sub_(mean).div_(std)
        return pixels


class Worker:
    """Runs jobs in one process; what data it has loaded stays on the device.

    Args:
        device: cpu or cuda.
        logs: the folder of logs.
    """

    def __init__(self, device: str, logs: Path):
        self._device, self._logs = device, logs
        self._kept: dict[tuple[Data, Network], Images] = {}
        self._load = lineage.data.load.load_data

    def load_data(self, data: Data, network: Network) -> Images:
        """As `lineage.data.load.load_data`, once for each data."""
        key = (data, network)
        if key not in self._kept:
            images = self._load(data, network)
            pixels = torch.from_numpy(images.pixels[:].transpose(0, 3, 1, 2).copy())
            there = pixels.to(chosen_device(self._device))
            self._kept[key] = KeptImages(**vars(images), bytes_there=there)
        return self._kept[key]

    def run(self, job: Job) -> None:
        """Runs one job.

        Raises:
            UserError: if its script ends with one.
        """
        text = self._logs / f"{job.name}.log"
        text.parent.mkdir(parents=True, exist_ok=True)
        spent = text.with_suffix(".time.json")
        snakemake = SimpleNamespace(
            rule=job.rule,
            wildcards=Named(job.wildcards),
            input=SimpleNamespace(**job.input),
            output=SimpleNamespace(**job.output),
            params=SimpleNamespace(**job.params),
            log=SimpleNamespace(text=str(text), time=str(spent)),
            threads=job.params["threads"],
            resources={},
        )
        told = io.StringIO()
        lineage.data.load.load_data = self.load_data
        try:
            with contextlib.redirect_stderr(told):
                runpy.run_path(str(SCRIPTS / f"{job.rule}.py"), init_globals={"snakemake": snakemake})
        except SystemExit:
            raise UserError(f"{job.name}: {told.getvalue().strip().rpartition('error: ')[2]}") from None
        finally:
            lineage.data.load.load_data = self._load
        record = json.loads(spent.read_text())
        spent.write_text(
            json.dumps(record | {"import": 0.0}) + "\n"
        )  # a worker imports once, for all its jobs
