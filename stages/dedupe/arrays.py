"""Array types of deduplication, and Arrow columns as plain buffers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Words32 = np.ndarray[Any, np.dtype[np.uint32]]
Words64 = np.ndarray[Any, np.dtype[np.uint64]]
Floats = np.ndarray[Any, np.dtype[np.float32]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


def id_bytes(column: pa.ChunkedArray | pa.Array) -> Bytes:
    """Document ids as uint8, shape (rows, 16)."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if len(column) == 0:
        return np.zeros((0, 16), np.uint8)
    content = np.frombuffer(column.buffers()[1], np.uint8)
    start = column.offset * 16
    return content[start : start + 16 * len(column)].reshape(-1, 16)


def id_column(ids: Bytes, missing: Flags | None = None) -> pa.Array:
    """Ids (uint8, rows x 16) as an Arrow column of fixed binary 16; null where ``missing``."""
    mask = None
    if missing is not None and missing.any():
        mask = pa.array(~missing).buffers()[1]
    content = pa.py_buffer(np.ascontiguousarray(ids).tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(ids), [mask, content])
