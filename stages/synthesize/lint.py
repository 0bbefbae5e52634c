"""Faults of a program that can be seen without running it."""

from __future__ import annotations

import ast
import symtable

from stages.synthesize.source_code import parsed, unknown_names


def faults(source: str) -> list[str]:
    """Undefined names, imports and local variables that nothing uses, names defined twice.

    Raises UnreadableCodeError for what Python cannot read.
    """
    tree = parsed(source)
    found = [f"undefined name {name}" for name in sorted(unknown_names(source))]
    if any(
        isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in ast.walk(tree)
    ):
        found.append("import *")
    defined = [node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    found += [
        f"{name} is defined twice" for name in sorted(set(defined)) if defined.count(name) > 1
    ]
    top = symtable.symtable(source, "<source>", "exec")
    used_below = {name for table in _functions(top) for name in table.get_globals()}
    for symbol in sorted(top.get_symbols(), key=lambda symbol: symbol.get_name()):
        name = symbol.get_name()
        if symbol.is_imported() and not symbol.is_referenced() and name not in used_below:
            found.append(f"unused import {name}")
    for table in _functions(top):
        found += _unused_locals(table)
    return found


def _functions(table: symtable.SymbolTable) -> list[symtable.Function]:
    found = [table] if isinstance(table, symtable.Function) else []
    for child in table.get_children():
        found += _functions(child)
    return found


def _unused_locals(table: symtable.Function) -> list[str]:
    inner = {
        name for child in _functions(table) if child is not table for name in child.get_frees()
    }
    return [
        f"unused variable {name}"
        for name in sorted(table.get_locals())
        if not name.startswith("_")
        and name not in inner
        and (symbol := table.lookup(name)).is_local()
        and not symbol.is_referenced()
        and not symbol.is_parameter()
        and not symbol.is_namespace()
    ]
