"""The package's source as data: modules, what they import, which names they use."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "blobtorrent"


@functools.cache
def modules() -> dict[str, Path]:
    """Dotted name -> file of every module of the package; a package goes by its own name."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def imports_of(module: str) -> Iterator[tuple[str, int]]:
    """(dotted name, line) of everything a module imports, anywhere in it, also for type checkers only.

    `from a.b import c` counts as `a.b.c` when that is a module of the package, else as `a.b`. A relative import keeps
    its leading dots.
    """
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                yield (inner if inner in modules() else origin), node.lineno
