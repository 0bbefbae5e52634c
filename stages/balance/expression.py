"""Expressions over annotations, compiled for polars; ``grammar.py`` says how they are written."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl
import pyarrow as pa

from stages.balance.grammar import (
    COMPARISONS,
    DOCUMENT_COLUMNS,
    Column,
    Constant,
    ExpressionError,
    Node,
    Operation,
    parse_tree,
)

Kind = Literal["text", "number", "boolean"]


@dataclass(frozen=True)
class Typed:
    """A node for polars, with the kind of its values."""

    kind: Kind
    values: pl.Expr


@dataclass(frozen=True)
class Expression:
    """A parsed expression."""

    text: str
    tree: Node

    def columns(self) -> tuple[str, ...]:
        """The columns that it names, each once, sorted."""
        return tuple(sorted(set(_columns(self.tree))))

    def stages(self) -> tuple[str, ...]:
        """The stages whose annotations it names."""
        return tuple(dict.fromkeys(c.split(".", 1)[0] for c in self.columns() if "." in c))

    def compile(self, kinds: Mapping[str, Kind], wanted: Sequence[Kind]) -> Typed:
        """The expression over a frame whose columns have these kinds. Null where it has no value.

        Raises ExpressionError when a column is unknown, an operator does not fit its operands, or
        the values are not of a wanted kind.
        """
        try:
            typed = _compile(self.tree, kinds)
        except ExpressionError as error:
            raise ExpressionError(f"`{self.text}`: {error}") from None
        except RecursionError:
            raise ExpressionError(f"`{self.text[:60]}…`: nested too deeply.") from None
        if typed.kind not in wanted:
            hint = (
                " Cut numbers into bands: band(quality.score, 2.5, 3)."
                if typed.kind == "number"
                else ""
            )
            raise ExpressionError(
                f"`{self.text}`: its value is a {typed.kind}, but a {' or '.join(wanted)} is wanted"
                f" here.{hint}"
            )
        return typed


def kind_of(kind: pa.DataType) -> Kind | None:
    """What an Arrow column is in expressions; None for what they cannot hold (lists, binary)."""
    if pa.types.is_dictionary(kind):
        return kind_of(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "number"
    return "boolean" if pa.types.is_boolean(kind) else None


def document_kinds() -> dict[str, Kind]:
    """Kinds of the document columns that expressions may name."""
    return dict.fromkeys(DOCUMENT_COLUMNS, "text")


def band_name(low: float | None, high: float | None) -> str:
    """``2.5..3`` for 2.5 ≤ x < 3; ``..2.5`` below, ``3..`` from 3 on."""
    return f"{_short(low)}..{_short(high)}"


def _short(edge: float | None) -> str:
    if edge is None:
        return ""
    return str(int(edge)) if float(edge).is_integer() and abs(edge) < 1e15 else repr(float(edge))


def parse(text: str) -> Expression:
    """Reads an expression. Raises ExpressionError with the place of the first fault."""
    return Expression(text, parse_tree(text))


def _columns(node: Node) -> list[str]:
    if isinstance(node, Column):
        return [node.name]
    if isinstance(node, Constant):
        return []
    return [name for operand in node.operands for name in _columns(operand)]


def _compile(node: Node, kinds: Mapping[str, Kind]) -> Typed:
    if isinstance(node, Column):
        if node.name not in kinds:
            raise ExpressionError(_no_column(node.name, kinds))
        return Typed(kinds[node.name], pl.col(node.name))
    if isinstance(node, Constant):
        if isinstance(node.value, bool):
            return Typed("boolean", pl.lit(node.value))
        return Typed("text" if isinstance(node.value, str) else "number", pl.lit(node.value))
    operands = [_compile(operand, kinds) for operand in node.operands]
    return _OPERATIONS[node.name](node, operands)


def _no_column(name: str, kinds: Mapping[str, Kind]) -> str:
    """What is wrong with an unknown column: the nearest one, or those of its stage, or all."""
    stage, _, own = name.partition(".")
    of_stage = {
        column.partition(".")[2]: column for column in kinds if column.startswith(f"{stage}.")
    }
    words = of_stage or {_as_written(column): column for column in kinds}
    near = difflib.get_close_matches(own if of_stage else _as_written(name), words, n=1)
    fault = f"there is no column `{_as_written(name)}`"
    if near:
        return f"{fault}. Did you mean `{_as_written(words[near[0]])}`?"
    known = ", ".join(sorted(_as_written(column) for column in words.values())) or "none"
    if of_stage:
        return f"{fault}. Known: {known}."
    return f"{fault}: no stage above is named `{stage}`. Add it above, or use one of: {known}."


def _as_written(column: str) -> str:
    """``kind`` for ``kind.kind``."""
    stage, _, own = column.partition(".")
    return stage if own == stage else column


def _require(node: Operation, operands: Sequence[Typed], *kinds: Kind) -> None:
    for operand in operands:
        if operand.kind not in kinds:
            raise ExpressionError(
                f"`{node.name}` takes a {' or '.join(kinds)}, and was given a {operand.kind}."
            )


def _compare(node: Operation, operands: Sequence[Typed]) -> Typed:
    left, right = operands
    if left.kind != right.kind:
        raise ExpressionError(
            f"a {left.kind} and a {right.kind} cannot be compared by `{node.name}`."
        )
    if node.name not in ("=", "!="):
        _require(node, operands, "number", "text")
    compared: dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
        "=": pl.Expr.eq,
        "!=": pl.Expr.ne,
        "<": pl.Expr.lt,
        "<=": pl.Expr.le,
        ">": pl.Expr.gt,
        ">=": pl.Expr.ge,
    }
    return Typed("boolean", compared[node.name](_values(left), _values(right)))


def _values(typed: Typed) -> pl.Expr:
    """The values to compare; without NaN, which polars would take for the greatest number."""
    return typed.values.fill_nan(None) if typed.kind == "number" else typed.values


def _calculate(node: Operation, operands: Sequence[Typed]) -> Typed:
    _require(node, operands, "number")
    left, right = (operand.values.cast(pl.Float64) for operand in operands)
    calculated: dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
        "+": pl.Expr.add,
        "-": pl.Expr.sub,
        "*": pl.Expr.mul,
        "/": pl.Expr.truediv,
    }
    return Typed("number", calculated[node.name](left, right))


def _combine(node: Operation, operands: Sequence[Typed]) -> Typed:
    _require(node, operands, "boolean")
    values = [operand.values for operand in operands]
    if node.name == "not":
        return Typed("boolean", ~values[0])
    combined = pl.all_horizontal if node.name == "and" else pl.any_horizontal  # Kleene's logic
    return Typed("boolean", combined(values))


def _is_in(node: Operation, operands: Sequence[Typed]) -> Typed:
    value, *members = operands
    compared = [_compare(Operation("=", node.operands), [value, member]) for member in members]
    return Typed("boolean", pl.any_horizontal([one.values for one in compared]))


def _is_null(node: Operation, operands: Sequence[Typed]) -> Typed:
    return Typed("boolean", operands[0].values.is_null())


def _band(node: Operation, operands: Sequence[Typed]) -> Typed:
    number, *edges = operands
    _require(node, [number], "number")
    given = [o.value for o in node.operands[1:] if isinstance(o, Constant)]
    rising = [v for v in given if not isinstance(v, str | bool)]
    if not edges or len(rising) != len(edges) or rising != sorted(set(rising)):
        raise ExpressionError("`band` takes a number and edges that rise: band(x, 2.5, 3).")
    lows: list[float | None] = [None, *rising]
    highs: list[float | None] = [*rising, None]
    names = [band_name(low, high) for low, high in zip(lows, highs, strict=True)]
    chosen = pl.lit(names[-1])
    for edge, name in reversed(list(zip(rising, names[:-1], strict=True))):
        chosen = pl.when(_values(number) < edge).then(pl.lit(name)).otherwise(chosen)
    return Typed("text", pl.when(_values(number).is_not_null()).then(chosen))


def _coalesce(node: Operation, operands: Sequence[Typed]) -> Typed:
    _require(node, operands, operands[0].kind)
    return Typed(operands[0].kind, pl.coalesce(operand.values for operand in operands))


def _search(node: Operation, operands: Sequence[Typed]) -> Typed:
    if len(operands) != 2:
        raise ExpressionError(f"`{node.name}` takes two texts.")
    _require(node, operands, "text")
    text, part = (operand.values for operand in operands)
    if node.name == "starts_with":
        return Typed("boolean", text.str.starts_with(part))
    return Typed("boolean", text.str.contains(part, literal=True))


_Compiler = Callable[[Operation, Sequence[Typed]], Typed]

_OPERATIONS: dict[str, _Compiler] = {
    **dict.fromkeys(COMPARISONS, _compare),
    **dict.fromkeys("+-*/", _calculate),
    **dict.fromkeys(("and", "or", "not"), _combine),
    "in": _is_in,
    "is null": _is_null,
    "band": _band,
    "coalesce": _coalesce,
    "contains": _search,
    "starts_with": _search,
}
