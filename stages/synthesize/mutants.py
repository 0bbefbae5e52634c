"""Wrong versions of a function, which good tests must tell from it.

Mutants change one place: a comparison, an operator, a constant, what is returned, a condition
(the classic operators of mutation analysis, DeMillo, Lipton and Sayward 1978). Stubs keep the
signature and answer without computing. Tests that a stub passes test nothing.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.fingerprint import fingerprint
from stages.synthesize.source_code import parsed, statements_of

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_STUBS = ("None", "0", "1", "''", "[]", "{}", "True", "False")


@dataclass(frozen=True)
class Mutant:
    """A changed program, what was changed (``comparison``, ``operator``, ``constant``, ``return``,
    ``condition``, ``boolean``), and the line in the original."""

    source: str
    change: str
    line: int


def mutants(source: str, function: str, most: int) -> list[Mutant]:
    """Up to ``most`` mutants of a top-level function, of as many kinds as there are.

    Which of many are chosen depends on the source alone. Raises UnreadableCodeError for what
    Python cannot read, KeyError when there is no such function.
    """
    tree = parsed(source)
    target = find_function(tree, function)
    original = ast.unparse(tree)
    found: dict[str, Mutant] = {}
    for node, field, replacement, change in _changes(target):
        before = getattr(node, field)
        setattr(node, field, replacement)
        text = ast.unparse(ast.fix_missing_locations(tree))
        setattr(node, field, before)
        if text != original:
            found.setdefault(text, Mutant(text, change, getattr(node, "lineno", target.lineno)))
    by_kind: dict[str, list[Mutant]] = {}
    for mutant in sorted(found.values(), key=lambda mutant: fingerprint(mutant.source)):
        by_kind.setdefault(mutant.change, []).append(mutant)
    ranked = [
        (rank, change, mutant)
        for change, of_kind in sorted(by_kind.items())
        for rank, mutant in enumerate(of_kind)
    ]
    return [mutant for _, _, mutant in sorted(ranked, key=lambda entry: entry[:2])[:most]]


def stubs(source: str, function: str) -> list[str]:
    """The program with the function's body replaced: by constants, and by its first argument."""
    tree = parsed(source)
    target = find_function(tree, function)
    names = [argument.arg for argument in (*target.args.posonlyargs, *target.args.args)][:1]
    programs = []
    for answer in (*_STUBS, *names):
        target.body = [ast.Return(ast.parse(answer, mode="eval").body)]
        programs.append(ast.unparse(ast.fix_missing_locations(tree)))
    return programs


def find_function(tree: ast.Module, name: str) -> ast.FunctionDef:
    """The last top-level function of that name, the one that counts. Raises KeyError."""
    for node in reversed(tree.body):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    raise KeyError(f"no function {name!r}")


def _changes(function: ast.FunctionDef) -> Iterator[tuple[ast.AST, str, object, str]]:
    """Every single change: the node, its field, the field's new value, and the kind."""
    for statement in statements_of(function):
        for node in ast.walk(statement):
            if isinstance(node, ast.Compare):
                for place, comparison in enumerate(node.ops):
                    changed = list(node.ops)
                    changed[place] = _COMPARISONS[type(comparison)]()
                    yield node, "ops", changed, "comparison"
            elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in _OPERATORS:
                yield node, "op", _OPERATORS[type(node.op)](), "operator"
            elif isinstance(node, ast.BoolOp):
                yield node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And(), "boolean"
            elif isinstance(node, ast.Constant):
                yield from (
                    (node, "value", value, "constant") for value in _other_values(node.value)
                )
            elif isinstance(node, ast.Return) and node.value is not None:
                yield node, "value", ast.Constant(None), "return"
            if isinstance(node, (ast.If, ast.While, ast.IfExp)):
                negated = ast.UnaryOp(ast.Not(), copy.deepcopy(node.test))
                yield node, "test", negated, "condition"


def _other_values(value: object) -> list[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, (int, float)):
        return [value + 1]
    if isinstance(value, str):
        return [value + "x", ""] if value else ["x"]
    return []
