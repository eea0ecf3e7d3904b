"""`lineage.search`: the models of an index that a checkpoint may come from; they alone are audited."""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lineage.auditing.report.types import AuditReport
from lineage.auditing.run import audit
from lineage.checkpoints.files import safe_file
from lineage.checkpoints.plain.form import open_plain_model
from lineage.checkpoints.several import parted
from lineage.errors import UserError
from lineage.index.change import id_of_model
from lineage.index.coordinates import LONGEST
from lineage.index.nearest import Searcher
from lineage.index.store import Store
from lineage.index.vectors import vectors_of


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A model of an index: its id, which is its file's path, and how alike its vectors are, at most 1."""

    id: str
    cosine: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found.

    models: how many the index holds; hits: the shortlist, the most similar first; report: the audit of the child with
    these as candidates.
    """

    index: str
    child: str
    models: int
    hits: Sequence[Hit]
    report: AuditReport

    def to_dict(self) -> dict:
        """The search as JSON holds it; the audit's part is the one of `lineage audit --json`."""
        return {
            "index": self.index,
            "child": self.child,
            "models": self.models,
            "hits": [asdict(hit) for hit in self.hits],
            "audit": self.report.to_dict(),
        }


def search(
    index: str | os.PathLike[str],
    child: str | os.PathLike[str],
    *,
    top: int = 20,
    alpha: float = 0.01,
    follow_links: bool = False,
    cache: str | os.PathLike[str] | None = None,
    store_digests: bool = True,
    say: Callable[[str], None] | None = None,
) -> Found:
    """Says which model of an index a checkpoint comes from: vectors give a shortlist, an audit of it the answer.

    Args:
        index: its folder; child: the suspect checkpoint, FILE or FILE::ID.
        top: models on the shortlist.
        alpha, follow_links, cache, store_digests, say: as of `lineage.audit`.

    Raises:
        UserError: for a child that cannot be used, an index that is none or holds nothing else, or if no file of the
            shortlist can be read.
    """
    if top < 1:
        raise UserError(f"top: expected at least 1, got {top}")
    suspect = os.fspath(child)
    file = safe_file(Path(parted(suspect)[0]), follow=follow_links)
    stored = Store(Path(index)).read()
    model = open_plain_model(suspect, follow=follow_links)
    itself, vectors = {str(file.real), id_of_model(file, model)}, vectors_of(model)
    if not (vectors.own.any() or vectors.given.any()):
        raise UserError(
            f"{suspect}: expected a matrix beside the head, of rows and columns of at most {LONGEST:,} numbers, "
            "found none; audit it with `lineage audit`"
        )
    near = Searcher(stored).nearest(vectors, top + len(itself))
    hits = [
        Hit(id=stored.ids[found.place], cosine=found.cosine)
        for found in near
        if stored.ids[found.place] not in itself
    ][:top]
    if not hits:
        raise UserError(f"{index}: holds no model but the child; add others with `lineage index add`")
    report = audit(
        suspect,
        [hit.id for hit in hits],
        alpha=alpha,
        follow_links=follow_links,
        cache=cache,
        store_digests=store_digests,
        say=say,
    )
    return Found(index=os.fspath(index), child=suspect, models=len(stored), hits=hits, report=report)
