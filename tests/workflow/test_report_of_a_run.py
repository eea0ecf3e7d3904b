"""`snakemake --report` holds every result, with its caption, category and label; the page is part of a run."""

import re


def test_a_run_ends_with_a_page_of_its_results(uninterrupted):
    checkout, _ = uninterrupted
    page = " ".join(checkout.path("results/report.html").read_text().split())
    assert "tiny, full" in page
    assert re.search(r"Accuracy of every method: tiny, full", page)
    configuration = re.search(r"configuration ([0-9a-f]{16}), date \d{4}-\d\d-\d\d, device cpu", page)
    assert configuration
    for section in ("heatmap", "calibration", "training", "cost", "alpha"):
        assert f'<section id="experiment-tiny-{section}"' in page


def test_the_report_of_snakemake_has_every_result_with_its_caption(finished):
    code, output = finished.snakemake("--cores", "2", "--report", "whole.html")
    assert code == 0, output
    text = finished.path("whole.html").read_text()
    for category in ("Tables", "Figures", "Report"):
        assert f'"{category}"' in text
    for name in ("accuracy.csv", "conditions.csv", "report.html", "accuracy-tiny-full.svg"):
        assert name in text
    for caption in (
        "chance, in per cent",
        "never seen in training",
        "opens without a network",
        "dotted lines chance",
    ):
        assert caption in text
