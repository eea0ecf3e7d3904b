"""The measured figures as Markdown: `PYTHONPATH=tests:. python -m gpu.table`."""

from pathlib import Path

import pandas as pd

from gpu.figures import FIGURES
from lineage.storage.parquet import read_table

PATH = Path(__file__).parents[2] / "results" / "reference" / "bench" / "gpu.parquet"
RATIOS, SPEEDS = "scoring, norms + cosine + CKA", "training"


def sections(figures: pd.DataFrame) -> list[pd.DataFrame]:
    """Ratios to a forward pass, images a second, and the largest differences from the CPU, one table each."""
    ratios = figures[figures["what"] == RATIOS].pivot(index="network", columns="quantity", values="value")
    speeds = figures[figures["what"] == SPEEDS].pivot(
        index="network", columns=["quantity", "precision"], values="value"
    )
    speeds.columns = [f"{quantity}, {precision}, images/s" for quantity, precision in speeds.columns]
    differences = figures[figures["what"] == "largest difference from the CPU"]
    worst = differences.groupby("network")[["value"]].max()
    return [
        ratios.round(2).reset_index(),
        speeds.round(0).astype(int).reset_index(),
        worst.rename(columns={"value": "largest relative difference from the CPU"})
        .map("{:.1e}".format)
        .reset_index(),
    ]


def text(path: Path = PATH) -> str:
    """All sections, under the device that gave them."""
    figures = read_table(path, FIGURES)
    (device,), (torch,) = figures["device"].unique(), figures["torch"].unique()
    tables = [table.to_markdown(index=False, disable_numparse=True) for table in sections(figures)]
    return "\n\n".join([f"Measured on one {device} with torch {torch}.", *tables])


if __name__ == "__main__":
    print(text())
