"""The models that a user names: a folder, a glob, a table of models, or one file."""

import csv
import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lineage.checkpoints.adapters.merging import merged
from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.files import mode_of, safe_file, why_closed
from lineage.checkpoints.folders import SUFFIXES, models_in_folder
from lineage.checkpoints.plain.form import in_plain_form
from lineage.checkpoints.read import format_of, main_of, open_models
from lineage.checkpoints.several import MEMBER, member_of, parted
from lineage.errors import UserError, printable

COLUMNS = ("id", "path", "architecture", "claimed_parent", "role")
ROLES = ("candidate", "child", "unrelated")
WILDCARDS = "*?["


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file of one or more models.

    id: the table's, or what the file's place suggests; path: may end in `::ID`; inside: the folder that links
    may not leave; base: of an adapter, the source that it is merged with.
    """

    id: str
    path: str
    inside: Path | None = None
    architecture: str = ""
    claimed_parent: str = ""
    role: str = "candidate"
    base: "Source | None" = None


@dataclass(frozen=True)
class Sources:
    """The files that were given, and those of a folder that are passed over, with the reason."""

    given: list[Source]
    passed_over: Mapping[Path, str] = field(default_factory=dict)


def sources_of(given: str, role: str = "candidate") -> list[Source]:
    """The files that `--candidates` or `--unrelated` names; of a table, the rows of that role.

    Raises:
        UserError: if there are none, or the table is wrong.
    """
    return look_for(given, role).given


def look_for(given: str, role: str = "candidate", *, follow: bool = False) -> Sources:
    """As `sources_of`, with what is passed over; follow: links to folders elsewhere."""
    path = Path(given)
    if not given:
        raise UserError("expected a folder, a glob, a table of models or a file, got an empty name")
    if path.suffix in (".tsv", ".csv") and stat.S_ISREG(mode_of(path)):
        found = [source for source in read_table_of_models(path) if source.role == role]
        if not found:
            raise UserError(f"{path}: expected rows with the role {role}, but there are none")
        return Sources(found)
    if stat.S_ISDIR(mode_of(path)):
        found = models_in_folder(path, follow=follow)
        return Sources(_named([(file, path) for file in found.models], path), found.passed_over)
    if _is_glob(given) and not mode_of(Path(parted(given)[0])):
        files = _called_like(path)
        return Sources(_named([(file, None) for file in files], _common(files)))
    return Sources(_named([(path, None)], path.parent))


def sources_in_file(path: str) -> list[Source]:
    """The models of a file that names each, by these names; raises as `open_models`."""
    ids = [member_of(model.name) for model in open_models(path)]
    if not all(ids):
        raise UserError(
            f"{path}: expected models with names, as a stage writes them, but it holds one without"
        )
    return [Source(id=id, path=f"{path}{MEMBER}{id}") for id in ids]


def is_opened_alone(source: Source, *, follow: bool) -> bool:
    """Whether a source is a model of a file that is opened without the others in it; raises as `open_models`."""
    path, wanted = parted(source.path)
    return bool(wanted) and bool(
        format_of(safe_file(Path(path), inside=source.inside, follow=follow)).read_one
    )


def open_source(source: Source, *, follow: bool) -> list[Checkpoint]:
    """The models of a source in plain form; of an adapter with a base, the base with it merged in.

    Raises as `open_models`.
    """
    models = open_models(source.path, inside=source.inside, follow=follow)
    if source.base:
        bases = open_models(source.base.path, inside=source.base.inside, follow=follow)
        models = [merged(main_of(source.path, models), main_of(source.base.path, bases))]
    return [in_plain_form(model) for model in models]


def read_table_of_models(path: Path) -> list[Source]:
    """The rows of models.tsv; paths are relative to its folder.

    Raises:
        UserError: for missing or unknown columns, an unknown role, or an id given twice.
    """
    with path.open(newline="", encoding="utf-8") as stream:
        try:
            rows = list(csv.DictReader(stream, delimiter="," if path.suffix == ".csv" else "\t"))
        except (UnicodeDecodeError, csv.Error) as error:
            raise UserError(f"{path}: expected a table of models, but it cannot be read: {error}") from None
    columns = list(rows[0]) if rows else []
    if missing := [column for column in ("id", "path", "role") if column not in columns]:
        raise UserError(f"{path}: expected the columns id, path and role; {missing[0]} is missing")
    if unknown := [column for column in columns if column not in COLUMNS]:
        raise UserError(f"{path}: expected no columns but {', '.join(COLUMNS)}, got {unknown[0]!r}")
    found = []
    for line, row in enumerate(rows, start=2):
        if None in row.values() or not row["id"] or not row["path"]:
            raise UserError(f"{path}, line {line}: expected a value for each of {', '.join(columns)}")
        if row["role"] not in ROLES:
            raise UserError(
                f"{path}, line {line}: role: expected one of {', '.join(ROLES)}, got {row['role']!r}"
            )
        row["path"] = str(path.parent / row["path"])
        found.append(Source(**row, inside=path.parent))
    if twice := [name for name, count in Counter(source.id for source in found).items() if count > 1]:
        raise UserError(f"{path}: expected each id once, but {twice[0]!r} stands there more often")
    return found


def _is_glob(pattern: str) -> bool:
    """Whether any letter stands for others."""
    return any(letter in pattern for letter in WILDCARDS)


def _called_like(pattern: Path) -> list[Path]:
    """The files of a glob, sorted, with the folders on its way that cannot be looked into.

    Raises:
        UserError: if there are no files.
    """
    anchor = Path(pattern.anchor)
    parts = pattern.relative_to(anchor).parts
    found = [file for file in anchor.glob(str(Path(*parts))) if not stat.S_ISDIR(mode_of(file))]
    files = {file for file in found if not _why_unseen(file)}
    closed = dict(_closed(anchor, parts))
    if not files:
        also = next((f"; {folder} cannot be looked into: {why}" for folder, why in closed.items()), "")
        raise UserError(f"{pattern}: no file is called like that{also}")
    return sorted(files | closed.keys())


def _closed(anchor: Path, parts: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    """The folders on the way that cannot be looked into, each with the reason."""
    for count, part in enumerate(parts):
        is_listed = _is_glob(part) or parts[max(count - 1, 0)] == "**"
        for folder in anchor.glob(str(Path(*parts[:count]))) if count else [anchor]:
            if stat.S_ISDIR(mode_of(folder)):
                why = why_closed(folder) if is_listed else _why_unseen(folder / part)
                if why:
                    yield folder, why


def _why_unseen(path: Path) -> str:
    """Why it cannot be said whether something is there; empty if it can."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        return os.strerror(error.errno).lower()
    return ""


def _named(files: list[tuple[Path, Path | None]], base: Path) -> list[Source]:
    """Sources with ids: the path below `base`, without the suffix where that stays unique."""
    whole = [str(file.relative_to(base) if file.is_relative_to(base) else file) for file, _ in files]
    short = [_without_suffix(name) for name in whole]
    counts = Counter(short)
    return [
        Source(id=printable(stem if counts[stem] == 1 else name), path=str(file), inside=inside)
        for (file, inside), name, stem in zip(files, whole, short, strict=True)
    ]


def _without_suffix(name: str) -> str:
    while Path(name).suffix.lower() in ENDINGS and Path(name).stem:
        name = str(Path(name).with_suffix(""))
    return name


def _common(files: list[Path]) -> Path:
    """The deepest folder above all files."""
    folder = files[0].parent
    while not all(file.is_relative_to(folder) for file in files):
        folder = folder.parent
    return folder


def id_of(source: Source, name: str, *, is_alone: bool) -> str:
    """A model's id: its source's, with the model's own where the file holds several."""
    own = member_of(name)
    return f"{source.id}{MEMBER}{own}" if own and not is_alone else source.id


ENDINGS = SUFFIXES | {".tar", ".index", ".json", ".weights"}
"""What an id does not need of a file's name."""
