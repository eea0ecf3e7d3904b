"""Which code a stage runs: a digest of a script and of every module of the package that it reaches by import.

Snakemake does not track imported modules. A rule passes `code=code_of(script)` in its params, so an edit of
code that it runs, and no other edit, makes it run again. Comments, docstrings, formatting and the order of
neighbouring imports do not count; the place of the checkout and the times of its files do not either. The
digest holds for one minor version of Python, whose syntax trees it hashes. Standard library only: this runs
whenever a Snakefile is parsed.
"""

import ast
import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lineage.errors import UserError

DYNAMIC = {"__import__", "import_module", "exec", "eval"}
LAZY = {
    "__getattr__",
    "__dir__",
}  # functions of a package's __init__ that offer names to users of the library only


def code_of(script: Path | str, package: str = "lineage", *, root: Path | None = None) -> str:
    """Digest of the code that a stage script runs: 16 hex digits of a sha256.

    `root` is the folder of the package, by default the one this module lies in.
    Raises UserError for an import that cannot be followed: dynamic, missing, or of a lazily offered name.
    """
    script = Path(script)
    reach = _reach(script, _Package(package, root or Path(__file__).parents[1]))
    lines = [_facts_of(script, str(script)).digest]
    lines += [f"{module} {facts.digest}" for module, facts in sorted(reach.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def reached_modules(script: Path | str, package: str = "lineage", *, root: Path | None = None) -> list[str]:
    """Sorted names of the modules of the package that a script reaches; raises as `code_of`."""
    return sorted(_reach(Path(script), _Package(package, root or Path(__file__).parents[1])))


@dataclass(frozen=True)
class _Import:
    """One import of one name: `import module`, or `from module import name` where `name` is given."""

    line: int
    module: str
    level: int = 0
    name: str | None = None
    bound_as: str | None = None


@dataclass(frozen=True)
class _Facts:
    """What one file says, before any other file is looked at."""

    where: str
    digest: str
    imports: tuple[_Import, ...]
    bound: frozenset[str]
    dotted: tuple[tuple[int, str], ...]
    exported: tuple[str, ...]


@dataclass(frozen=True)
class _Package:
    """The modules under one folder, by dotted name."""

    name: str
    root: Path

    def holds(self, module: str) -> bool:
        """Whether the dotted name begins with this package."""
        return module.split(".")[0] == self.name

    def path_of(self, module: str) -> Path | None:
        """The file of a module, the `__init__.py` of a package, or None."""
        base = self.root.joinpath(*module.split(".")[1:])
        choices = (base / "__init__.py", base.with_name(f"{base.name}.py"))
        return next((path for path in choices if path.is_file()), None)

    def facts_of(self, module: str) -> _Facts:
        """What the file of an existing module says."""
        path = self.path_of(module)
        return _facts_of(path, path.relative_to(self.root.parent).as_posix())

    def is_package(self, module: str) -> bool:
        """Whether the module is a folder with an `__init__.py`."""
        path = self.path_of(module)
        return path is not None and path.name == "__init__.py"


def _reach(script: Path, package: _Package) -> dict[str, _Facts]:
    """Facts of every module reached from the script, by module name."""
    if not script.is_file():
        raise UserError(
            f"{script}: expected a stage script, found no such file; check the rule's code=code_of(...)"
        )
    reached: dict[str, _Facts] = {}
    waiting = list(_targets(_facts_of(script, str(script)), None, package))
    while waiting:
        module = waiting.pop()
        if module in reached:
            continue
        reached[module] = package.facts_of(module)
        waiting += _targets(reached[module], module, package)
        if "." in module:
            waiting.append(module.rpartition(".")[0])
    return reached


def _targets(facts: _Facts, module: str | None, package: _Package) -> Iterator[str]:
    """Modules of the package that a file imports, or reaches as attributes of a package it imported."""
    bound_modules: dict[str, str] = {}
    for item in facts.imports:
        source = _absolute(item, facts, module, package)
        if not package.holds(source):
            continue
        if package.path_of(source) is None:
            raise UserError(
                f"{facts.where}:{item.line}: imports {source}, expected {source.replace('.', '/')}.py or a "
                "folder of that name with an __init__.py, found neither; correct the import"
            )
        yield source
        names = package.facts_of(source).exported if item.name == "*" else (item.name,)
        for name in filter(None, names):
            if package.is_package(source) and _member(name, source, facts.where, item.line, package):
                yield f"{source}.{name}"
                bound_modules[item.bound_as or name] = f"{source}.{name}"
        if item.name is None:
            bound_modules |= {item.bound_as: source} if item.bound_as else {package.name: package.name}
    for line, dotted in facts.dotted:
        head, *attributes = dotted.split(".")
        current = bound_modules.get(head)
        for name in attributes:
            if current is None or not package.is_package(current):
                break
            current = f"{current}.{name}" if _member(name, current, facts.where, line, package) else None
            if current:
                yield current


def _absolute(item: _Import, facts: _Facts, module: str | None, package: _Package) -> str:
    """Dotted name of the module an import names, its leading dots resolved."""
    if not item.level:
        return item.module
    parts = module.split(".") if module else []
    climb = item.level - 1 if module and package.is_package(module) else item.level
    if climb >= len(parts):
        raise UserError(
            f"{facts.where}:{item.line}: a relative import leaves the package; "
            f"write 'from {package.name}.<module> import ...' instead"
        )
    return ".".join([*parts[: len(parts) - climb], *filter(None, [item.module])])


def _member(name: str, source: str, where: str, line: int, package: _Package) -> bool:
    """True for a submodule of the package `source`, False for a name it binds; raises otherwise."""
    if package.path_of(f"{source}.{name}"):
        return True
    if name in _bound_names(source, package) or (name.startswith("__") and name.endswith("__")):
        return False
    raise UserError(
        f"{where}:{line}: takes {name!r} from {source}, where it is neither a submodule nor bound by a "
        f"statement of __init__.py; import it from its own module, 'from {source}.<module> import {name}'"
    )


def _bound_names(module: str, package: _Package, seen: frozenset[str] = frozenset()) -> frozenset[str]:
    """Names that a module's top level binds, those of its star imports from this package included."""
    facts = package.facts_of(module)
    names = facts.bound
    for item in facts.imports:
        if item.name == "*":
            source = _absolute(item, facts, module, package)
            if package.path_of(source) and package.holds(source) and source not in seen:
                names |= _bound_names(source, package, seen | {module})
    return names


def _facts_of(path: Path, where: str) -> _Facts:
    """Facts of one file, read again only when its time or size changes."""
    status = path.stat()
    return _read(path, where, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4096)
def _read(path: Path, where: str, mtime_ns: int, size: int) -> _Facts:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise UserError(
            f"{where}:{getattr(error, 'lineno', 1)}: expected Python, found {error}; correct it"
        ) from None
    if path.name == "__init__.py":
        tree.body = [
            node for node in tree.body if not (isinstance(node, ast.FunctionDef) and node.name in LAZY)
        ]
    imports = tuple(_imports_in(tree))
    _refuse_dynamic(tree, imports, where)
    dotted = {(node.lineno, ast.unparse(node)) for node in ast.walk(tree) if _is_dotted(node)}
    bound, exported = frozenset(_names_bound_by(tree.body)), _exported(tree, where)
    digest = hashlib.sha256(ast.dump(_Canonical().visit(tree)).encode()).hexdigest()
    return _Facts(where, digest, imports, bound, tuple(sorted(dotted)), exported)


def _imports_in(tree: ast.AST) -> Iterator[_Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield _Import(node.lineno, alias.name, bound_as=alias.asname)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield _Import(node.lineno, node.module or "", node.level, alias.name, alias.asname)


def _refuse_dynamic(tree: ast.AST, imports: tuple[_Import, ...], where: str) -> None:
    """Raises for a use of a function that imports or runs code which no reader of the file can see."""
    renamed = {item.bound_as for item in imports if item.name in DYNAMIC and item.bound_as}
    for node in ast.walk(tree):
        used = None
        if isinstance(node, ast.Name) and node.id in DYNAMIC | renamed:
            used = node.id
        elif isinstance(node, ast.Attribute) and (
            node.attr in {"import_module", "__import__"}
            or ast.unparse(node) in {"builtins.exec", "builtins.eval"}
        ):
            used = ast.unparse(node)
        if used:
            raise UserError(
                f"{where}:{node.lineno}: uses {used}, which hides code from the digest that decides what "
                "runs again; write a plain import statement"
            )


def _is_dotted(node: ast.AST) -> bool:
    """Whether the node is a chain of attributes that begins with a name: a.b.c."""
    while isinstance(node, ast.Attribute):
        node = node.value
        if isinstance(node, ast.Name):
            return True
    return False


def _names_bound_by(body: list[ast.stmt]) -> Iterator[str]:
    """Names that statements bind in their own scope: not those inside functions and classes."""
    for statement in body:
        waiting: list[ast.AST] = [statement]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield node.name
            elif isinstance(node, ast.Import | ast.ImportFrom):
                yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
            elif not isinstance(node, ast.Lambda):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    yield node.id
                waiting += ast.iter_child_nodes(node)


def _exported(tree: ast.Module, where: str) -> tuple[str, ...]:
    """The names in `__all__`, which a star import takes; empty without one."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            try:
                return tuple(ast.literal_eval(node.value))
            except ValueError:
                raise UserError(
                    f"{where}:{node.lineno}: expected __all__ to be a plain list of strings"
                ) from None
    return ()


class _Canonical(ast.NodeTransformer):
    """Drops docstrings, and puts neighbouring imports in one order with one name each."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Also treats every list of statements: bodies of functions, classes, branches, handlers."""
        super().generic_visit(node)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):
                setattr(node, field, list(_with_imports_sorted(statements)))
        return node


def _with_imports_sorted(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    run: list[ast.stmt] = []
    for statement in statements:
        if isinstance(statement, ast.Import):
            run += [ast.Import(names=[alias]) for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            run += [ast.ImportFrom(statement.module, [alias], statement.level) for alias in statement.names]
        else:
            yield from sorted(run, key=ast.dump)
            run = []
            yield statement
    yield from sorted(run, key=ast.dump)
