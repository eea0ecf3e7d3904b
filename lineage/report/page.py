"""One self-contained page of results: no network, no server; opens from the disk."""

import json
from pathlib import Path

import pandas as pd
import vl_convert
from altair.utils.schemapi import debug_mode
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from lineage.report.chapters import chapters
from lineage.report.figure import Figure
from lineage.report.inputs import Inputs, read_inputs
from lineage.report.palette import STYLE
from lineage.report.sections import Filled, filled_sections
from lineage.report.words import sentences
from lineage.results.matrix import MULTIPLE, against_leader, conclusions, matrices
from lineage.results.methods import family_of
from lineage.results.tables import best_rows, displayed
from lineage.storage.atomic import written_whole

VEGA_LITE = "6.4"
SIGNS = {-1: "behind", 0: "", 1: "ahead"}
"""Classes of cells whose method is surely behind the leader, or ahead of it."""
SORTED_BY = (
    *("experiment", "setting", "method", "mean", "low", "n", "seeds", "chance", "ties", "overshoots"),
    "published",
)
"""For each column of the accuracy table on the page, the number or name by which a click on its heading sorts."""


def write_page(folder: str | Path, path: str | Path) -> None:
    """Writes the page of a folder of results.

    Args:
        folder: with results.parquet in a folder for each experiment.
        path: where to.

    Raises:
        UserError: if there are no results, a file is foreign, or the page cannot be written.
    """
    inputs = read_inputs(folder)
    with debug_mode(False):
        text = page(inputs, filled_sections(inputs))
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")


def page(inputs: Inputs, sections: list[Filled]) -> str:
    """The page's HTML."""
    environment = Environment(
        loader=PackageLoader("lineage.report", "."),
        autoescape=select_autoescape(["html", "j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    experiments = list(dict.fromkeys(inputs.accuracy["experiment"]))
    return environment.get_template("page.html.j2").render(
        chapters=chapters(sections, experiments),
        matrices=_matrices(inputs),
        multiple=MULTIPLE,
        sentences=_sentences(inputs),
        columns=["", *displayed(inputs.accuracy).columns],
        rows=_table_rows(inputs.accuracy),
        absent=[filled.section for filled in sections if not filled.figures and not filled.left_out],
        provenance=_provenance(inputs),
        specification=specification,
        style=embedded(STYLE),
        script=_script(vl_convert.javascript_bundle(vl_version=VEGA_LITE)),
    )


def specification(figure: Figure) -> str:
    """A figure's specification as JSON, without the style, which all figures share."""
    found = figure.specification()
    del found["config"]
    return embedded(found | {"datasets": {name: packed(rows) for name, rows in found["datasets"].items()}})


def packed(rows: list[dict]) -> dict[str, list | dict]:
    """Rows by columns, as words that are repeated would be most of the page.

    Returns:
        By a column's name: its numbers, or, for words, `words`, each once, and `at`, which of them each row has.
    """
    return {column: _packed_column([row[column] for row in rows]) for column in rows[0]}


def _packed_column(values: list) -> list | dict:
    if any(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return values
    number_of = {word: number for number, word in enumerate(dict.fromkeys(values))}
    return {"words": list(number_of), "at": [number_of[value] for value in values]}


def embedded(content: dict) -> str:
    """JSON that may stand in a script element."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _script(text: str) -> str:
    return text.replace("</script", "<\\/script")


def _table_rows(table: pd.DataFrame) -> list[dict]:
    """Rows of the accuracy table: cells as read, and the numbers by which they are sorted."""
    cells = displayed(table)
    rows = []
    for place, best in enumerate(best_rows(table)):
        method = table["method"].iloc[place]
        values = [table[column].iloc[place] for column in SORTED_BY]
        rows.append(
            {
                "colour": family_of(method).colour,
                "is_best": bool(best),
                "cells": list(
                    zip(cells.iloc[place], ["" if pd.isna(value) else value for value in values], strict=True)
                ),
            }
        )
    return rows


def _sentences(inputs: Inputs) -> dict[str, list[tuple[str, list[str]]]]:
    """By experiment: each setting with what is said of it."""
    found = {}
    for experiment, setting, said in sentences(inputs):
        found.setdefault(experiment, []).append((setting, said))
    return found


def _matrices(inputs: Inputs) -> dict[str, dict]:
    """By experiment: the matrix that its chapter begins with, and what it says."""
    found = {}
    for matrix in matrices(inputs.accuracy, inputs.conditions):
        signs = against_leader(matrix)
        rows = []
        for method in matrix.methods:
            cells = []
            for column in matrix.columns:
                mean, _, interval = matrix.text(method, column).partition(" ")
                cells.append((mean, interval, SIGNS[signs.get((method, column), 0)]))
            rows.append({"method": method, "colour": family_of(method).colour, "cells": cells})
        said = list(conclusions(matrix))
        found[matrix.experiment] = {"matrix": matrix, "rows": rows, "quote": said[:1], "said": said[1:]}
    return found


def _provenance(inputs: Inputs) -> list[dict]:
    """What the foot says of each experiment."""
    runs = []
    for experiment in dict.fromkeys(inputs.accuracy["experiment"]):
        facts = inputs.run[inputs.run["experiment"] == experiment]
        mine = inputs.accuracy[inputs.accuracy["experiment"] == experiment]
        counts = mine.groupby("setting", sort=False)["n"].first()
        runs.append(
            {
                "experiment": experiment,
                "n": ", ".join(f"{setting} {n}" for setting, n in counts.items()),
                "facts": list(zip(facts["what"], facts["value"], strict=True)),
            }
        )
    return runs
