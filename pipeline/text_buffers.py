"""A column of texts as the two plain buffers that compiled functions scan."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Offsets = np.ndarray[Any, np.dtype[np.int64]]


def text_buffers(text: pa.ChunkedArray | pa.Array) -> tuple[Bytes, Offsets]:
    """The UTF-8 bytes of a column of strings and the offsets of its rows in them (int64,
    rows + 1), which need not start at 0.

    A large string column of one chunk is not copied. Raises ValueError when a row is null.
    """
    if text.null_count:
        raise ValueError("the column of texts has null rows; give every document a text")
    if isinstance(text, pa.ChunkedArray):
        text = text.chunk(0) if text.num_chunks == 1 else text.combine_chunks()
    if isinstance(text, pa.ChunkedArray):
        text = pa.concat_arrays(text.chunks) if text.num_chunks else pa.array([], text.type)
    array = text.cast(pa.large_string())
    # read-only as Arrow's own buffers are: compiled functions are compiled once for both kinds
    nothing = np.frombuffer(b"", np.uint8)
    if len(array) == 0:
        return nothing, np.frombuffer(bytes(8), np.int64)
    _, offsets, data = array.buffers()
    positions = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return nothing if data is None else np.frombuffer(data, np.uint8), positions


def every_row(offsets: Offsets) -> Offsets:
    """The numbers of all rows (int64) of a column with these offsets."""
    return np.arange(len(offsets) - 1)
