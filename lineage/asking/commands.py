"""The subcommands of `lineage` for a suspect that can only be asked."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lineage.errors import UserError
from lineage.options import CHECKPOINTS, JsonTo, say

app = typer.Typer()


@app.command(name="ask", rich_help_panel=CHECKPOINTS)
def print_queries(
    candidates: Annotated[
        str, typer.Option(help="Possible parents: a folder, a quoted glob, models.tsv or a file.")
    ],
    data: Annotated[str, typer.Option(help="A folder of images, a Parquet file, or noise.")],
    out: Annotated[Path | None, typer.Option(help="The folder for queries and manifest.")] = None,
    verify: Annotated[
        Path | None, typer.Option(help="Instead: choose this folder's queries again, and name what differs.")
    ] = None,
    unrelated: Annotated[
        str, typer.Option(help="Networks for the same task known to be unrelated, named likewise.")
    ] = "",
    budget: Annotated[int, typer.Option(help="How many queries: 100, 200, 300 or 500.")] = 300,
    arch: Annotated[
        str, typer.Option(help="The candidates' architecture, as timm:resnet18, unless models.tsv says.")
    ] = "",
    image_size: Annotated[int, typer.Option(min=1, help="Pixels that the candidates take.")] = 224,
    channels: Annotated[int, typer.Option(min=1, max=3, help="Channels that they take: 1 or 3.")] = 3,
    mean: Annotated[
        str, typer.Option(help="Of pixels in [0, 1] to normalise by, a channel each, by commas.")
    ] = "",
    std: Annotated[str, typer.Option(help="Likewise.")] = "",
) -> None:
    """Writes queries for a suspect that can only be asked, and commits to them. Ask it; then `lineage answer`."""
    from lineage.asking.files import MANIFEST, PICTURES
    from lineage.asking.run import ask
    from lineage.asking.run import verify as differences_of
    from lineage.asking.verdict import LEAST_NETWORKS

    given = {"unrelated": unrelated or None, "arch": arch, "say": say}
    if verify:
        found = differences_of(verify, candidates, data, **given)
        for line in found:
            typer.echo(line)
        typer.echo(f"{verify}: {'refused as evidence' if found else 'verified, nothing differs'}")
        raise typer.Exit(1 if found else 0)
    if out is None:
        raise UserError("--out: expected a folder for the queries, or a query set to --verify; got neither")
    size = {"image_size": image_size, "channels": channels}
    normal = {"mean": _numbers("--mean", mean), "std": _numbers("--std", std)}
    queries = ask(candidates, data, budget=budget, out=out, **size, **normal, **given)
    typer.echo(f"{out / PICTURES}: {len(queries.images)} pictures to ask; {out / MANIFEST}")
    typer.echo(f"commitment: {queries.commitment}")
    typer.echo(
        "publish the commitment before you ask the suspect, and keep the folder but for the pictures to yourself"
    )
    if queries.left_out:
        say(f"warning: left out, as said above: {', '.join(queries.left_out)}")
    if (count := len(queries.plan.ids)) < LEAST_NETWORKS:
        say(
            f"warning: `lineage answer` needs {LEAST_NETWORKS} networks at least, and has {count}: before you ask "
            "the suspect, add candidates, or unrelated networks for the same task (--unrelated)"
        )


@app.command(name="answer", rich_help_panel=CHECKPOINTS)
def print_answer(
    queries: Annotated[Path, typer.Argument(help="The folder that `lineage ask` wrote.")],
    answers: Annotated[Path, typer.Argument(help="The suspect's answers: CSV or NPZ.")],
    alpha: Annotated[
        float, typer.Option(help="How often an unrelated network may get a family: 0.01 or 0.05.")
    ] = 0.01,
    own_labels: Annotated[
        bool, typer.Option("--own-labels", help="The suspect's labels are others than the candidates'.")
    ] = False,
    commitment: Annotated[str, typer.Option(help="What was published before the suspect was asked.")] = "",
    json_to: JsonTo = None,
) -> None:
    """Says which candidates a suspect's answers come from. Exit codes: 0 the closest is named, 6 a family without a
    closest, 4 undetermined, 2 bad input or refused queries."""
    from lineage.asking.run import answer
    from lineage.asking.terminal import print_finding
    from lineage.asking.verdict import EXIT_CODES
    from lineage.storage.atomic import written_whole

    found = answer(queries, answers, alpha=alpha, own_labels=own_labels, commitment=commitment)
    if json_to:
        with written_whole(json_to) as part:
            part.write_text(json.dumps(found.to_dict(), indent=1, allow_nan=False))
    print_finding(found, str(answers))
    raise typer.Exit(EXIT_CODES[found.word])


def _numbers(option: str, given: str) -> list[float] | None:
    """Numbers by commas; None where nothing is given."""
    try:
        return [float(value) for value in given.split(",")] if given else None
    except ValueError:
        raise UserError(f"{option}: expected a number for each channel, by commas, got {given!r}") from None
