"""Cuts of a part: checked as stages give them, united over stages, and taken out of the texts.

Everything works on all spans of a part at once. A span's place is one number, its row and its
offset, so that spans of different documents never touch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.parquet import read_columns
from manifests.schema import CUTS, EMPTY_AFTER_CUTS, KEEP
from pipeline.stage import Verdicts
from pipeline.store import Store
from pipeline.text_buffers import text_buffers

Ints = np.ndarray[Any, np.dtype[np.int64]]

SPANS = pa.list_(pa.struct([pa.field("start", pa.int32()), pa.field("end", pa.int32())]))
"""Cuts of one document, those of all stages united: UTF-8 bytes, rising, neither overlapping nor
touching."""

_OFFSET_BITS = 32
"""Bits of a place that hold the offset within the document (an int32); the row is above them."""


def united_cuts(store: Store, verdicts: Sequence[str]) -> pa.ListArray | None:
    """The union of the cuts in a part's verdict files: ``SPANS``, one row a document of the part.
    None when no file has cuts, after a look at their schemas alone."""
    paths = [store.path(path) for path in verdicts]
    found = [
        read_columns(path, ["cuts"])["cuts"].combine_chunks()
        for path in paths
        if "cuts" in pq.read_schema(path).names
    ]
    return union(found) if found else None


def union(cuts: Sequence[pa.ListArray]) -> pa.ListArray:
    """Columns of spans over the same documents, as one column (``SPANS``) of disjoint spans."""
    spans = [_spans(column) for column in cuts]
    starts = np.concatenate([(row << _OFFSET_BITS) + start for row, start, _ in spans])
    ends = np.concatenate([(row << _OFFSET_BITS) + end for row, _, end in spans])
    order = np.argsort(starts, kind="stable")
    starts, reach = starts[order], np.maximum.accumulate(ends[order])
    opens = np.ones(len(starts), bool)
    opens[1:] = starts[1:] > reach[:-1]
    closes = np.append(opens[1:], True)[: len(opens)]
    starts, ends = starts[opens], reach[closes]
    mask = (1 << _OFFSET_BITS) - 1
    columns = [(place & mask).astype(np.int32) for place in (starts, ends)]
    return lists_by_row(starts >> _OFFSET_BITS, columns, SPANS.value_type, len(cuts[0]))


def lists_by_row(row: Ints, columns: Sequence[Any], item: pa.StructType, rows: int) -> pa.ListArray:
    """Structs as lists, one list a row: ``row`` (rising) is that of each struct, ``columns`` (numpy
    or lists) are its fields, in the order of ``item``."""
    arrays = [pa.array(c, f.type) for c, f in zip(columns, item, strict=True)]
    bounds = np.searchsorted(row, np.arange(rows + 1)).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(bounds), pa.StructArray.from_arrays(arrays, fields=list(item))
    )


def cut_texts(texts: pa.ChunkedArray, cuts: pa.ListArray | None) -> pa.ChunkedArray:
    """The texts (large strings) without the spans that ``cuts`` (``SPANS``) has for each."""
    if cuts is None:
        return texts
    data, offsets = _buffers(texts)
    rows, starts, ends = _spans(cuts)
    edge = np.zeros(len(data) + 1, np.int8)
    edge[offsets[rows] + starts] += 1
    edge[offsets[rows] + ends] -= 1
    kept = np.cumsum(edge[:-1], dtype=np.int8) == 0
    removed = np.zeros(len(offsets) - 1, np.int64)
    np.add.at(removed, rows, ends - starts)
    bounds = np.append(0, np.cumsum(np.diff(offsets) - removed))
    whole = pa.LargeStringArray.from_buffers(
        len(removed), pa.py_buffer(bounds.astype(np.int64)), pa.py_buffer(data[kept])
    )
    return pa.chunked_array([whole])


def settle_cuts(
    decided: Verdicts, texts: pa.ChunkedArray, earlier: pa.ListArray | None
) -> Verdicts:
    """A stage's verdicts with its cuts checked, none on documents that it drops.

    A document of which its cuts, together with those of stages before it (``earlier``, ``SPANS``),
    would leave nothing but white space is dropped here, as ``empty_after_cuts``: shards hold no
    empty documents, and what is lost has a verdict. Raises ValueError for spans that are not
    sorted, disjoint, non-empty, inside the text and between whole characters.
    """
    verdict = _whole(decided.verdict)
    cuts = _whole(decided.cuts).cast(CUTS)
    some = pc.fill_null(pc.greater(pc.list_value_length(cuts), 0), False)
    some = pc.and_(some, pc.equal(verdict, KEEP))
    cuts = _only(cuts, some)
    rows = np.flatnonzero(some.to_numpy(zero_copy_only=False))
    if len(rows) == 0:
        return replace(decided, cuts=cuts)
    chosen = pa.array(rows)
    texts = texts.take(chosen)
    _check(cuts.take(chosen), texts)
    together = union([cuts, earlier] if earlier is not None else [cuts])
    left = cut_texts(texts, together.take(chosen))
    blank = np.zeros(len(cuts), bool)
    blank[rows] = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(left)), 0).to_numpy()
    empty, kept = pa.array(blank), pa.array(~blank)
    return replace(
        decided,
        verdict=pc.if_else(empty, EMPTY_AFTER_CUTS, verdict),
        score=_only(_whole(decided.score), kept),
        threshold=_only(_whole(decided.threshold), kept),
        cuts=_only(cuts, kept),
    )


def _check(cuts: pa.ListArray, texts: pa.ChunkedArray) -> None:
    data, offsets = _buffers(texts)
    rows, starts, ends = _spans(cuts)
    size = np.diff(offsets)[rows]
    wrong = (starts < 0) | (starts >= ends) | (ends > size)
    wrong[1:] |= (rows[1:] == rows[:-1]) & (starts[1:] < ends[:-1])
    if not wrong.any():
        padded = np.append(data, np.uint8(0))
        for place in (offsets[rows] + starts, offsets[rows] + ends):
            # 10xxxxxx continues a character of several bytes
            wrong |= (padded[place] & 0xC0) == 0x80
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ValueError(
            f"the cut {starts[first]}-{ends[first]} of a text of {size[first]} bytes is not"
            " sorted, disjoint from the one before, non-empty, inside the text and between whole"
            " characters. The stage that gave it must count UTF-8 bytes."
        )


def _only(column: pa.Array, where: pa.Array) -> pa.Array:
    """The values of rows where ``where`` is true; null elsewhere."""
    index = pa.array(np.arange(len(column)))
    return column.take(pc.if_else(where, index, pa.scalar(None, pa.int64())))


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _spans(cuts: pa.ListArray) -> tuple[Ints, Ints, Ints]:
    """Row, start and end (int64) of every span of a column of lists."""
    flat = pc.list_flatten(cuts)
    rows: Ints = pc.list_parent_indices(cuts).to_numpy().astype(np.int64)
    starts: Ints = flat.field("start").to_numpy().astype(np.int64)
    ends: Ints = flat.field("end").to_numpy().astype(np.int64)
    return rows, starts, ends


def _buffers(texts: pa.ChunkedArray) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], Ints]:
    """``text_buffers`` without what stands before and after the rows: offsets begin at 0."""
    data, offsets = text_buffers(texts)
    return data[offsets[0] : offsets[-1]], offsets - offsets[0]
