"""The figures that CUDA gave, and the page that tells them."""

from pathlib import Path

from gpu.figures import FIGURES
from gpu.table import PATH, text

from lineage.storage.parquet import read_table

PAGE = Path(__file__).parents[2] / "docs" / "cuda.md"


def test_every_committed_figure_names_the_gpu_that_gave_it():
    figures = read_table(PATH, FIGURES)
    assert len(figures)
    assert figures["device"].str.contains("NVIDIA").all()
    assert figures["torch"].str.contains(r"\+cu", regex=True).all()


def test_the_page_holds_the_committed_figures():
    assert text() in PAGE.read_text()
