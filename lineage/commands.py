"""Subcommands of `lineage` beside audits: verdicts, hashes, differences, trees, disguises, indices of models."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lineage.errors import printable
from lineage.options import CHECKPOINTS, Cache, FollowLinks, HtmlTo, JsonTo, NoCache, say

app = typer.Typer()
index = typer.Typer(
    help="An index of models: search very many by a small sketch of each.", no_args_is_help=True
)
app.add_typer(index, name="index", rich_help_panel=CHECKPOINTS)


@app.command(name="hash", rich_help_panel=CHECKPOINTS)
def print_hashes(
    files: Annotated[
        list[str], typer.Argument(help="Checkpoints: FILE, or FILE::ID of a file with several.")
    ],
    values: Annotated[
        bool, typer.Option("--values", help="Of shapes and values alone, whatever the names.")
    ] = False,
) -> None:
    """Prints a hash of each model's tensors: the same in every container, order and dtype that holds the values, and
    under any prefix of the names."""
    from lineage.checkpoints.read import open_models
    from lineage.diffing.hashes import hashes_of

    for file in files:
        models = open_models(file)
        for model in models:
            shown = file if len(models) == 1 else f"{Path(file).parent / model.name}"
            found = hashes_of(model)
            typer.echo(f"{found.values if values else found.tensors}  {printable(shown)}")


@app.command(name="diff", rich_help_panel=CHECKPOINTS)
def print_diff(
    a: Annotated[str, typer.Argument(help="A checkpoint: FILE, or FILE::ID of a file with several.")],
    b: Annotated[str, typer.Argument(help="Another, which is described as A with changes.")],
    json_to: JsonTo = None,
) -> None:
    """Says by tensor and layer what was done with A to give B; exit code 1 if anything, like diff(1)."""
    from lineage.diffing.diff import diff
    from lineage.diffing.terminal import print_difference
    from lineage.storage.atomic import written_whole

    found = diff(a, b)
    try:
        if json_to:
            with written_whole(json_to) as part:
                part.write_text(json.dumps(found.to_dict(), indent=1))
    finally:
        print_difference(found)
    raise typer.Exit(0 if found.is_same else 1)


@app.command(name="tree", rich_help_panel=CHECKPOINTS)
def print_family_tree(
    models: Annotated[str, typer.Argument(help="A folder, a quoted glob, a table of models or a file.")],
    json_to: JsonTo = None,
    graphml_to: Annotated[Path | None, typer.Option("--graphml", help="Write it as GraphML.")] = None,
    dot_to: Annotated[Path | None, typer.Option("--dot", help="Write it as Graphviz' DOT.")] = None,
    parquet_to: Annotated[
        Path | None, typer.Option("--parquet", help="Write nodes.parquet and edges.parquet into this folder.")
    ] = None,
    html_to: HtmlTo = None,
    alpha: Annotated[float, typer.Option(help="How often unrelated models may be joined.")] = 0.01,
    cache: Cache = None,
    no_cache: NoCache = False,
    follow_links: FollowLinks = False,
) -> None:
    """Says which families the models of a folder are of, and who was trained from whom."""
    from lineage.genealogy.files import write_dot, write_graphml, write_json, write_tables
    from lineage.genealogy.page.write import write_html
    from lineage.genealogy.run import tree
    from lineage.genealogy.terminal import print_tree

    found = tree(
        models,
        alpha=alpha,
        follow_links=follow_links,
        cache=cache,
        store_digests=not no_cache,
        say=say,
    )
    try:
        for write, path in (
            (write_json, json_to),
            (write_graphml, graphml_to),
            (write_dot, dot_to),
            (write_tables, parquet_to),
            (write_html, html_to),
        ):
            if path:
                write(found, path)
    finally:
        print_tree(found)


@app.command(rich_help_panel=CHECKPOINTS)
def verdicts(
    folder: Annotated[Path, typer.Argument(help="Where `make audit` wrote.")] = Path("results/audit"),
) -> None:
    """Prints what `make audit` found on each child of its table of models, and where the evidence is."""
    from lineage.auditing.report.summary import closing_lines

    for line in closing_lines(folder):
        typer.echo(line)


@app.command(rich_help_panel=CHECKPOINTS)
def disguise(
    model: Annotated[str, typer.Argument(help="The checkpoint: FILE, or FILE::ID of a file with several.")],
    how: Annotated[
        str,
        typer.Option(help="Disguises, by commas: permute, rescale, stream, rotate, heads, thin, shorten."),
    ],
    out: Annotated[Path, typer.Option(help="The copy's file, safetensors.")],
    seed: Annotated[int, typer.Option(min=0, help="Of the random orders and scales.")] = 0,
    head_width: Annotated[int | None, typer.Option(min=1, help="Channels of a head of attention.")] = None,
    arch: Annotated[
        str, typer.Option(help="The architecture, as timm:resnet18, to compare outputs on noise.")
    ] = "",
    image_size: Annotated[int, typer.Option(min=1, help="Pixels of the noise.")] = 224,
    channels: Annotated[int, typer.Option(min=1, max=3, help="Channels of the noise: 1 or 3.")] = 3,
) -> None:
    """Writes a copy of a checkpoint with other weights for the same function, to try detectors on."""
    from lineage.auditing.disguised_copy import write_disguised

    size = {"image_size": image_size, "channels": channels}
    found = write_disguised(
        model,
        [name.strip() for name in how.split(",")],
        out,
        seed=seed,
        head_width=head_width,
        arch=arch,
        **size,
    )
    checked = (
        "its outputs were not compared" if found is None else f"its outputs differ by {found:.1e} at most"
    )
    typer.echo(f"{out}: {how} of {model}; {checked}")


Index = Annotated[Path, typer.Argument(help="The folder of the index.")]


@index.command(name="add")
def add_to_index(
    folder: Index,
    models: Annotated[list[str], typer.Argument(help="Folders, quoted globs, tables of models or files.")],
    follow_links: FollowLinks = False,
) -> None:
    """Adds models, each read once; a line says of each that it is in the index now. Exit code 1 if some could not be
    read."""
    from lineage.auditing.report.passed_over import by_reason, in_words
    from lineage.index.change import add

    found = add(folder, models, follow_links=follow_links, say=lambda line: typer.echo(printable(line)))
    counts = f"{len(found.added)} added, {len(found.unchanged)} unchanged, {len(found.refused)} left out"
    typer.echo(f"{folder}: {counts}", err=True)
    for files in by_reason(found.passed_over):
        say(f"passed over: {in_words(files)}")
    raise typer.Exit(1 if found.refused else 0)


@index.command(name="remove")
def remove_from_index(
    folder: Index,
    ids: Annotated[list[str], typer.Argument(help="Ids, as they were added, or paths of files.")],
) -> None:
    """Removes models from an index; their files stay."""
    from lineage.index.change import remove

    for id in remove(folder, ids):
        typer.echo(printable(f"removed {id}"))


@index.command(name="search")
def search_index(
    folder: Index,
    child: Annotated[str, typer.Argument(help="The suspect: FILE, or FILE::ID of a file with several.")],
    top: Annotated[int, typer.Option(min=1, help="Models on the shortlist, which are audited.")] = 20,
    alpha: Annotated[float, typer.Option(help="The false-positive rate of the audit.")] = 0.01,
    json_to: JsonTo = None,
    cache: Cache = None,
    no_cache: NoCache = False,
    follow_links: FollowLinks = False,
) -> None:
    """Says which model of an index a checkpoint comes from: an audit of those that are most like it.

    Exit codes are those of `lineage audit`.
    """
    from lineage.auditing.report.terminal import print_report
    from lineage.auditing.shortlist import search
    from lineage.auditing.stages.verdict import EXIT_CODES
    from lineage.storage.atomic import written_whole

    found = search(
        folder,
        child,
        top=top,
        alpha=alpha,
        follow_links=follow_links,
        cache=cache,
        store_digests=not no_cache,
        say=say,
    )
    try:
        if json_to:
            with written_whole(json_to) as part:
                part.write_text(json.dumps(found.to_dict(), indent=1, allow_nan=False) + "\n")
    finally:
        are = "is" if len(found.hits) == 1 else "are"
        typer.echo(
            f"the {len(found.hits)} of {found.models:,} models that {are} most like {printable(child)}:"
        )
        for hit in found.hits:
            typer.echo(f"  {hit.cosine:.2f}  {printable(hit.id)}")
        print_report(found.report)
    raise typer.Exit(EXIT_CODES[found.report.verdict])
