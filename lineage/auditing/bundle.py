"""The evidence of an audit: JSON that can be checked again, and one page for people."""

import json
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from lineage.auditing.audit import Audit, Settings
from lineage.auditing.evidence import FORMAT, report_of
from lineage.auditing.probing import Prober
from lineage.checkpoints.files import sha256_of
from lineage.checkpoints.find import sources_of
from lineage.errors import UserError, one_line
from lineage.index.cache import DigestCache, default_cache
from lineage.progress import tracked, untracked
from lineage.storage.atomic import written_whole

TOLERANCE = 1e-4
"""Relative difference of numbers that another machine's arithmetic explains."""
TEMPLATE = "report.html.j2"


def run_audit(
    child: str,
    candidates: str,
    unrelated: str = "",
    *,
    claimed: str = "",
    alpha: float = 0.01,
    follow: bool = False,
    cache: Path | None = None,
    keep: bool = True,
    arch: str = "",
    probe: str = "noise",
    image_size: int = 224,
    channels: int = 3,
    say: Callable[[str], None] | None = None,
) -> dict:
    """Audits a child; the report says with what, so that `differences` can do it again.

    Args:
        child: FILE or FILE::ID; candidates, unrelated: as `sources_of` takes them.
        claimed: a candidate's id; alpha: the false-positive rate; follow: links out of the folders given.
        cache: the folder of digests, by default the user's; keep: whether to keep digests at all.
        arch: the architecture; if it is known, candidates are also ranked on a probe, see `probing`.
        probe, image_size, channels: what the networks are run on.
        say: takes lines of progress.

    Raises:
        UserError: for input that cannot be used.
    """
    audit = Audit(
        child,
        sources_of(candidates),
        sources_of(unrelated, role="unrelated") if unrelated else [],
        settings=Settings(alpha=alpha, follow=follow, claimed=claimed),
        cache=DigestCache((cache or default_cache()) if keep else None),
        tracked=partial(tracked, say=say) if say else untracked,
    )
    given = {"child": child, "candidates": candidates, "unrelated": unrelated}
    given |= {"arch": arch, "probe": probe, "image_size": image_size, "channels": channels}
    report = report_of(audit)
    if arch:
        report["probe"] = audit.probed(Prober(arch, probe, image_size=image_size, channels=channels))
    return report | {"config": report["config"] | given}


def write_json(report: dict, path: Path) -> None:
    """Writes a report as JSON."""
    with written_whole(path) as part:
        part.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")


def write_html(report: dict, path: Path) -> None:
    """Writes a report as one page that needs no network."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("lineage.auditing", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    with written_whole(path) as part:
        part.write_text(pages.get_template(TEMPLATE).render(report=report))


def read_json(path: Path) -> dict:
    """A report from its JSON.

    Raises:
        UserError: if it is none.
    """
    try:
        report = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: expected the JSON of an audit, found no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected the JSON of an audit: {one_line(error)}") from None
    needed = {"format", "verdict", "inputs", "config", "versions", "candidates"}
    if not isinstance(report, dict) or not needed <= report.keys():
        raise UserError(f"{path}: expected the JSON of an audit, which has {', '.join(sorted(needed))}")
    if report["format"] != FORMAT:
        raise UserError(f"{path}: expected format {FORMAT}, got {report['format']}; audit again")
    return report


def differences(path: Path) -> list[str]:
    """What a fresh audit of a bundle's inputs says otherwise, one line each; empty if nothing.

    Input files are hashed first, each by itself, then all is computed anew without any cached digest.

    Raises:
        UserError: for a bundle that cannot be read, or inputs that cannot be used.
    """
    stored = read_json(path)
    found = []
    for name, digest in stored["inputs"].items():
        if not Path(name).is_file():
            found.append(f"inputs: {name}: is missing")
        elif sha256_of(Path(name)) != digest:
            found.append(f"inputs: {name}: its content differs from what was audited")
    config = stored["config"]
    try:
        fresh = run_audit(
            config["child"],
            config["candidates"],
            config["unrelated"],
            claimed=config["claimed"],
            alpha=config["alpha"],
            follow=config["follow"],
            arch=config["arch"],
            probe=config["probe"],
            image_size=config["image_size"],
            channels=config["channels"],
            keep=False,
        )
    except KeyError as error:
        raise UserError(f"{path}: config: expected the key {error}; audit again") from None
    except UserError as error:
        return [*found, f"the audit cannot be repeated: {error}"]
    return found + [line for line in _differing(stored, fresh) if not line.startswith("inputs.")]


def _differing(stored: object, fresh: object, where: str = "") -> Iterator[str]:
    if isinstance(stored, dict) and isinstance(fresh, dict):
        for key in sorted(stored.keys() | fresh.keys()):
            place = f"{where}.{key}" if where else str(key)
            if key not in fresh or key not in stored:
                yield f"{place}: {'is new' if key in fresh else 'does not come out again'}"
            else:
                yield from _differing(stored[key], fresh[key], place)
    elif isinstance(stored, list) and isinstance(fresh, list) and len(stored) == len(fresh):
        for number, (one, other) in enumerate(zip(stored, fresh, strict=True)):
            own = one.get("id") or one.get("tensor") or number if isinstance(one, dict) else number
            yield from _differing(one, other, f"{where}[{own}]")
    elif _is_number(stored) and _is_number(fresh):
        if not math.isclose(stored, fresh, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{where}: the bundle says {stored}, it is {fresh}"
    elif stored != fresh:
        yield f"{where}: the bundle says {stored!r}, it is {fresh!r}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
