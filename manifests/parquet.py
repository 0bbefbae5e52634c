"""Ledgers and documents read by columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def read_columns(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Columns of a Parquet file, all of them where none are named.

    ``pyarrow.parquet.read_table`` makes a data set of the file first: that takes three times as
    long for a small one, and its first call imports pandas.
    """
    with pq.ParquetFile(path) as file:
        return file.read(columns=None if columns is None else list(columns))
