"""What a run says of a block whose children are there in part."""

from collections.abc import Collection
from pathlib import Path

from lineage.errors import UserError
from lineage.storage.parquet import read_table
from lineage.storage.schemas import MODELS


def told_of_block(models: str | Path, wanted: Collection[str]) -> str | None:
    """One line where children were appended to a block that is there: all of it is trained again.

    Args:
        models: the block's table of models.
        wanted: ids of the children that the block is to hold.
    """
    try:
        there = set(read_table(Path(models), MODELS)["model"])
    except (OSError, UserError):
        return None
    appended = [child for child in wanted if child not in there]
    if not there or not appended or not there < set(wanted):
        return None
    return (
        f"{models}: {len(appended)} appended ({appended[0]}{' ...' * (len(appended) > 1)}): the block's other "
        f"{len(there)} are trained again too, to the same bytes; append whole blocks (block_size) to spare them"
    )
