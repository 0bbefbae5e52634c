"""Reading Python source that anybody may have written, in this process."""

from __future__ import annotations

import ast
import builtins
import symtable
import warnings

MAX_CHARACTERS = 200_000
_MAX_NESTING = 150
"""Levels of brackets: far above what people write, far below what exhausts a parser's stack."""


class UnreadableCodeError(ValueError):
    """Source that Python cannot read, or that is too long or too nested to try."""


def parsed(source: str) -> ast.Module:
    """The syntax tree. Raises UnreadableCodeError, and nothing else, for whatever is no Python."""
    if len(source) > MAX_CHARACTERS or "\0" in source:
        raise UnreadableCodeError("too long, or holds NUL characters")
    depth = deepest = 0
    for character in source:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth = max(0, depth - 1)
    if deepest > _MAX_NESTING:
        raise UnreadableCodeError(f"brackets nested {deepest} deep")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in the code of others
            tree = ast.parse(source)
            compile(tree, "<source>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise UnreadableCodeError(f"{type(error).__name__}: {error}") from error
    return tree


def statements_of(function: ast.FunctionDef) -> list[ast.stmt]:
    """The body of a function without its docstring."""
    documented = ast.get_docstring(function, clean=False) is not None
    return function.body[1:] if documented else function.body


def unknown_names(source: str, setup: str = "") -> set[str]:
    """Global names that a program uses, and neither it nor ``setup`` nor Python defines.

    Raises UnreadableCodeError for what Python cannot read.
    """
    parsed(source)
    used, defined = global_names(source)
    if setup:
        parsed(setup)
        defined |= global_names(setup)[1]
    return used - defined - set(dir(builtins)) - {"__name__", "__file__", "__doc__"}


def global_names(source: str) -> tuple[set[str], set[str]]:
    """Global names that a readable program uses, and those that it binds."""
    used: set[str] = set()
    bound: set[str] = set()
    tables = [symtable.symtable(source, "<source>", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        top = table.get_type() == "module"
        for symbol in table.get_symbols():
            if not top and not symbol.is_global():
                continue
            if symbol.is_referenced():
                used.add(symbol.get_name())
            if symbol.is_assigned() or symbol.is_imported() or (top and symbol.is_namespace()):
                bound.add(symbol.get_name())
    return used, bound
