"""What a module imports when it is loaded, and what that loads in turn: found in the source, without running it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.functions import ROOT

LAYER = ROOT / "layers" / "shared"


def source_of(module: str) -> Path | None:
    """Return the file of one of our own modules; None for anybody else's."""
    path = LAYER / module.replace(".", "/")
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def imported(file: Path, *, on_load_only: bool = False) -> frozenset[str]:
    """Return the modules that a file imports: all of them, or those alone that loading it loads."""
    tree = ast.parse(file.read_text(), str(file))
    return frozenset(name for node in _nodes(tree, inside_functions=not on_load_only) for name in _named(node))


@cache
def loaded_by(file: Path) -> frozenset[str]:
    """Return every module that loading a file loads, through our own modules, down to the libraries."""
    found, waiting = set[str](), [file]
    while waiting:
        for module in imported(waiting.pop(), on_load_only=True) - found:
            found.add(module)
            waiting.extend(filter(None, [source_of(module)]))
    return frozenset(found)


def _nodes(tree: ast.AST, *, inside_functions: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif inside_functions or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _nodes(node, inside_functions=inside_functions)


def _named(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    names = [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        if node.level:
            raise ValueError("imports are absolute here")
        module = node.module or ""
        # `from package import module` loads both; `from module import name` the one.
        names = [module, *(f"{module}.{name}" for name in names if source_of(f"{module}.{name}"))]
    for name in names:
        parts = name.split(".")
        yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))
