"""Sums up a run's large artifacts in the small tables that the page needs beside results and curves."""

import hashlib
import json
import platform
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pandas as pd
import pyarrow as pa
import yaml

from lineage.errors import UserError
from lineage.experiment.conditions import ABSENT, NO_PARENT, PRESENT, STANDARD
from lineage.experiment.zoo import Zoo
from lineage.results.folders import experiments_in
from lineage.results.methods import method_of
from lineage.storage.parquet import read_table, write_table
from lineage.storage.schemas import (
    BLOCK_SOURCES,
    CALIBRATION,
    CURVES,
    EDGES,
    HISTORY,
    OUTCOMES,
    P_VALUES,
    PAIRS,
    PREDICTIONS,
    RESULTS,
    RUN,
    SCORES,
    STAGES,
)

PAIR_METHODS = ("detector", "weight_l2", "cosine/direct", "cka/path")
"""Whose scores are kept: one method a family."""
MOST_CHILDREN = 20
"""So many test children's scores are kept."""
BINS = 10
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
COPIED = {
    "results": RESULTS,
    "outcomes": OUTCOMES,
    "curves": CURVES,
    "edges": EDGES,
    "block_sources": BLOCK_SOURCES,
    "p_values": P_VALUES,
}
"""What another folder gets as it is."""
SCHEMAS = {"pairs": PAIRS, "history": HISTORY, "calibration": CALIBRATION, "stages": STAGES, "run": RUN}


def write_summaries(folder: str | Path, to: str | Path, configuration: dict | None = None) -> list[Path]:
    """Writes the small tables of every experiment of a run, and copies its results if `to` is another folder.

    Tables that the run made itself are copied as well.

    Args:
        folder: of the run's results.
        to: the folder in which every experiment gets a folder.
        configuration: the experiments' part of the configuration that was run, for its digest.

    Returns:
        The files.

    Raises:
        UserError: if there are no results, or a file is foreign.
    """
    folder, to, written = Path(folder), Path(to), []
    for place in experiments_in(folder):
        experiment = place.name
        made = {name: place / f"{name}.parquet" for name in SCHEMAS}
        if place.resolve() != (to / experiment).resolve() and all(path.exists() for path in made.values()):
            tables = {name: read_table(path, SCHEMAS[name]) for name, path in made.items()}
        else:
            tables = tables_of(
                experiment,
                outcomes=place / "outcomes.parquet",
                scores=sorted(place.glob("similarity/**/scores.parquet")),
                predictions=sorted(place.glob("detector/**/predictions.parquet")),
                histories=sorted(place.glob("detector/**/history.parquet")),
                folder=folder,
                configuration=(configuration or {}).get(experiment),
            )
        written += write_tables(tables, to / experiment)
        written += _copied(place, to / experiment)
    return written


def _copied(place: Path, to: Path) -> list[Path]:
    """Copies an experiment's results, where they are not there already."""
    written = []
    for name, schema in COPIED.items():
        source, target = place / f"{name}.parquet", to / f"{name}.parquet"
        if source.exists() and source.resolve() != target.resolve():
            write_table(target, read_table(source, schema), schema, _keys(schema))
            written.append(target)
    return written


def write_tables(tables: dict[str, pd.DataFrame], to: Path) -> list[Path]:
    """Writes an experiment's tables, those too that have no rows."""
    for name, frame in tables.items():
        write_table(to / f"{name}.parquet", frame, SCHEMAS[name], _keys(SCHEMAS[name]))
    return [to / f"{name}.parquet" for name in tables]


def _keys(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if field.type in (pa.string(), pa.int32())] or schema.names


def tables_of(
    experiment: str,
    *,
    outcomes: Path,
    scores: Iterable[Path],
    predictions: Iterable[Path],
    histories: Iterable[Path],
    folder: Path,
    configuration: dict | None,
) -> dict[str, pd.DataFrame]:
    """The small tables of one experiment, by name."""
    verdicts = read_table(outcomes, OUTCOMES)
    scored = _all(scores, SCORES)
    predicted = _all([path for path in predictions if "unseen-parents" not in path.parts], PREDICTIONS)
    tables = {
        "pairs": pairs(verdicts, scored, predicted),
        "history": _all([path for path in histories if "unseen-parents" not in path.parts], HISTORY),
        "calibration": calibration(predicted, verdicts),
        "stages": stages(experiment, folder),
        "run": run(experiment, folder, configuration),
    }
    return {name: frame.assign(experiment=experiment) for name, frame in tables.items()}


def _all(paths: Iterable[Path], schema: pa.Schema) -> pd.DataFrame:
    frames = [read_table(path, schema) for path in paths]
    return pd.concat(frames, ignore_index=True) if frames else schema.empty_table().to_pandas()


def pairs(outcomes: pd.DataFrame, scores: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Rows of PAIRS without their experiment: the scores behind some verdicts of the first seed."""
    verdicts = outcomes[
        (outcomes["condition"] == STANDARD)
        & (outcomes["seed"] == outcomes["seed"].min())
        & outcomes["method"].isin(PAIR_METHODS)
    ]
    verdicts = verdicts.drop_duplicates(["setting", "method", "child"])
    number = verdicts.groupby(["setting", "method"])["child"].rank(method="first")
    verdicts = verdicts[number <= MOST_CHILDREN].drop(columns="experiment")
    of_features = scores.assign(
        method=[
            method_of(similarity, approximation)
            for similarity, approximation in zip(scores["similarity"], scores["approximation"], strict=True)
        ]
    ).astype({"method": "str"})
    of_detector = predictions[
        (predictions["condition"] == STANDARD) & (predictions["candidate"] != NO_PARENT)
    ].rename(columns={"logit": "score"})
    keys = ["setting", "method", "child"]
    found = [
        verdicts.merge(of_features, on=[*keys, "layer", "alpha"]),
        verdicts.drop(columns=["layer", "alpha"]).merge(of_detector, on=[*keys, "seed"]),
    ]
    return pd.concat([frame[[*keys, "parent", "candidate", "score"]] for frame in found])


def calibration(predictions: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Rows of CALIBRATION without their experiment: bins of equal width of the answer's probability.

    Every test child is asked about with its parent among the candidates and without; `no parent` is an answer.
    """
    asked = predictions[(predictions["part"] == "test") & predictions["condition"].isin([PRESENT, ABSENT])]
    if asked.empty:
        return CALIBRATION.empty_table().to_pandas()
    keys = ["setting", "method", "seed", "condition", "child"]
    answers = asked.loc[asked.groupby(keys)["probability"].idxmax()]
    parents = outcomes.drop_duplicates("child").set_index("child")["parent"]
    truth = answers["child"].map(parents).where(answers["condition"] == PRESENT, NO_PARENT)
    number = (answers["probability"] * BINS).astype(int).clip(upper=BINS - 1)
    answers = answers.assign(right=answers["candidate"] == truth, low=number / BINS, high=(number + 1) / BINS)
    bins = answers.groupby(["setting", "method", "low", "high"])
    return bins.agg(
        probability=("probability", "mean"), right=("right", "mean"), n=("right", "size")
    ).reset_index()


def stages(experiment: str, folder: Path) -> pd.DataFrame:
    """Rows of STAGES without their experiment, from the times and benchmarks that jobs left; in the order of work."""
    rows = []
    for path in sorted(
        folder.glob(f"logs/{experiment}/**/*.time.json"), key=lambda path: path.stat().st_mtime
    ):
        spent = _record(path)
        place = path.relative_to(folder / "logs")
        benchmark = folder / "benchmarks" / place.with_name(place.name.removesuffix(".time.json") + ".jsonl")
        used = _record(benchmark) if benchmark.exists() else {}
        rows.append(
            {
                "stage": spent["rule"],
                "importing": spent["import"],
                "computing": spent["compute"],
                "memory": used.get("max_rss"),
                "asked": used.get("resources", {}).get("mem_mb"),
            }
        )
    frame = pd.DataFrame(rows, columns=["stage", "importing", "computing", "memory", "asked"])
    frame[["memory", "asked"]] = frame[["memory", "asked"]].apply(pd.to_numeric, errors="coerce")
    return (
        frame.groupby("stage", sort=False)
        .agg(
            jobs=("stage", "size"),
            importing=("importing", "sum"),
            computing=("computing", "sum"),
            memory=("memory", "max"),
            asked=("asked", "max"),
        )
        .reset_index()
    )


def _record(path: Path) -> dict:
    """The last line of a file of JSON lines."""
    try:
        return json.loads(path.read_text().splitlines()[-1])
    except (ValueError, IndexError):
        raise UserError(
            f"{path}: expected a line of JSON, but it has none; remove it and run again"
        ) from None


def run(experiment: str, folder: Path, configuration: dict | None) -> pd.DataFrame:
    """Rows of RUN without their experiment."""
    facts = {}
    if configuration is not None:
        facts["configuration"] = digest_of(configuration)
        facts |= described(configuration)
    finished = (folder / experiment / "results.parquet").stat().st_mtime
    facts["date"] = datetime.fromtimestamp(finished, UTC).date().isoformat()
    logs = [path.read_text() for path in folder.glob(f"logs/{experiment}/**/*.log")]
    devices = {
        found[1]
        for text in logs
        for found in re.finditer(r": on ([\w:]+), \d+ threads?$", text, re.MULTILINE)
    }
    if devices:
        facts["device"] = ", ".join(sorted(devices))
    facts["processor"] = platform.machine()
    facts["python"] = platform.python_version()
    for library in LIBRARIES:
        try:
            facts[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return pd.DataFrame({"what": list(facts), "value": list(facts.values())})


def described(configuration: dict) -> dict[str, str]:
    """How large an experiment is, in words; `configuration` is checked, so that every default is there."""
    zoo = Zoo(configuration)
    network, roots, probe = (configuration[key] for key in ("network", "roots", "probe"))
    children = [child for setting in zoo.settings for child in zoo.children(setting)]
    images = {
        child.recipe.get("images", "all") for child in children if "images_per_class" not in child.recipe
    }
    amount = f", {' or '.join(sorted(map(str, images)))} images" if images else ""
    return {
        "network": f"{network['name']}, {network['image_size']} px",
        "roots": f"{len(zoo.roots)} on {_name_of(roots['data'])}, {roots.get('images', 'all')} images, "
        f"{roots['epochs']} epochs",
        "children": f"{len(children)} in {len(zoo.settings)} settings{amount}",
        "probe": f"{probe['images']} of {_name_of(probe['data'])}",
    }


def _name_of(data: dict) -> str:
    """A data source without the folder that its file lies in."""
    return Path(data["source"].partition(":")[2]).name.removesuffix(".parquet").removesuffix("-{split}")


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
