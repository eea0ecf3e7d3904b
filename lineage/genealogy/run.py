"""`lineage.tree`: the family tree of a folder of models, as typed values."""

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from lineage.auditing.direction import shipped
from lineage.auditing.report.passed_over import by_reason
from lineage.auditing.report.types import PassedOver
from lineage.auditing.stages.thirds.passing import Direction
from lineage.checkpoints.files import mode_of
from lineage.checkpoints.find import Source, Sources, look_for, read_table_of_models
from lineage.errors import UserError
from lineage.genealogy.build import family_tree
from lineage.genealogy.claims import claims_of, independent_by_rows
from lineage.genealogy.families import by_rows, families_of
from lineage.genealogy.reading import read_models
from lineage.genealogy.types import Edge, Merge, Node, Tree
from lineage.index.digest import DigestCache, default_cache
from lineage.progress import Tracked, tracked, untracked
from lineage.storage.atomic import temporary_folder


def tree(
    models: str | os.PathLike[str],
    *,
    alpha: float = 0.01,
    follow_links: bool = False,
    cache: str | os.PathLike[str] | None = None,
    store_digests: bool = True,
    say: Callable[[str], None] | None = None,
) -> Tree:
    """Says which families the models of a folder are of, and who was trained from whom, from weights alone.

    Nothing in any file is executed. docs/tree.md gives the method.

    Args:
        models: a folder, a glob, a table of models (all of its rows) or a file of several models.
        alpha: how often unrelated models may be joined, over all pairs; between 0 and 1.
        follow_links: follow links out of the folders given.
        cache: the folder of digests, by default the user's; store_digests: whether they stay after the call.
        say: takes lines of progress.

    Returns:
        nodes and edges; `to_dict()` gives the JSON.

    Raises:
        UserError: for input that cannot be used, or if no model can be read.

    Examples:
        >>> found = tree("zoo/")  # doctest: +SKIP
        >>> [(edge.parent, edge.child) for edge in found.edges if edge.is_directed]  # doctest: +SKIP
        [('base', 'base-tuned')]
    """
    if not 0 < alpha < 1:
        raise UserError(f"alpha: expected a rate between 0 and 1, got {alpha}")
    with ExitStack() as stack:
        folder = Path(cache or default_cache()) if store_digests else None
        digests = DigestCache(folder or stack.enter_context(temporary_folder()))
        found = rows_of(os.fspath(models), follow=follow_links)
        grown = tree_of(
            os.fspath(models),
            found.given,
            digests,
            shipped(),
            alpha=alpha,
            follow=follow_links,
            passed_over=by_reason(found.passed_over),
            tracked=partial(tracked, say=say) if say else untracked,
        )
        if say and digests.trouble:
            say(digests.warning)
        return grown


def rows_of(given: str, *, follow: bool = False) -> Sources:
    """The files that a path names; of a table of models every row, whatever its role; follow: links to folders."""
    path = Path(given)
    if path.suffix in (".tsv", ".csv") and stat.S_ISREG(mode_of(path)):
        return Sources(read_table_of_models(path))
    return look_for(given, follow=follow)


def tree_of(
    given: str,
    sources: Sequence[Source],
    cache: DigestCache,
    direction: Direction,
    *,
    alpha: float = 0.01,
    follow: bool = False,
    passed_over: Sequence[PassedOver] = (),
    tracked: Tracked = untracked,
) -> Tree:
    """The tree of some sources; see `tree`.

    Args:
        given: what the user named; sources: files of one or more models.
        cache: of digests, on disk; direction: estimates a share from features.
        alpha: the false-positive rate; follow: links out of the folders.
        passed_over: files that are no models; tracked: says how far it is.
    """
    models, refused = read_models(sources, cache, follow=follow, tracked=tracked)
    if not models:
        raise UserError(next(iter(refused.values()), f"{given}: holds no model"))
    alone = [model.source for model in models]
    independent = independent_by_rows(alone, cache, alpha=alpha, follow=follow)
    families = families_of(models, by_rows(cache, follow=follow), alpha=alpha, tracked=tracked)
    nodes: list[Node] = []
    edges: list[Edge] = []
    merges: list[Merge] = []
    names = {}
    for number, places in enumerate(tracked(families, "families, also of one model"), start=1):
        name = f"family-{number}"
        of_family, between, merged = family_tree(
            [models[place] for place in places], name, cache, direction, follow=follow, tracked=tracked
        )
        names[name] = [node.id for node in of_family]
        nodes += of_family
        edges += between
        merges += merged
    return Tree(
        given=given,
        families=names,
        nodes=nodes,
        edges=edges,
        claims=list(claims_of(sources, nodes, edges, independent)),
        merges=merges,
        refused=refused,
        passed_over=passed_over,
    )
