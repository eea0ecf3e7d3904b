"""The page of the committed results, read as text, and what their Parquet files say of it."""

from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "results" / "reference"
ALL = ["all candidates", "all blocks"]


class Texts(HTMLParser):
    """Cells of the accuracy table, and the summary's paragraphs under their headings."""

    def __init__(self, text: str):
        super().__init__()
        self.rows, self.said, self._at, self._in_body = [], {}, [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self._at.append((tag, dict(attributes).get("id")))
        self._in_body = self._in_body or tag == "tbody"
        if tag == "tr" and self._in_body:
            self.rows.append([])
        if tag == "td" and self._in_body:
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        if tag == "tbody":
            self._in_body = False
        while self._at and self._at.pop()[0] != tag:
            pass

    def handle_data(self, data):
        tags = [tag for tag, _ in self._at]
        if "td" in tags and self._in_body:
            self.rows[-1][-1] += data
        chapter = next((id for _, id in self._at if id and id.endswith("-summary")), None)
        if chapter and "strong" in tags:
            experiment = chapter.removeprefix("experiment-").removesuffix("-summary")
            self._setting = f"{experiment}, {data.removesuffix(':')}"
        elif chapter and "p" in tags:
            self.said[self._setting] = self.said.get(self._setting, "") + data


@cache
def raw() -> pd.DataFrame:
    """All RESULTS rows as they are in the files, read once; not to be changed."""
    return pd.concat(pq.read_table(path).to_pandas() for path in sorted(REFERENCE.glob("*/results.parquet")))


@cache
def rows_of_methods():
    """The rows of verdicts among all candidates, by experiment, setting and method."""
    results = raw()
    return results[results["condition"].isin(ALL)].groupby(["experiment", "setting", "method"])


def cells(experiment: str, setting: str, method: str) -> list[str]:
    """Accuracy, interval, n, seeds, chance, ties and overshoots of a row, from the files alone."""
    mine = rows_of_methods().get_group((experiment, setting, method))
    metric = {name: of.sort_values("seed") for name, of in mine.groupby("metric")}
    by_seed = metric["accuracy"]["value"].to_numpy() * 100
    low, high, chance = (
        metric[name]["value"].item() * 100 for name in ("interval_low", "interval_high", "chance")
    )
    counts = (metric[name]["value"].sum() for name in ("ties", "overshoots"))
    return [
        f"{np.mean(by_seed):.1f} ± {np.std(by_seed, ddof=1):.1f}",
        f"{low:.1f} … {high:.1f}",
        str(metric["chance"]["n"].item()),
        str(len(by_seed)),
        f"{chance:.1f}",
        *(f"{count:.0f}" for count in counts),
    ]
