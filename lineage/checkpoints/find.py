"""The models that a user names: a folder, a glob, a table of models, or one file."""

import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lineage.checkpoints.adapters import merged
from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.files import safe_file
from lineage.checkpoints.formats.index import weight_map
from lineage.checkpoints.plain.form import in_plain_form
from lineage.checkpoints.read import FORMATS, MEMBER, is_model, main_of, open_models
from lineage.errors import UserError

COLUMNS = ("id", "path", "architecture", "claimed_parent", "role")
ROLES = ("candidate", "child", "unrelated")


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


def sources_of(given: str, role: str = "candidate") -> list[Source]:
    """The files that `--candidates` or `--unrelated` names; of a table, the rows of that role.

    Raises:
        UserError: if there are none, or the table is wrong.
    """
    path = Path(given)
    if path.suffix in (".tsv", ".csv") and path.is_file():
        found = [source for source in read_table_of_models(path) if source.role == role]
        if not found:
            raise UserError(f"{path}: expected rows with the role {role}, but there are none")
        return found
    if path.is_dir():
        return _named([(file, path) for file in find_models(path)], path)
    if any(letter in given for letter in "*?["):
        anchor = Path(path.anchor) if path.anchor else Path()
        files = sorted(file for file in anchor.glob(str(path.relative_to(path.anchor))) if not file.is_dir())
        if not files:
            raise UserError(f"{given}: no file is called like that")
        return _named([(file, None) for file in files], _common(files))
    return _named([(path, None)], path.parent)


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
        raise UserError(f"{path}: expected the columns {', '.join(COLUMNS)}; {missing[0]} is missing")
    if unknown := [column for column in columns if column not in COLUMNS]:
        raise UserError(f"{path}: expected the columns {', '.join(COLUMNS)}, but got {unknown[0]!r}")
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


def _named(files: list[tuple[Path, Path | None]], base: Path) -> list[Source]:
    """Sources with ids: the path below `base`, without the suffix where that stays unique."""
    whole = [str(file.relative_to(base) if file.is_relative_to(base) else file) for file, _ in files]
    short = [_without_suffix(name) for name in whole]
    counts = Counter(short)
    return [
        Source(id=stem if counts[stem] == 1 else name, path=str(file), inside=inside)
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
    own = name.partition(MEMBER)[2]
    return f"{source.id}{MEMBER}{own}" if own and not is_alone else source.id


SUFFIXES = {
    ".safetensors",
    ".pt",
    ".pth",
    ".bin",
    ".ckpt",
    ".onnx",
    ".h5",
    ".hdf5",
    ".npz",
    ".gguf",
    ".tflite",
}
SUFFIXES |= {".keras", ".msgpack", ".pb"}
"""A file that is called so is named in the report even if nothing in it is a model; inside, only content counts."""
OF_INDEX = re.compile(r"(.+)\.data-\d{5}-of-\d{5}")
"""Numbers of TensorFlow's variables, which lie beside their index."""
ENDINGS = SUFFIXES | {".tar", ".index", ".json", ".weights"}
"""What an id does not need of a file's name."""
INDEX = ".index.json"
COMPANIONS = {".bin": (".xml", ".param", ".onnx")}
"""Files that belong to another one of the same name."""


def find_models(folder: Path) -> list[Path]:
    """The files of a folder and of those below it that are models by content, sorted; of shards, their index.

    Hidden files and folders are passed over, and of links to one file, and the file itself, one is taken.

    Raises:
        UserError: if there are none.
    """
    everything = [path for path in sorted(folder.rglob("*")) if not path.is_dir()]
    visible = [path for path in everything if not _is_hidden(path.relative_to(folder))]
    shards = {shard for path in visible if path.name.endswith(INDEX) for shard in _shards_of(path)}
    found: dict[Path, Path] = {}
    for path in visible:
        if path in shards or _is_companion(path):
            continue
        if path.suffix in SUFFIXES or is_model(path, inside=folder):
            real = path.resolve() if path.exists() else path
            if real not in found or (path.suffix in SUFFIXES) > (found[real].suffix in SUFFIXES):
                found[real] = path
    if not found:
        formats = ", ".join(form.name for form in FORMATS)
        raise UserError(f"{folder}: expected checkpoints ({formats}), but there are none")
    return sorted(found.values())


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _is_companion(path: Path) -> bool:
    if (data := OF_INDEX.fullmatch(path.name)) and path.with_name(f"{data[1]}.index").is_file():
        return True
    if path.suffix == ".pb" and (path.parent / "variables" / "variables.index").is_file():
        return True
    return any(path.with_suffix(suffix).is_file() for suffix in COMPANIONS.get(path.suffix, ()))


def _shards_of(index: Path) -> set[Path]:
    """The files that an index names; an index that is none is read, and refused, as a candidate."""
    try:
        return {index.parent / shard for shard in weight_map(safe_file(index, follow=True)).values()}
    except UserError:
        return set()
