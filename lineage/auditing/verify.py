"""Checks a bundle: the same audit once more, and what differs."""

import math
from collections.abc import Iterator
from pathlib import Path

from lineage.auditing.report.bundle import read_json
from lineage.auditing.run import audit
from lineage.checkpoints.files import sha256_of
from lineage.errors import UserError

APART = ("inputs.", "passed_over")
"""What is compared by itself, and files that no audit looks into."""
TOLERANCE = 1e-4
"""Relative difference of numbers that another machine's arithmetic explains."""


def differences(path: Path) -> list[str]:
    """What differs between a bundle and a fresh audit of its inputs, one line each; empty if nothing does.

    The input files are hashed first, then everything is computed anew without any stored digest.

    Raises:
        UserError: for a bundle that cannot be read, or inputs that cannot be used.
    """
    stored = read_json(path)
    if stored["inputs"] and not any(Path(name).exists() for name in stored["inputs"]):
        raise UserError(
            f"{path}: expected the files that were audited, as {next(iter(stored['inputs']))}, but none is there; "
            "paths count from the folder where the audit ran: verify it there"
        )
    found = []
    for name, digest in stored["inputs"].items():
        if not Path(name).is_file():
            found.append(f"inputs: {name}: is missing")
        elif sha256_of(Path(name)) != digest:
            found.append(f"inputs: {name}: its content differs from what was audited")
    config = stored["config"]
    try:
        fresh = audit(
            config["child"],
            config["candidates"],
            unrelated=config["unrelated"],
            claimed=config["claimed"],
            alpha=config["alpha"],
            follow_links=config["follow"],
            arch=config["arch"],
            probe=config["probe"],
            image_size=config["image_size"],
            channels=config["channels"],
            store_digests=False,
        )
    except KeyError as error:
        raise UserError(f"{path}: config: expected the key {error}; audit again") from None
    except UserError as error:
        return [*found, f"the audit cannot be repeated: {error}"]
    differing = _differing(stored, fresh.to_dict())
    return found + [line for line in differing if not line.startswith(APART)]


def _differing(stored: object, fresh: object, where: str = "") -> Iterator[str]:
    if isinstance(stored, dict) and isinstance(fresh, dict):
        for key in sorted(stored.keys() | fresh.keys()):
            place = f"{where}.{key}" if where else str(key)
            if key not in fresh or key not in stored:
                yield f"{place}: {'is new' if key in fresh else 'does not come out again'}"
            else:
                yield from _differing(stored[key], fresh[key], place)
    elif isinstance(stored, list) and isinstance(fresh, list) and len(stored) == len(fresh):
        for number, (before, now) in enumerate(zip(stored, fresh, strict=True)):
            name = before.get("id") or before.get("tensor") if isinstance(before, dict) else None
            yield from _differing(before, now, f"{where}[{name or number}]")
    elif _is_number(stored) and _is_number(fresh):
        if not math.isclose(stored, fresh, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{where}: the bundle says {stored}, it is {fresh}"
    elif stored != fresh:
        yield f"{where}: the bundle says {stored!r}, it is {fresh!r}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
