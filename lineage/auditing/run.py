"""`lineage.audit`: which of your models a checkpoint comes from, as a typed report."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from lineage.auditing.audit import Settings, audit_sources
from lineage.auditing.claimed import check_claimed
from lineage.auditing.probing import Prober, rank_on_probe
from lineage.auditing.report.build import report_of
from lineage.auditing.report.types import AuditReport
from lineage.checkpoints.find import Sources, look_for
from lineage.errors import UserError
from lineage.index.digest import DigestCache, default_cache
from lineage.progress import tracked, untracked

OnePath = str | os.PathLike[str]
Paths = OnePath | Sequence[OnePath]
"""A folder, a glob, a table of models or a file; or a list of them."""


def audit(
    child: OnePath,
    candidates: Paths,
    *,
    unrelated: Paths | None = None,
    claimed: str = "",
    alpha: float = 0.01,
    follow_links: bool = False,
    cache: OnePath | None = None,
    store_digests: bool = True,
    arch: str = "",
    probe: str = "noise",
    image_size: int = 224,
    channels: int = 3,
    say: Callable[[str], None] | None = None,
) -> AuditReport:
    """Says which candidate a checkpoint comes from, and how sure that is, from weights alone.

    Nothing in any file is executed. docs/audit.md gives the method and its sources.

    Args:
        child: the suspect checkpoint: FILE, or FILE::ID of a file with several models.
        candidates: possible parents; unrelated: networks known to be unrelated. Each a folder, a glob, a table of
            models or a file, or a list of them.
        claimed: the id of the candidate that is claimed to be the parent.
        alpha: the false-positive rate, between 0 and 1.
        follow_links: follow links out of the folders given.
        cache: the folder of digests, by default the user's; store_digests: whether to store digests at all.
        arch: the architecture, as `fc` or `timm:resnet18`; with it, candidates are also ranked on a probe.
        probe: a folder of images by class, a Parquet file, `embedded:NAME` or `noise`.
        image_size: pixels; channels: 1 or 3, of the probe.
        say: takes lines of progress.

    Returns:
        The report; `verdict`, `family`, `closest` and `relation` are its short form, `parent` is None unless one is
        named; `to_dict()` gives the JSON.

    Raises:
        UserError: for input that cannot be used, a child that cannot be read, or a claimed parent that is no
            candidate.

    Examples:
        >>> report = audit("suspect.safetensors", ["bases/", "other/p9.pt"])  # doctest: +SKIP
        >>> report.verdict, report.closest, report.parent  # doctest: +SKIP
        (<Word.PARENT: 'parent'>, 'p2', 'p2')
    """
    prober = Prober(arch, probe, image_size=image_size, channels=channels) if arch else None
    suspect = _path("child", child)
    given = {
        "child": suspect,
        "candidates": _paths("candidates", candidates),
        "unrelated": "" if unrelated is None else _paths("unrelated", unrelated),
    }
    possible = _sources(given["candidates"], "candidate", follow=follow_links)
    foreign = Sources([])
    if given["unrelated"]:
        foreign = _sources(given["unrelated"], "unrelated", follow=follow_links)
    if claimed:
        check_claimed(claimed, possible.given, follow=follow_links)
    digests = DigestCache(Path(cache or default_cache()) if store_digests else None)
    done = audit_sources(
        suspect,
        possible.given,
        foreign.given,
        settings=Settings(alpha=alpha, follow=follow_links, claimed=claimed),
        cache=digests,
        tracked=partial(tracked, say=say) if say else untracked,
    )
    if say and digests.trouble:
        say(digests.warning)
    of_probe = {"arch": arch, "probe": probe, "image_size": image_size, "channels": channels}
    ranks = rank_on_probe(done, prober) if prober else None
    left = {**foreign.passed_over, **possible.passed_over}
    return report_of(done, config=given | of_probe, probe=ranks, passed_over=left)


def _path(name: str, given: object) -> str:
    if not isinstance(given, str | os.PathLike):
        raise UserError(
            f"{name}: expected a path, got {type(given).__name__}; save the weights to a file first"
        )
    return os.fspath(given)


def _paths(name: str, given: object) -> str | list[str]:
    if not isinstance(given, list | tuple):
        return _path(name, given)
    if not given:
        raise UserError(f"{name}: expected at least one path, got an empty list")
    return [_path(f"{name}[{number}]", item) for number, item in enumerate(given)]


def _sources(given: str | list[str], role: str, *, follow: bool) -> Sources:
    """The files of a path, or of several; what has the same id in two of them is called by its path."""
    if isinstance(given, str):
        return look_for(given, role, follow=follow)
    looked = [look_for(path, role, follow=follow) for path in given]
    counts = Counter(source.id for each in looked for source in each.given)
    return Sources(
        [
            source if counts[source.id] == 1 else replace(source, id=source.path)
            for each in looked
            for source in each.given
        ],
        {path: reason for each in looked for path, reason in each.passed_over.items()},
    )
