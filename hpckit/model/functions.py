"""Find the Python function of a task without importing its module."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from hpckit.errors import did_you_mean

_FORM = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def function_source(function: str, python_path: Sequence[str]) -> str:
    """Return the source of ``module:qualname``, which is part of the keys of its tasks.

    The module is searched in `python_path`, then on this interpreter's path. The source of a
    module without Python source (built-in, compiled) is ``""``. If the name is imported or
    assigned, its source is the whole module.

    If importing the module may define more names (``from x import *``, ``__getattr__``), every
    name is accepted, and its source is the whole module.

    Raises:
        ValueError: there is no such module, or it defines no such name.
    """
    if not _FORM.fullmatch(function):
        raise ValueError(f"{function!r} is not of the form module:name")
    module, _, qualname = function.partition(":")
    path = _module_file(module, python_path)
    if path is None:
        return ""
    text = path.read_text(encoding="utf-8")
    try:
        scope: ast.AST = ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"{path}:{error.lineno}: {error.msg}") from error
    for name in qualname.split("."):
        names = dict(_defined(scope))
        if name not in names and _makes_more(names):
            return text
        if name not in names:
            near = did_you_mean(name, names)
            raise ValueError(f"{path} defines no {qualname!r}.{near}")
        scope = names[name]
        if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return text
    return ast.get_source_segment(text, scope) or text


def _module_file(module: str, python_path: Sequence[str]) -> Path | None:
    if module in sys.builtin_module_names:
        return None
    search: Sequence[str] | None = [*python_path, *(entry for entry in sys.path if entry)]
    spec: ModuleSpec | None = None
    walked = ""
    for part in module.split("."):
        walked = f"{walked}.{part}" if walked else part
        spec = PathFinder.find_spec(walked, search) if search is not None else None
        if spec is None:
            loaded = getattr(sys.modules.get(module), "__file__", None)  # as os.path is
            if loaded:
                return Path(loaded)
            searched = ", ".join(python_path)
            raise ValueError(f"no module {walked!r} in {searched}, nor where Python looks")
        search = spec.submodule_search_locations
    origin = spec.origin if spec else None
    return Path(origin) if origin and origin.endswith(".py") else None


def _makes_more(names: Collection[str]) -> bool:
    """Return True if importing a module may define names that its text does not show."""
    return "*" in names or "__getattr__" in names


def _defined(scope: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield the names that the body of a module or class defines, each with its node."""
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name.split(".")[0], node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for name in ast.walk(node):
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                    yield name.id, node
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _defined(node)
