"""Functions that stand alone: found in documents of code, to be seeds, and in completions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from stages.synthesize.source_code import (
    UnreadableCodeError,
    global_names,
    parsed,
    statements_of,
    unknown_names,
)

PURE_MODULES = frozenset(
    {"base64", "bisect", "calendar", "cmath", "collections", "copy", "datetime", "decimal"}
    | {"difflib", "fractions", "functools", "heapq", "html", "itertools", "json", "keyword"}
    | {"math", "numbers", "operator", "re", "statistics", "string", "struct", "textwrap"}
    | {"typing", "unicodedata", "zlib"}
)
"""Of the standard library, what computes and touches nothing else."""

_IMPURE = frozenset(
    {"open", "input", "print", "exec", "eval", "compile", "__import__", "globals", "locals", "vars"}
    | {
        "setattr",
        "delattr",
        "id",
        "hash",
        "breakpoint",
        "exit",
        "quit",
        "help",
        "super",
        "__file__",
    }
)
_PARAMETERS = 4
_DOCSTRING = 600
_NOT_PURE = (ast.Yield, ast.YieldFrom, ast.Await, ast.Global, ast.Nonlocal, ast.Import)


@dataclass(frozen=True)
class Function:
    """A pure function as a program: its imports, then the function as its author wrote it.

    ``head`` is what says what to do: ``def`` line and docstring. ``annotations`` are the
    parameters', as written.
    """

    name: str
    source: str
    head: str
    docstring: str
    annotations: tuple[str | None, ...]


def pure_functions(
    source: str, most_lines: int = 40, needs_docstring: bool = True
) -> Iterator[Function]:
    """The top-level functions of a document that compute and do nothing else.

    They have a docstring, one to four plain parameters, return something, and use nothing but
    their own names, built-in ones and imports from PURE_MODULES. Nothing for what is no Python.
    """
    if "def " not in source:
        return
    try:
        tree = parsed(source)
    except UnreadableCodeError:
        return
    imports = _pure_imports(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and _is_plain(node, most_lines):
            docstring = ast.get_docstring(node) or ""
            if (needs_docstring and not docstring) or len(docstring) > _DOCSTRING:
                continue
            found = _standing_alone(node, source, imports, docstring)
            if found is not None:
                yield found


def pure_function(source: str, name: str | None) -> Function | None:
    """The function of that name in a program (the last one of all for None); None where it is
    missing or not pure."""
    found = list(pure_functions(source, most_lines=200, needs_docstring=False))
    named = [function for function in found if name in (None, function.name)]
    return named[-1] if named else None


def normalized(source: str) -> str:
    """What a program does, without docstrings, annotations, comments, layout, and what variables
    are called: the same for copies that were rewritten on the surface."""
    tree = parsed(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.body = statements_of(node) or [ast.Pass()]
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
            node.arg = names.setdefault(node.arg, f"name{len(names)}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and (node.id in names or isinstance(node.ctx, ast.Store)):
            node.id = names.setdefault(node.id, f"name{len(names)}")
    return ast.dump(tree)


def body_of(function: Function) -> str:
    """What a function does, as text: its statements without docstring, comments and layout."""
    (node,) = [node for node in parsed(function.source).body if isinstance(node, ast.FunctionDef)]
    return "\n".join(map(ast.unparse, statements_of(node)))


def with_docstring(function: Function, docstring: str) -> str:
    """The program with another docstring in its function."""
    tree = parsed(function.source)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == function.name:
            text = ast.Constant(docstring.replace("\n", "\n    "))
            node.body = [ast.Expr(text), *statements_of(node)]
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _pure_imports(tree: ast.Module) -> dict[str, str]:
    """What top-level imports bind, to the line that binds it; pure modules only."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            lines = [(alias, f"import {_as(alias)}", alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            module = node.module
            lines = [(alias, f"from {module} import {_as(alias)}", module) for alias in node.names]
        else:
            continue
        for alias, line, module in lines:
            if module.split(".")[0] in PURE_MODULES and alias.name != "*":
                found[alias.asname or alias.name.split(".")[0]] = line
    return found


def _as(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name


def _is_plain(node: ast.FunctionDef, most_lines: int) -> bool:
    arguments = node.args
    if node.decorator_list or arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
        return False
    if not 1 <= len(arguments.posonlyargs) + len(arguments.args) <= _PARAMETERS:
        return False
    if (node.end_lineno or node.lineno) - node.lineno >= most_lines or node.name.startswith("test"):
        return False
    inside = list(ast.walk(node))
    returns = any(isinstance(part, ast.Return) and part.value is not None for part in inside)
    return returns and not any(isinstance(part, _NOT_PURE) for part in inside)


def _standing_alone(
    node: ast.FunctionDef, source: str, imports: dict[str, str], docstring: str
) -> Function | None:
    text = ast.get_source_segment(source, node)
    if text is None or not text.startswith("def "):
        return None
    needed = unknown_names(text)
    if needed - set(imports) or global_names(text)[0] & _IMPURE:
        return None
    lines = sorted({imports[name] for name in needed})
    program = "\n".join(lines) + "\n\n\n" + text if lines else text
    arguments = [*node.args.posonlyargs, *node.args.args]
    notes = tuple(ast.unparse(a.annotation) if a.annotation else None for a in arguments)
    stripped = ast.FunctionDef(
        name=node.name,
        args=node.args,
        body=[ast.Expr(ast.Constant(docstring.replace("\n", "\n    ")))]
        if docstring
        else [ast.Pass()],
        decorator_list=[],
        returns=node.returns,
    )
    head = ast.unparse(ast.fix_missing_locations(stripped))
    return Function(node.name, program + "\n", head, docstring, notes)
