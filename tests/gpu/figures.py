"""The figures that these tests measure, in one Parquet table that grows as they are known."""

import platform
from pathlib import Path

import pyarrow as pa
import torch

from lineage.storage.parquet import read_table, write_table

FIGURES = pa.schema(
    [
        ("device", pa.string()),
        ("torch", pa.string()),
        ("what", pa.string()),
        ("network", pa.string()),
        ("precision", pa.string()),
        ("quantity", pa.string()),
        ("value", pa.float64()),
        ("unit", pa.string()),
        ("n", pa.int64()),
    ]
)
"""One row a figure; n is how many inputs, images or pairs it is of."""
SHOWN = 6
"""So many figures of one kind are printed, the largest."""
KEYS = ["device", "what", "network", "precision", "quantity", "n"]


class Figures:
    """Figures of one device, written to a table each time some are added.

    Args:
        path: the table; None to write none, as on a CPU.
        device: where the figures are measured.
    """

    def __init__(self, path: Path | None, device: torch.device):
        self._path = path
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
        self._made = {"device": name, "torch": str(torch.__version__)}

    def add(
        self,
        what: str,
        network: str,
        rows: dict[str, float],
        unit: str,
        *,
        n: int,
        precision: str = "float32",
    ):
        """Adds figures of one kind, by quantity; an older figure of the same keys gives way."""
        added = [
            self._made
            | {"what": what, "network": network, "precision": precision, "quantity": quantity}
            | {"value": float(value), "unit": unit, "n": n}
            for quantity, value in rows.items()
        ]
        shown = sorted(rows.items(), key=lambda row: -row[1])[:SHOWN]
        told = ", ".join(f"{quantity} {value:.4g}" for quantity, value in shown)
        print(f"{what}, {network}, {precision}: {told} {unit}", flush=True)
        if self._path is None:
            return
        there = read_table(self._path, FIGURES).to_dict("records") if self._path.exists() else []
        latest = {tuple(row[key] for key in KEYS): row for row in [*there, *added]}
        write_table(self._path, list(latest.values()), FIGURES, KEYS)
