"""Shards with an index, of safetensors or of PyTorch: one model in several files of a folder."""

from pathlib import Path

from lineage.checkpoints.checkpoint import Checkpoint, Entry, LeftOut
from lineage.checkpoints.files import SafeFile, Unsupported, head_of_file, read_json, safe_file
from lineage.checkpoints.formats.pytorch.read import read_torch
from lineage.checkpoints.formats.safetensors import of_raw, raw_tensors
from lineage.errors import UserError


def read_index(file: SafeFile) -> list[Checkpoint]:
    """The tensors of all shards that an index names, which lie in its folder.

    Raises:
        UserError: if the index is no index, or a shard is missing, broken or elsewhere.
    """
    shard_of = weight_map(file)
    files, raw, left_out, formats = [file], {}, {}, set()
    for shard in dict.fromkeys(shard_of.values()):
        if Path(shard).name != shard:
            raise UserError(
                f"{file.path}: shard {shard!r} lies outside of the index's folder; expected a bare name"
            )
        part = safe_file(file.path.parent / shard)
        files.append(part)
        found, omitted, name = _of_shard(part)
        raw |= found
        left_out |= omitted
        formats.add(name)
    if missing := [name for name in shard_of if name not in raw and name not in left_out]:
        raise UserError(f"{file.path}: tensor {missing[0]!r} is in no shard; fetch the shards again")
    entries, more = of_raw(file, {name: raw[name] for name in shard_of if name in raw})
    return [Checkpoint(file.path.name, " and ".join(sorted(formats)), files, entries, left_out | more)]


def _of_shard(part: SafeFile) -> tuple[dict[str, Entry], dict[str, LeftOut], str]:
    head = head_of_file(part, 4)
    if head.startswith((b"PK\x03\x04", b"\x80")):
        models = read_torch(part)
        main = next(model for model in models if model.is_main)
        return main.entries, main.left_out, "pytorch"
    return raw_tensors(part), {}, "safetensors"


def weight_map(file: SafeFile) -> dict[str, str]:
    """The shard of each tensor; raises as `read_index`."""
    index = read_json(file, "an index")
    shard_of = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(shard_of, dict) or not all(isinstance(name, str) for name in shard_of.values()):
        raise Unsupported(f"{file.path}: JSON without the weight_map of an index of shards")
    return shard_of
