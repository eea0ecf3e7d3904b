"""The page's sections, in the order of a reader's questions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lineage.report.figure import Figure, nothing_to_see
from lineage.report.figures.accuracy import (
    candidates_figures,
    gap_figures,
    methods_figures,
    probe_figures,
)
from lineage.report.figures.calibration import calibration_figures
from lineage.report.figures.comparison import published_figures
from lineage.report.figures.costs import cost_figures
from lineage.report.figures.curves import alpha_figures, layer_figures
from lineage.report.figures.heatmap import heatmap_figures
from lineage.report.figures.hybrids import hybrid_figures
from lineage.report.figures.learning import training_figures
from lineage.report.figures.network import network_figures
from lineage.report.figures.p_values import p_value_figures
from lineage.report.inputs import Inputs


@dataclass(frozen=True, kw_only=True)
class Section:
    """Figures of one question."""

    id: str
    heading: str
    explanation: str
    make: Callable[[Inputs], Iterator[Figure]]
    needs: str
    """What a run must have for its figures."""


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A section with its figures, and those that show nothing, with the reason."""

    section: Section
    figures: list[Figure]
    left_out: list[tuple[Figure, str]] = field(default_factory=list)


SECTIONS = [
    Section(
        id="methods",
        heading="Every method",
        explanation="A similarity with an approximation, a comparison of weights, or the trained detector.",
        make=methods_figures,
        needs="results",
    ),
    Section(
        id="published",
        heading="Published and ours",
        explanation="Yu & Wang, Neural Lineage, CVPR 2024.",
        make=published_figures,
        needs="a method that the paper has",
    ),
    Section(
        id="network",
        heading="Lineage network",
        explanation="Several generations, with the parent that each model is found to have.",
        make=network_figures,
        needs="several generations (edges.parquet)",
    ),
    Section(
        id="heatmap",
        heading="Children and candidates",
        explanation="The scores behind the verdicts.",
        make=heatmap_figures,
        needs="scores (pairs.parquet; `lineage summarise` makes it)",
    ),
    Section(
        id="candidates",
        heading="Number of candidates",
        explanation="The parent and some others, drawn anew for each child and seed.",
        make=candidates_figures,
        needs="detector.candidates in its configuration",
    ),
    Section(
        id="alpha",
        heading="Alpha",
        explanation="How far on the way from the candidate to the child features are compared.",
        make=alpha_figures,
        needs="curves",
    ),
    Section(
        id="layer",
        heading="Layer",
        explanation="Where in the network features are compared.",
        make=layer_figures,
        needs="similarities at several layers",
    ),
    Section(
        id="probe",
        heading="Probe size",
        explanation="How many images make the features; the models are the same.",
        make=probe_figures,
        needs="experiments named ...-probe-<number of images>",
    ),
    Section(
        id="gap",
        heading="Generation gap",
        explanation="Ancestors further away than the parent.",
        make=gap_figures,
        needs="settings with parents of earlier settings",
    ),
    Section(
        id="block",
        heading="Hybrid networks",
        explanation="Networks put together from blocks of several parents: where does each block come from?",
        make=hybrid_figures,
        needs="hybrid networks",
    ),
    Section(
        id="calibration",
        heading="Calibration",
        explanation="Whether the detector's probabilities are frequencies.",
        make=calibration_figures,
        needs="a trained detector (calibration.parquet; `lineage summarise` makes it)",
    ),
    Section(
        id="p-values",
        heading="The audit's p-values",
        explanation="Whether unrelated networks get small p-values as seldom as these say.",
        make=p_value_figures,
        needs="audits of unrelated pairs (p_values.parquet; `make audit-bench` makes it)",
    ),
    Section(
        id="training",
        heading="The detector's training",
        explanation="One line a seed.",
        make=training_figures,
        needs="a trained detector (history.parquet; `lineage summarise` makes it)",
    ),
    Section(
        id="cost",
        heading="Time and memory",
        explanation="As Snakemake's jobs measured them.",
        make=cost_figures,
        needs="a run's logs (stages.parquet; `lineage summarise` makes it)",
    ),
]


def filled_sections(inputs: Inputs) -> list[Filled]:
    """All sections with what can be drawn of these results; some have no figures."""
    return [_filled(section, inputs) for section in SECTIONS]


def _filled(section: Section, inputs: Inputs) -> Filled:
    reasons = [(figure, nothing_to_see(figure)) for figure in section.make(inputs)]
    return Filled(
        section=section,
        figures=[figure for figure, reason in reasons if not reason],
        left_out=[(figure, reason) for figure, reason in reasons if reason],
    )
