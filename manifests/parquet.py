"""Ledgers and documents read by columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def read_columns(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Columns of a Parquet file, all of them where none are named.

    ``pyarrow.parquet.read_table`` makes a data set of the file first: that takes three times as
    long for a small one, and its first call imports pandas.
    """
    with pq.ParquetFile(path) as file:
        return file.read(columns=None if columns is None else list(columns))


def read_rows(path: Path, rows: Sequence[int]) -> pa.Table:
    """Some rows of a Parquet file, in the order given; only the row groups they stand in are read.

    Raises ``pyarrow.ArrowInvalid`` for a row that the file does not have.
    """
    with pq.ParquetFile(path) as file:
        sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
        ends = np.cumsum(sizes, dtype=np.int64)
        groups = np.searchsorted(ends, np.asarray(rows, np.int64), side="right")
        wanted = np.unique(groups)
        table = file.read_row_groups(wanted.tolist())
    # where each group that was read begins, in the file and among what was read
    starts = ends - sizes
    read = np.cumsum([0, *(sizes[group] for group in wanted)])[:-1]
    places = np.asarray(rows, np.int64) - starts[groups] + read[np.searchsorted(wanted, groups)]
    return table.take(pa.array(places))
