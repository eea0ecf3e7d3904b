"""Models that hold adapters beside the layers they adapt, as peft's do: each layer under its own name.

A layer's own weight is called `base_layer.weight`, and one that is trained as a whole `modules_to_save.NAME.weight`,
beside the original that it stands for. Adapters stay tensors of their own: the file lacks their scale.
"""

import re

from lineage.checkpoints.checkpoint import Entry
from lineage.checkpoints.plain.parts import Entries

BASE = ".base_layer."
SAVED = re.compile(r"\.modules_to_save\.[^.]+\.")
ORIGINAL = ".original_module."


def layers_named(entries: Entries) -> tuple[dict[str, Entry], str | None]:
    """The tensors with the layers of adapted models under their own names."""
    saved = {SAVED.sub(".", name) for name in entries if SAVED.search(name)}
    found = {}
    for name, entry in entries.items():
        plain = SAVED.sub(".", name).replace(BASE, ".")
        if ORIGINAL in name:
            plain = name.replace(ORIGINAL, ".")
            if plain in saved:
                continue
        found[name if plain != name and plain in entries else plain] = entry
    count = len(entries.keys() - found.keys())
    return found, f"{count} tensors are of layers with adapters beside them" if count else None
