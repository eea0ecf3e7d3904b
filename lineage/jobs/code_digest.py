"""Which code a stage runs: a digest of a script and of every module of the package that it reaches by import.

Snakemake does not track imported modules. A rule passes `code=code_of(script)` in its params, so an edit of code
that it runs, and no other edit, makes it run again. Comments, docstrings, formatting, the order of neighbouring
imports and the place of the checkout do not count. A package's `__init__` counts for every module in it, but for
what it offers lazily to users of the library; a module without a statement holds no code and is left out.
grimp says what modules import. The digest holds for one minor version of Python, whose syntax trees it hashes.
"""

import ast
import hashlib
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

import grimp

from lineage.errors import UserError

DYNAMIC = {"__import__", "import_module", "exec", "eval"}
IMPORTS = ast.Import | ast.ImportFrom
LAZY = ("def __getattr__(", "def __dir__(", "__all__ =")
ADVICE = "write 'from <package>.<module> import <name>', so that the digest of the code knows what is used"


def code_of(script: Path | str, package: str = "lineage") -> str:
    """Digest of the code that a stage script runs: 16 hex digits of a sha256; raises as `reached_modules`."""
    files = {"": Path(script)} | {module: _path_of(module) for module in reached_modules(script, package)}
    text = "\n".join(f"{module} {_code_in(path, package)[1]}" for module, path in files.items())
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def reached_modules(script: Path | str, package: str = "lineage") -> list[str]:
    """Sorted names of the modules of the package that hold code and that a script reaches.

    Raises UserError for what is missing or not Python, and for an import that hides code: dynamic, or of a package.
    """
    waiting, reached = _named_in(Path(script), package), {}
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached[module] = path = _path_of(module)
            waiting.append(module.rpartition(".")[0] or package)
            if path.name == "__init__.py":
                waiting += _named_in(path, package)
            else:
                names = _graph_of(package).find_modules_directly_imported_by(module)
                waiting += [_single(name, package, str(path)) for name in names]
    return sorted(module for module, path in reached.items() if _code_in(path, package)[0].body)


@cache
def _graph_of(package: str) -> grimp.ImportGraph:
    try:
        return grimp.build_graph(package, exclude_type_checking_imports=True, cache_dir=None)
    except grimp.exceptions.SourceSyntaxError as error:
        raise UserError(f"{error.filename}:{error.lineno}: expected Python; correct it") from None


@cache
def _path_of(module: str) -> Path:
    package, *names = module.split(".")
    base = Path(find_spec(package).submodule_search_locations[0], *names)
    return base / "__init__.py" if base.is_dir() else base.with_name(f"{base.name}.py")


def _named_in(path: Path, package: str) -> list[str]:
    """The modules that a file names: a script, which grimp does not see, or an `__init__` without its lazy names."""
    found, modules = [], _graph_of(package).modules
    for node in ast.walk(_code_in(path, package)[0]):
        names = [alias.name for alias in node.names] if isinstance(node, IMPORTS) else []
        if isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            names = [name if (name := f"{source}.{part}") in modules else source for part in names]
        found += [(name, node.lineno) for name in names if name.split(".")[0] in ("", package)]
    return [_single(name, package, f"{path}:{line}") for name, line in found]


def _single(name: str, package: str, where: str) -> str:
    if name not in _graph_of(package).modules or _graph_of(package).find_children(name):
        raise UserError(f"{where}: imports {name}, which is no single module; {ADVICE}")
    return name


@cache
def _code_in(path: Path, package: str) -> tuple[ast.Module, str]:
    """A file's syntax tree without what no job depends on, and its digest; raises where it hides code."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path}:{getattr(error, 'lineno', 1)}: expected Python, but {error}") from None
    if path.name == "__init__.py":
        tree.body = [node for node in tree.body if not ast.unparse(node).startswith(LAZY)]
    for node in ast.walk(tree):
        if _hides_code(node, package):
            raise UserError(f"{path}:{node.lineno}: {ast.unparse(node)} hides code; {ADVICE}")
        for field in ("body", "orelse", "finalbody"):
            if isinstance(statements := getattr(node, field, None), list):
                setattr(node, field, _canonical(statements))
    return tree, hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _hides_code(node: ast.AST, package: str) -> bool:
    """Whether a node imports or runs code that no reader can see, or binds the whole package."""
    match node:
        case ast.Name(id=name) | ast.alias(name=name, asname=str()):
            return name in DYNAMIC
        case ast.Attribute(ast.Name("builtins")) | ast.Attribute(_, "import_module" | "__import__"):
            return True
        case ast.alias(name=name):
            return name.startswith(f"{package}.")
    return False


def _canonical(statements: list[ast.stmt]) -> list[ast.stmt]:
    """Statements without docstrings; neighbouring imports sorted."""
    code = (node for node in statements if not (type(node) is ast.Expr and type(node.value) is ast.Constant))
    runs = groupby(code, lambda node: isinstance(node, IMPORTS))
    return [node for are, run in runs for node in (sorted(run, key=ast.dump) if are else list(run))]
