"""Documents parts of texts that were made for measuring, as ingest writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.schema import DOCUMENTS
from pipeline.corpus import Part

ROW_GROUP_BYTES = 8_000_000


def documents_table(ids: pa.Array, texts: pa.Array, first: int) -> pa.Table:
    """A documents part of one source, ``planted``; locators are numbers from ``first``."""
    rows = len(texts)
    source = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), ["planted"])
    locators = pc.cast(pa.array(np.arange(first, first + rows)), pa.string())
    nothing = [pa.nulls(rows, pa.string())] * 4
    return pa.table([ids, texts, source, locators, *nothing], schema=DOCUMENTS)


def write_part(table: pa.Table, root: Path, index: int, folder: str = "documents") -> Part:
    """Writes a documents part below a workspace as ingest does: zstd, row groups of 8 MB."""
    path = f"{folder}/{index:05d}.parquet"
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    size = int(pc.sum(pc.binary_length(table["text"])).as_py() or 0)
    rows = max(1, table.num_rows * ROW_GROUP_BYTES // max(1, size))
    pq.write_table(
        table,
        root / path,
        compression="zstd",
        compression_level=3,
        use_dictionary=["source", "license"],
        write_statistics=False,
        row_group_size=rows,
    )
    return Part(index, path, "planted", table.num_rows, size)
