"""Cuts: spans of text that a stage marks and that no token is made of. See ``schema.CUT``."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

CutCounts = dict[str, dict[str, int]]
"""By reason: ``documents`` that were cut, ``bytes`` of text cut."""


def count_cuts(cuts: pa.ChunkedArray) -> CutCounts:
    """Documents and bytes cut, by reason (sorted), of a column of a part's cuts (``CUTS``)."""
    frame = pl.from_arrow(pa.table({"cut": cuts}))
    assert isinstance(frame, pl.DataFrame)
    counted = (
        frame.with_row_index("row")
        .explode("cut")
        .drop_nulls("cut")
        .unnest("cut")
        .group_by("reason")
        .agg(
            pl.col("row").n_unique().alias("documents"),
            (pl.col("end") - pl.col("start")).cast(pl.Int64).sum().alias("bytes"),
        )
        .sort("reason")
    )
    return {
        row["reason"]: {"documents": row["documents"], "bytes": row["bytes"]}
        for row in counted.iter_rows(named=True)
    }


def add_cuts(total: CutCounts, more: CutCounts) -> CutCounts:
    """Counts of two sets of documents that have none in common, added up; reasons sorted."""
    none = {"documents": 0, "bytes": 0}
    return {
        reason: {
            unit: total.get(reason, none)[unit] + more.get(reason, none)[unit] for unit in none
        }
        for reason in sorted(total.keys() | more.keys())
    }
