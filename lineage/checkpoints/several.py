"""The checkpoints of one file that holds a tree of tensors: a model each, with an id where there are several."""

from collections.abc import Callable, Sequence

from lineage.checkpoints.checkpoint import Checkpoint, Entry, counters_in
from lineage.checkpoints.files import SafeFile, Unsupported
from lineage.checkpoints.quantised.weights import weights_of
from lineage.checkpoints.trees import Leaf, models_in

MEMBER = "::"


def checkpoints_of(
    file: SafeFile,
    format_name: str,
    tree: object,
    entry_of: Callable[[str, Leaf], Entry],
    remarks: Sequence[str] = (),
) -> list[Checkpoint]:
    """The models of a tree. The largest, the first of equals, is the main one: it is read unless another is named.

    Args:
        file: that they lie in; format_name: as reports call it.
        tree: of dictionaries, lists and stand-ins, with leaves.
        entry_of: how a leaf of that name is read; may raise a UserError.
        remarks: what a reader of the audit should know.

    Raises:
        Unsupported: if there is no tensor of real numbers.
    """
    found, beside = models_in(file, tree)
    models = []
    for group in found:
        raw = {name or "tensor": entry_of(name, leaf) for name, leaf in group.leaves.items()}
        entries, left_out = weights_of(raw)
        if entries:
            models.append((".".join(group.path), group.size, entries, left_out, counters_in(raw)))
    if not models:
        raise Unsupported(f"{file.path}: holds no dictionary of float tensors; save a state_dict()")
    extra = {".".join((*group.path, name)): "beside the model" for group in beside for name in group.leaves}
    largest = max(size for _, size, *_ in models)
    main = next(place for place, (_, size, *_) in enumerate(models) if size == largest)
    return [
        Checkpoint(
            f"{file.path.name}{MEMBER}{key or 'top'}" if len(models) > 1 else file.path.name,
            format_name,
            [file],
            entries,
            left_out | (extra if place == main else {}),
            list(remarks),
            is_main=place == main,
            counters=counters,
        )
        for place, (key, _, entries, left_out, counters) in enumerate(models)
    ]
