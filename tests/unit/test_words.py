"""Words that meant something private here stay out: in names, comments, docstrings, messages, templates and pages.

Names are held to more than prose: `kept`, `made`, `origins` and the like are innocent verbs and nouns in a sentence,
but as a name of a value they say nothing.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("lineage", "workflow", "config", "docs", "profiles")
ENDS = {".py", ".pyi", ".smk", ".md", ".yaml", ".j2", ".js", ".css", ".rst"}
FILES = sorted(
    path
    for path in [
        *(
            ROOT / name
            for name in ("README.md", "Snakefile", "audit.smk", "families.smk", "tree.smk", "Makefile")
        ),
        *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in ENDS),
    ]
)
IN_PROSE = re.compile(
    r"\b(news|came +first|middling|telling|lest|likeness(?:es)?|kinship|distil\w*|mend(?:s|ed|ing)?|"
    r"ask(?:s|ed|ing)? +about|made +images|origins of (?:the )?blocks|`kept`)(?!\w)",
    re.IGNORECASE,
)
IN_NAMES = {
    "news",
    "middling",
    "telling",
    "lest",
    "likeness",
    "likenesses",
    "kinship",
    "distil",
    "distilled",
    "mend",
}
IN_NAMES |= {"kept", "made"}
WHOLE_NAMES = {"one", "other", "its", "came_first", "origins", "block_origins"}
ALLOWED = {
    ("docs/audit.md", "Distilled"): "knowledge distillation, of networks: the field's own word",
}


def names_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Names that a file gives: to variables, arguments, functions, classes, attributes, keywords and imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.arg | ast.keyword) and node.arg:
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.alias) and node.asname:
            yield node.lineno, node.asname


def is_banned(name: str) -> bool:
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    return name.lower() in WHOLE_NAMES or bool(words & IN_NAMES)


def found_in(path: Path) -> Iterator[str]:
    """Each banned word of a file, as path:line: word."""
    text, name = path.read_text(), str(path.relative_to(ROOT))
    if is_banned(path.stem):
        yield f"{name}: the file's name"
    for match in IN_PROSE.finditer(re.sub(r"(?<=\w)\n\s*(?:# )?(?=\w)", lambda gap: " " * len(gap[0]), text)):
        if (name, match[0]) not in ALLOWED:
            yield f"{name}:{text[: match.start()].count(chr(10)) + 1}: {' '.join(match[0].split())}"
    if path.suffix in {".py", ".pyi"}:
        for line, word in names_in(ast.parse(text)):
            if is_banned(word):
                yield f"{name}:{line}: the name {word}"


def test_private_words_stay_out():
    found = [hit for path in FILES for hit in found_in(path)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "hits"),
    [
        ('"""Kept apart lest they mix."""\n', ["a.py:1: lest"]),
        ("x = 1  # was asked\n# about twice\n", ["a.py:1: asked about"]),
        ("kept_rows = [one for one in rows]\n", ["a.py:1: the name kept_rows", "a.py:1: the name one"]),
        ("lone, remade = f(amend=2)\n", []),
    ],
)
def test_a_private_word_is_found_where_it_stands(source, hits, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / "a.py"
    path.write_text(source)
    assert list(found_in(path)) == hits
