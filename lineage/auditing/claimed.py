"""The id of a claimed parent: checked before anything is computed."""

from collections.abc import Sequence
from difflib import get_close_matches

from lineage.checkpoints.find import Source, id_of
from lineage.checkpoints.read import open_models
from lineage.checkpoints.several import MEMBER
from lineage.errors import UserError

SHOWN = 3
"""Ids that an error names."""


def check_claimed(claimed: str, candidates: Sequence[Source], *, follow: bool) -> None:
    """Sees that a claimed parent is among the candidates; only a file that may hold it is opened.

    Raises:
        UserError: if it is not; with ids that are spelt almost alike.
    """
    known: list[str] = []
    for source in candidates:
        if claimed == source.id or claimed.startswith(f"{source.id}{MEMBER}"):
            try:
                models = open_models(source.path, inside=source.inside, follow=follow)
            except UserError:
                return  # the audit leaves this candidate out, and says why
            known += [id_of(source, model.name, is_alone=len(models) == 1) for model in models]
        else:
            known.append(source.id)
    if claimed in known:
        return
    folded = {id.casefold(): id for id in known}
    near = [folded[match] for match in get_close_matches(claimed.casefold(), folded, n=SHOWN)]
    hint = f"did you mean {' or '.join(near)}?" if near else f"the candidates are {_some(known)}"
    raise UserError(f"claimed: expected the id of a candidate, got {claimed!r}; {hint}")


def _some(ids: Sequence[str]) -> str:
    """The first ids, and how many more there are."""
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return f"{', '.join(ids[:SHOWN])}{more}"
