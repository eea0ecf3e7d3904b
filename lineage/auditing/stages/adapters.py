"""Adapters among the files: merged with each base that they fit; of one alone, what its shapes say."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from lineage.auditing.stages.candidates import Candidate
from lineage.auditing.stages.child import Child
from lineage.auditing.stages.testing import Tested
from lineage.auditing.stages.verdict import MOST_NAMED, Verdict, Word
from lineage.checkpoints.adapters.config import config_beside
from lineage.checkpoints.adapters.fit import fit
from lineage.checkpoints.adapters.parts import parts_of
from lineage.checkpoints.find import Source, open_source
from lineage.checkpoints.several import MEMBER, member_of, model_of, parted
from lineage.errors import UserError

MOST_BASES = 8
"""So many bases is an adapter merged with: the first ones that it fits."""


def with_bases(
    child: Child, tested: Tested, test: Callable[[Sequence[Source]], Tested], *, follow: bool
) -> Tested:
    """The candidates, where each adapter that fits some is replaced by the merged models.

    An adapter whose configuration cannot be read is refused. The base that the configuration names is the only one,
    where it is among the candidates by that name.

    Args:
        child: opened; tested: all candidates as they are; test: tests more sources; follow: links.
    """
    adapters = [candidate for candidate in tested.candidates if parts_of(candidate.shapes)]
    if not adapters or parts_of(child.digest.shapes):
        return tested
    merging, refused = _bases_by_adapter(adapters, tested.candidates, follow=follow)
    sources = [source for adapter, bases in merging for source in _sources(adapter, bases[:MOST_BASES])]
    more = test(sources) if sources else Tested([], {})
    notes = [_note(adapter, len(bases)) for adapter, bases in merging if len(bases) > MOST_BASES]
    merged = [replace(candidate, notes=[*candidate.notes, *notes]) for candidate in more.candidates]
    gone = {adapter.id for adapter, bases in merging if bases} | refused.keys()
    alone = [candidate for candidate in tested.candidates if candidate.id not in gone]
    return Tested([*alone, *merged], tested.refused | refused | more.refused, tested.empty)


def _bases_by_adapter(
    adapters: Sequence[Candidate], candidates: Sequence[Candidate], *, follow: bool
) -> tuple[list[tuple[Candidate, list[Candidate]]], dict[str, str]]:
    """Each adapter with its bases, and why others cannot be merged, by id."""
    found, refused = [], {}
    for adapter in adapters:
        try:
            found.append((adapter, bases_of(adapter, candidates, follow=follow)))
        except UserError as error:
            refused[adapter.id] = str(error)
    return found, refused


def _sources(adapter: Candidate, bases: Sequence[Candidate]) -> list[Source]:
    """The adapter merged with each base."""
    found = []
    for base in bases:
        id = adapter.id if len(bases) == 1 else f"{adapter.id}+{base.id}"
        of_base = replace(base.source, path=_member(base))
        found.append(replace(adapter.source, path=_member(adapter), id=id, base=of_base))
    return found


def _note(adapter: Candidate, fitting: int) -> str:
    return (
        f"{adapter.source.path}: fits {fitting} candidates; it was merged with the first {MOST_BASES}, and "
        f"{fitting - MOST_BASES} were left out; name its base in adapter_config.json, or give fewer candidates"
    )


def bases_of(adapter: Candidate, candidates: Sequence[Candidate], *, follow: bool) -> list[Candidate]:
    """The candidates that an adapter fits: of several, the one that its configuration names."""
    parts = parts_of(adapter.shapes)
    fitting = [candidate for candidate in candidates if fit(parts, candidate.shapes)]
    model = model_of(open_source(adapter.source, follow=follow), adapter.model)
    claimed = config_beside(model).base.rstrip("/").rpartition("/")[2].casefold()
    named = [base for base in fitting if claimed and claimed in _names(base)]
    return named if len(named) == 1 else fitting


def _names(base: Candidate) -> set[str]:
    """What a configuration may call a base: its id, its file, or its folder."""
    path = base.source.path.replace("\\", "/").casefold()
    return {*path.split("/")[-2:], base.id.casefold(), base.id.casefold().rpartition("/")[2]}


def _member(candidate: Candidate) -> str:
    """The path that names a candidate's model alone."""
    path, own = parted(candidate.source.path)
    own = own or member_of(candidate.model)
    return f"{path}{MEMBER}{own}" if own else path


def of_adapter(child: Child, candidates: Sequence[Candidate], verdict: Verdict) -> Verdict:
    """The verdict on an adapter alone: which bases it fits, and that its weights cannot say more.

    Args:
        child: the child; candidates: tested; verdict: over them.
    """
    parts = parts_of(child.digest.shapes)
    if not parts or verdict.word not in (Word.NONE, Word.CANNOT_TELL):
        return verdict
    fitting = [candidate.id for candidate in candidates if fit(parts, candidate.shapes)]
    named = ", ".join(fitting[:MOST_NAMED]) + (
        f" and {len(fitting) - MOST_NAMED} more" if len(fitting) > MOST_NAMED else ""
    )
    fits = f"it fits {named}" if fitting else "none of the candidates has them"
    claim = config_beside(child.checkpoint).base
    says = f"; its configuration names {claim!r}, which anyone can write" if claim else ""
    return replace(
        verdict,
        word=Word.CANNOT_TELL,
        decided_by="shapes",
        reason=f"an adapter of {len(parts)} layers says no more of its base than their names and shapes: "
        f"{fits}{says}",
        helps=["give the adapter merged into its base, or other adapters as candidates"],
    )
