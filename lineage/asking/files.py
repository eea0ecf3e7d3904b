"""A query set as a folder: a manifest, NPZ, and a PNG a query. Read as a stranger's: no pickles, bounded sizes."""

import json
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from lineage.asking.queryset import VIEWS, Plan, QuerySet, Seen, check_taken
from lineage.checkpoints.archives import checked_members
from lineage.checkpoints.files import LIMITS, safe_file
from lineage.checkpoints.sniffing import Content
from lineage.errors import UserError, one_line
from lineage.storage.atomic import written_whole

FORMAT = 4
MANIFEST, QUERIES, CANDIDATES, POOL, PICTURES = (
    "manifest.json", "queries.npz", "candidates.npz", "pool.npz", "images",
)  # fmt: skip

WRITE = "write it by `lineage ask`"
KINDS = {"u": "bytes", "iu": "whole numbers", "f": "numbers of floating point"}


def check_free(folder: Path) -> None:
    """Raises UserError if a folder holds a query set, which another one would mix with."""
    if (folder / MANIFEST).exists():
        raise UserError(f"{folder}: holds a query set already; give another folder")


def write_query_set(queries: QuerySet, folder: Path) -> None:
    """Writes the manifest, the queries as NPZ and PNG, and what the candidates answer, into a folder of its own.

    Raises:
        UserError: if a query set is there already, or the folder cannot be written.
    """
    from PIL import Image

    check_free(folder)
    _save(folder / QUERIES, {"images": queries.images, "chosen": queries.chosen})
    features = {f"features/{id}": values for id, values in queries.features.items()}
    views = {f"views/{name}": values for name, values in queries.views.items()}
    _save(folder / CANDIDATES, {"outputs": queries.outputs, **features, **views})
    seen = queries.seen
    _save(folder / POOL, {"labels": seen.labels, "margins": seen.margins, "truth": seen.truth})
    for number, image in enumerate(queries.images):
        with written_whole(folder / PICTURES / picture(number)) as part:
            Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(part, format="PNG")
    said = {"format": FORMAT, "commitment": queries.commitment, "seed": queries.plan.seed}
    said |= {"source": queries.source, "natural": seen.natural, "left_out": queries.left_out}
    said |= {"plan": asdict(queries.plan)}
    with written_whole(folder / MANIFEST) as part:
        part.write_text(json.dumps(said, indent=1))


def picture(number: int) -> str:
    """The name of a query's file."""
    return f"{number:04d}.png"


def read_query_set(folder: Path) -> tuple[QuerySet, str]:
    """A query set, and the commitment that its manifest states; whether they agree is not looked at here.

    Raises:
        UserError: for a file that is missing, damaged, or of other shapes than the others.
    """
    path = folder / MANIFEST
    try:
        said = json.loads(path.read_text()) if path.stat().st_size <= LIMITS.header_bytes else None
        if not isinstance(said, dict) or said.get("format") != FORMAT:
            raise UserError(
                f"{path}: expected the manifest of a query set, format {FORMAT}; write it by `lineage ask`"
            )
        plan = Plan(**{field.name: said["plan"][field.name] for field in fields(Plan)})
        stated, source, natural = said["commitment"], said["source"], said["natural"]
        left_out = said["left_out"]
    except FileNotFoundError:
        raise UserError(
            f"{path}: expected the manifest of a query set, found none; run `lineage ask`"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: expected the manifest of a query set: {one_line(error)}") from None
    _check_plan(plan, path)
    if not (isinstance(stated, str) and isinstance(source, str) and type(natural) is int):
        raise UserError(f"{path}: expected commitment and source as text, and natural as a number; {WRITE}")
    if not isinstance(left_out, dict) or not all(isinstance(reason, str) for reason in left_out.values()):
        raise UserError(f"{path}: left_out: expected a reason by id; {WRITE}")
    queries = load_arrays(folder / QUERIES, ["images", "chosen"])
    answered = load_arrays(folder / CANDIDATES, ["outputs"])
    pool = load_arrays(folder / POOL, ["labels", "margins", "truth"])
    features = {id: answered[f"features/{id}"] for id in plan.ids if f"features/{id}" in answered}
    views = {name: answered[f"views/{name}"] for name in VIEWS if f"views/{name}" in answered}
    n, count, inputs, size = plan.budget, len(plan.ids), pool["truth"].size, plan.image_size
    for where, values, kinds, shape in (
        (f"{QUERIES}: images", queries["images"], "u", (n, size, size, plan.channels)),
        (f"{QUERIES}: chosen", queries["chosen"], "iu", (n,)),
        (f"{CANDIDATES}: outputs", answered["outputs"], "f", (count, n, plan.classes)),
        (f"{POOL}: labels", pool["labels"], "iu", (count, inputs)),
        (f"{POOL}: margins", pool["margins"], "f", (count, inputs)),
        (f"{POOL}: truth", pool["truth"], "iu", (inputs,)),
        *((f"{CANDIDATES}: features/{id}", values, "f", (n, values.shape[-1] if values.ndim else 0))
          for id, values in features.items()),
        *((f"{CANDIDATES}: views/{name}", values, "f", (count, n, plan.classes)) for name, values in views.items()),
    ):  # fmt: skip
        _check_array(f"{folder}/{where}", values, kinds, shape)
    for where, values, most in (
        (f"{QUERIES}: chosen", queries["chosen"], inputs),
        (f"{POOL}: labels", pool["labels"], plan.classes),
    ):
        if (values < 0).any() or (values >= most).any():
            raise UserError(f"{folder}/{where}: expected numbers from 0 and below {most}; {WRITE}")
    if not 0 <= natural <= inputs:
        raise UserError(f"{path}: natural: expected at most the pool's {inputs} inputs; {WRITE}")
    seen = Seen(
        labels=pool["labels"],
        margins=pool["margins"],
        classes=plan.classes,
        truth=pool["truth"],
        natural=natural,
    )
    return QuerySet(
        plan=plan, source=source, images=queries["images"], chosen=queries["chosen"], outputs=answered["outputs"],
        seen=seen, features=features, views=views, left_out=left_out,
    ), stated  # fmt: skip


def _check_plan(plan: Plan, path: Path) -> None:
    """Refuses a stranger's plan whose values are of other types than those of `Plan`, or contradict each other."""
    try:
        check_taken(plan.image_size, plan.channels, plan.mean, plan.std)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    for name in ("candidates", "unrelated"):
        held = getattr(plan, name)
        if not isinstance(held, dict) or not all(isinstance(digest, str) for digest in held.values()):
            raise UserError(f"{path}: {name}: expected a SHA-256 by id; {WRITE}")
        if strange := [id for id in held if not id.isprintable()]:
            raise UserError(f"{path}: {name}: expected ids that can be printed, got {ascii(strange[0])[:50]}")
    if not plan.candidates or plan.candidates.keys() & plan.unrelated.keys():
        raise UserError(f"{path}: candidates: expected one at least, and none that is unrelated too; {WRITE}")
    for name in ("budget", "classes"):
        if type(value := getattr(plan, name)) is not int or value < 1:
            raise UserError(
                f"{path}: {name}: expected a whole number above 0, got {str(value)[:50]}; {WRITE}"
            )
    if not isinstance(plan.rule, str) or not isinstance(plan.data, str):
        raise UserError(f"{path}: expected rule and data as text; {WRITE}")
    names = plan.class_names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path}: class_names: expected a list of names; {WRITE}")
    if len(names) != plan.classes:
        raise UserError(
            f"{path}: class_names: expected {plan.classes}, one a class, got {len(names)}; {WRITE}"
        )


def _check_array(where: str, values: np.ndarray, kinds: str, shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise UserError(f"{where}: expected the shape {shape}, got {values.shape}; {WRITE}")
    if values.dtype.kind not in kinds or (kinds == "u" and values.dtype != np.uint8):
        raise UserError(f"{where}: expected {KINDS[kinds]}, got {values.dtype}; {WRITE}")
    if kinds == "f" and not np.isfinite(values).all():
        raise UserError(f"{where}: expected finite numbers; {WRITE}")


def load_arrays(path: Path, needed: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` archive; nothing in it is executed.

    Raises:
        UserError: for a file that is none, is over the limits, or lacks an array that is needed.
    """
    file = safe_file(path)
    if not Content(file).is_zip:
        raise UserError(f"{path}: expected an .npz, which is a zip archive of arrays; it is none")
    checked_members(file)
    try:
        with np.load(file.real, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zipfile.zlib.error) as error:
        raise UserError(f"{path}: expected arrays in an .npz archive: {one_line(error)}") from None
    if missing := [name for name in needed if name not in found]:
        raise UserError(f"{path}: expected the array {missing[0]!r}, found {', '.join(found) or 'none'}")
    return found


def _save(path: Path, arrays: dict[str, Any]) -> None:
    """Writes an archive without compression: readers refuse members that unpack to very much more than their size."""
    with written_whole(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)
