"""Where an experiment's results come from: configuration, size, date, device and versions."""

import hashlib
import json
import platform
import re
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pandas as pd
import yaml

from lineage.errors import UserError
from lineage.experiment.zoo import Zoo
from lineage.types.experiment import Experiment
from lineage.types.scoring import Data

LIBRARIES = (
    "neural-lineage",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "snakemake",
)

COMPUTED_ON = re.compile(r": on ([\w:]+), \d+ threads?, (\w+) kernels$", re.MULTILINE)
"""What a job's log says of its device and of its processor's kernels."""


def run_facts(experiment: str, folder: Path, configuration: dict | None) -> pd.DataFrame:
    """Rows of RUN without their experiment."""
    facts = {}
    if configuration is not None:
        facts["configuration"] = digest_of(configuration)
        facts |= described(Experiment.of(configuration))
    finished = (folder / experiment / "results.parquet").stat().st_mtime
    facts["date"] = datetime.fromtimestamp(finished, UTC).date().isoformat()
    logs = [path.read_text() for path in folder.glob(f"logs/{experiment}/**/*.log")]
    told = [found for text in logs for found in COMPUTED_ON.findall(text)]
    if told:
        devices, kernels = (", ".join(sorted(set(each))) for each in zip(*told, strict=True))
        facts |= {"device": devices, "kernels": kernels}
    facts["processor"] = processor()
    facts["python"] = platform.python_version()
    for library in LIBRARIES:
        try:
            facts[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return pd.DataFrame({"what": list(facts), "value": list(facts.values())})


def processor() -> str:
    """This machine's processor: its model where the system tells it, else its architecture."""
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return f"{platform.machine()}, {found[1]}" if found else platform.machine()


def described(experiment: Experiment) -> dict[str, str]:
    """How large an experiment is, in words."""
    zoo = Zoo(experiment)
    network, roots, probe = experiment.network, experiment.roots, experiment.probe
    children = [child for setting in zoo.settings for child in zoo.children(setting)]
    recipes = [child.recipe for child in children]
    images = {recipe.images or "all" for recipe in recipes if recipe.images_per_class is None}
    amount = f", {' or '.join(sorted(map(str, images)))} images" if images else ""
    return {
        "network": f"{network.name}, {network.image_size} px",
        "roots": f"{len(zoo.roots)} on {_name_of(roots.data)}, {roots.images or 'all'} images, "
        f"{roots.epochs} epochs",
        "children": f"{len(children)} in {len(zoo.settings)} settings{amount}",
        "probe": f"{probe.images} of {_name_of(probe.data)}",
    }


def _name_of(data: Data) -> str:
    """A data source without the folder that its file lies in."""
    return Path(data.source.partition(":")[2]).name.removesuffix(".parquet").removesuffix("-{split}")


def experiments_of(path: Path) -> dict:
    """The experiments of a configuration file, with every default.

    Raises:
        UserError: if it isn't there or has no experiments.
    """
    if not path.exists():
        raise UserError(f"{path}: expected a configuration, but there is none")
    configuration = yaml.safe_load(path.read_text())
    if not isinstance(configuration, dict) or "experiments" not in configuration:
        raise UserError(
            f"{path}: expected the key 'experiments', but it has none; name the file that was run"
        )
    from lineage.experiment.config import checked

    return checked(configuration, origin=str(path))["experiments"]


def digest_of(configuration: dict) -> str:
    """The first 16 digits of the SHA-256 of an experiment's part of the configuration."""
    text = json.dumps(configuration, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
