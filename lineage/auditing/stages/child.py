"""Read: the child, as the later stages need it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lineage.auditing.pair_tests import digest_of_child
from lineage.checkpoints.adapters.config import shipped_base
from lineage.checkpoints.adapters.merging import merged
from lineage.checkpoints.checkpoint import Checkpoint, held
from lineage.checkpoints.plain.form import in_plain_form
from lineage.checkpoints.read import open_model
from lineage.index.digest import Digest, DigestCache
from lineage.progress import Tracked, untracked
from lineage.relation.tensor_names import heads, layer_of, matrices


@dataclass(frozen=True)
class Child:
    """The checkpoint whose parent is sought.

    path: as the user gave it; checkpoint: open; digest: of it.
    """

    path: str
    checkpoint: Checkpoint
    digest: Digest

    @cached_property
    def heads(self) -> set[str]:
        """The matrices that look like the head."""
        return heads(self.digest.shapes)

    @cached_property
    def matrices(self) -> list[str]:
        """The tensors with rows and columns."""
        return matrices(self.digest.shapes)

    @cached_property
    def unread(self) -> list[str]:
        """The tensors that were left out and may be weights."""
        return [name for name, found in self.digest.left_out.items() if found.is_weights]

    @cached_property
    def backbone(self) -> list[str]:
        """The tensors of all layers that are no head."""
        of_heads = {layer_of(name) for name in self.heads}
        return [name for name in self.digest.shapes if layer_of(name) not in of_heads]


def read_child(
    path: str,
    cache: DigestCache,
    *,
    inside: Path | None = None,
    follow: bool,
    tracked: Tracked = untracked,
) -> Child:
    """Opens a child, given as `FILE` or `FILE::ID`, and digests it; an adapter that ships its base has it merged in.

    Args:
        path: the file; cache: of digests.
        inside: the folder that links may not leave, by default the file's own; follow: let them lead out of it.
        tracked: says how far it is, of a large one.

    Raises:
        UserError: if it cannot be read, or a value is not finite.
    """
    checkpoint = open_model(path, inside=inside, follow=follow)
    if base := shipped_base(checkpoint):
        checkpoint = merged(checkpoint, open_model(base))
    checkpoint = held(in_plain_form(checkpoint))
    return Child(path, checkpoint, digest_of_child(checkpoint, cache, tracked))
