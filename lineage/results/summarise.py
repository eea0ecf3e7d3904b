"""Sums up a run's large artifacts in the small tables that the page needs beside results and curves."""

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa

from lineage.errors import UserError
from lineage.experiment.conditions import ABSENT, NO_PARENT, PRESENT, STANDARD
from lineage.experiment.zoo import Zoo
from lineage.results.methods import BASELINE, DETECTOR, method_of
from lineage.results.run_facts import run_facts
from lineage.storage.folders import EVALUATED, SUMMARIES, experiments_in
from lineage.storage.parquet import read_table, read_tables, write_table
from lineage.storage.schemas import CALIBRATION, HISTORY, OUTCOMES, PREDICTIONS, SCORES
from lineage.types.experiment import Experiment

PAIR_METHODS = (DETECTOR, BASELINE, "cosine/direct", "cka/path")
"""Methods whose scores are written, of different families."""
MOST_CHILDREN = 20
"""At most so many test children's scores are written."""
BINS = 10


def write_summaries(folder: str | Path, to: str | Path, configuration: dict | None = None) -> list[Path]:
    """Writes the small tables of every experiment of a run, and copies its results if `to` is another folder.

    Small tables that the run has written already are copied as well.

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
        written_by_run = {name: place / f"{name}.parquet" for name in SUMMARIES}
        is_elsewhere = place.resolve() != (to / experiment).resolve()
        if is_elsewhere and all(path.exists() for path in written_by_run.values()):
            tables = {name: read_table(path, SUMMARIES[name]) for name, path in written_by_run.items()}
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
    for name, schema in EVALUATED.items():
        source, target = place / f"{name}.parquet", to / f"{name}.parquet"
        if source.exists() and source.resolve() != target.resolve():
            write_table(target, read_table(source, schema), schema, _keys(schema))
            written.append(target)
    return written


def write_tables(tables: dict[str, pd.DataFrame], to: Path) -> list[Path]:
    """Writes an experiment's tables, those too that have no rows."""
    for name, frame in tables.items():
        write_table(to / f"{name}.parquet", frame, SUMMARIES[name], _keys(SUMMARIES[name]))
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
    scored = _of_candidates(read_tables(scores, SCORES), configuration)
    predicted = read_tables(_of_seen_parents(predictions), PREDICTIONS)
    tables = {
        "pairs": pairs(verdicts, scored, predicted),
        "history": read_tables(_of_seen_parents(histories), HISTORY),
        "calibration": calibration(predicted, verdicts),
        "stages": stages(experiment, folder),
        "run": run_facts(experiment, folder, configuration),
    }
    return {name: frame.assign(experiment=experiment) for name, frame in tables.items()}


def _of_candidates(scores: pd.DataFrame, configuration: dict | None) -> pd.DataFrame:
    """Scores of the standard candidates; of all where the configuration is not known."""
    if configuration is None:
        return scores
    zoo = Zoo(Experiment.of(configuration))
    candidates = {setting: set(zoo.candidates(setting)) for setting in zoo.settings}
    pairs = zip(scores["setting"], scores["candidate"], strict=True)
    is_candidate = [candidate in candidates[setting] for setting, candidate in pairs]
    return scores[pd.Series(is_candidate, index=scores.index, dtype=bool)]


def _of_seen_parents(paths: Iterable[Path]) -> list[Path]:
    """The files of detectors that were trained on children of every candidate."""
    return [path for path in paths if "unseen-parents" not in path.parts]


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

    Each test child counts twice: with its parent among the candidates and without; `no parent` is an answer.
    """
    tested = predictions[(predictions["part"] == "test") & predictions["condition"].isin([PRESENT, ABSENT])]
    if tested.empty:
        return CALIBRATION.empty_table().to_pandas()
    keys = ["setting", "method", "seed", "condition", "child"]
    answers = tested.loc[tested.groupby(keys)["probability"].idxmax()]
    parents = outcomes.drop_duplicates("child").set_index("child")["parent"]
    truth = answers["child"].map(parents).where(answers["condition"] == PRESENT, NO_PARENT)
    number = (answers["probability"] * BINS).astype(int).clip(upper=BINS - 1)
    answers = answers.assign(right=answers["candidate"] == truth, low=number / BINS, high=(number + 1) / BINS)
    bins = answers.groupby(["setting", "method", "low", "high"])
    return bins.agg(
        probability=("probability", "mean"), right=("right", "mean"), n=("right", "size")
    ).reset_index()


def ended(logs: Iterable[Path]) -> list[Path]:
    """The logs of time of jobs that ended well, in their order; a job that failed leaves an empty one."""
    return sorted((path for path in logs if path.stat().st_size), key=lambda path: path.stat().st_mtime)


def stages(experiment: str, folder: Path) -> pd.DataFrame:
    """Rows of STAGES without their experiment, from the times and benchmarks that jobs left; in the order of work."""
    rows = []
    for path in ended(folder.glob(f"logs/{experiment}/**/*.time.json")):
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
