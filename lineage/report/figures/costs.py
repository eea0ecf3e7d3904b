"""Time and memory by stage."""

from collections.abc import Iterator

import altair as alt

from lineage.report import palette
from lineage.report.figure import Figure, groups_of, hover
from lineage.report.inputs import Inputs

ORDER_OF_WORK = (
    *("pretrain", "finetune", "probe", "features", "root_features", "path_features", "similarity"),
    *(
        "block_similarity",
        "audits",
        "family_tree",
        "queries",
        "answers",
        "detector",
        "mixed_detector",
        "transfer",
        "evaluate_blocks",
        "evaluate",
        "summarise",
    ),
)
SPENT = {"importing": palette.MUTED, "computing": palette.FILL}


def cost_figures(inputs: Inputs) -> Iterator[Figure]:
    """Core-seconds, and the most memory of a job, of each stage."""
    for (experiment,), rows in groups_of(inputs.stages, ["experiment"]):
        place = {stage: number for number, stage in enumerate(ORDER_OF_WORK)}
        rows = rows.sort_values("stage", key=lambda stages: stages.map(place), kind="stable")
        spent = rows.melt(["stage", "jobs"], list(SPENT), "spent", "seconds")
        spent = spent.assign(seconds=spent["seconds"].round(1), minutes=(spent["seconds"] / 60).round(2))
        jobs = int(rows["jobs"].sum())
        y = alt.Y("stage:N", sort=None, title=None)
        colour = alt.Color(
            "spent:N", title=None, scale=alt.Scale(domain=list(SPENT), range=list(SPENT.values()))
        )
        chart = (
            alt.Chart(spent)
            .mark_bar()
            .encode(
                x=alt.X("minutes:Q", title=f"minutes of all jobs (n = {jobs} jobs)"),
                y=y,
                color=colour,
                tooltip=hover(["stage", "jobs", "spent", "seconds"]),
            )
            .properties(height=18 * len(rows))
        )
        yield Figure(
            name=f"time-{experiment}",
            title=f"Time by stage: {experiment}",
            caption="Sum over the jobs of a stage; importing is the fixed cost of starting Python and its libraries.",
            alt=f"Bars of the minutes that each stage of {experiment} took, importing and computing",
            experiment=experiment,
            chart=chart,
            data=spent,
        )
        memory = rows[["stage", "jobs", "memory", "asked"]].round(0)
        memory = memory[memory["memory"].notna()]
        if memory.empty:
            continue
        base = alt.Chart(memory).encode(y=y)
        title = f"MB of the largest job (n = {jobs} jobs)"
        chart = alt.layer(
            base.mark_bar(color=SPENT["computing"]).encode(
                x=alt.X("memory:Q", title=title), tooltip=hover(memory.columns)
            ),
            base.mark_tick(color=palette.INK, thickness=2).encode(x=alt.X("asked:Q", title=title)),
        ).properties(height=18 * len(rows))
        yield Figure(
            name=f"memory-{experiment}",
            title=f"Memory by stage: {experiment}",
            caption="Resident memory of the largest job of a stage; the tick is what a job asked for.",
            alt=f"Bars of the memory in MB that each stage of {experiment} used, with what it asked for",
            experiment=experiment,
            chart=chart,
            data=memory,
        )
