"""Groups: what came and what was kept of every source, kind, language or domain."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from manifests.report.flow import TOKENS

MOST = 200
"""Groups told one by one; smaller ones are added up."""
_READ = "repeated_tokens"


@dataclass(frozen=True)
class Group:
    """A group, or the sum of ``groups`` small ones. ``tokens`` count a kept document once,
    ``tokens_read`` as often as it is read; None where tokens are not counted."""

    name: str
    groups: int
    documents_in: int
    documents: int
    bytes_in: int
    bytes: int
    tokens: int | None
    tokens_read: int | None


def groups_of(cube: pl.DataFrame, dimension: str, most: int = MOST) -> list[Group]:
    """The groups of a dimension, those with most kept tokens (documents where none are counted)
    first. Documents without a value stand under ``—``: they were dropped before it was known."""
    kept = pl.col("dropped_by").is_null()

    def summed(name: str, condition: pl.Expr | None = None) -> pl.Expr:
        if name not in cube.columns:
            return pl.lit(None, pl.Int64)
        column = pl.col(name) if condition is None else pl.col(name).filter(condition)
        return column.sum().cast(pl.Int64)

    order = next(name for name in (_READ, TOKENS, "documents") if name in cube.columns)
    found = (
        cube.group_by(pl.col(dimension).fill_null("—").alias("name"))
        .agg(
            pl.lit(1, pl.Int64).alias("groups"),
            summed("documents").alias("documents_in"),
            summed("documents", kept).alias("documents"),
            summed("bytes").alias("bytes_in"),
            summed("bytes", kept).alias("bytes"),
            summed(TOKENS, kept).alias("tokens"),
            summed(_READ, kept).alias("tokens_read"),
            summed(order, kept).alias("order"),
        )
        .sort("order", "documents_in", "name", descending=[True, True, False])
        .drop("order")
    )
    shown = [Group(*row) for row in found.head(most).rows()]
    if found.height > most:
        rest = found[most:].drop("name").sum().row(0)
        shown.append(Group(f"{found.height - most:,} smaller groups", *rest))
    return shown
