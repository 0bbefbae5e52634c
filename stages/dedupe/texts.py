"""Texts of a part, a row group at a time: memory is that of a row group, and groups of which no
document is asked for are not read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.store import Store
from pipeline.task import Json
from stages.dedupe.arrays import Ints


def texts_of_rows(
    store: Store, view: Mapping[str, Json], rows: Ints
) -> Iterator[tuple[pa.ChunkedArray, Ints]]:
    """By row group, in order: its texts, and which of them (int64, rising) are of ``rows``, the row
    numbers in the part (int64, rising) that are asked for. ``view`` is as from ``Corpus.view``."""
    with pq.ParquetFile(store.path(view["documents"])) as file:
        first = 0
        for group in range(file.num_row_groups):
            last = first + file.metadata.row_group(group).num_rows
            wanted = rows[slice(*np.searchsorted(rows, [first, last]))] - first
            if len(wanted):
                # in this thread: other tasks keep the other cores busy
                table = file.read_row_group(group, columns=["text"], use_threads=False)
                yield table["text"], wanted
            first = last
