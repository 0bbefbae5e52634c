"""Lines and paragraphs of documents: where they stand, and hashes of their words."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from manifests.hosts import host_of
from pipeline.compile import compiled
from pipeline.text_buffers import text_buffers
from stages.dedupe.arrays import Bytes, Flags, Ints, Words64
from stages.dedupe.hashing import hash_texts, hash_words
from stages.dedupe.letters import mix

Unit = Literal["line", "paragraph"]
Scope = Literal["source", "host", "global"]

_NEWLINE = 10
_SPACE = 32
_SCOPE_BIT = np.uint64(1)
"""Set in the key of a scope, clear in those of the lines in it."""


class Segments(NamedTuple):
    """Lines (or paragraphs) that are not blank, in document order; int64 unless said.

    ``row``: the document. ``start``, ``end``: bytes of its text, line breaks included. ``before``:
    where the white space before it begins; ``after``: where the white space behind it ends.
    ``opens`` (bool): nothing or a blank line stands before it. ``closes`` (bool): nothing but white
    space stands behind it.
    """

    row: Ints
    start: Ints
    end: Ints
    before: Ints
    after: Ints
    opens: Flags
    closes: Flags

    def take(self, chosen: Ints) -> Segments:
        """The segments with these numbers."""
        columns: list[Any] = [column[chosen] for column in self]
        return Segments(*columns)


def find_segments(text: pa.ChunkedArray | pa.Array, unit: Unit) -> Segments:
    """All segments of a column of texts."""
    data, offsets = text_buffers(text)
    numbers, opens = _scan(data, offsets, unit == "paragraph")
    row, start, end, before, after = numbers
    closes = np.append(row[1:] != row[:-1], True)[: len(row)]
    return Segments(row, start, end, before, after, opens, closes)


def segment_texts(text: pa.ChunkedArray | pa.Array, segments: Segments) -> pa.Array:
    """The segments as a column of strings over the same bytes, nothing copied. Each goes on to the
    next one, so it may end with more white space."""
    data, offsets = text_buffers(text)
    ends = offsets[-1:] if len(segments.row) else offsets[:1]
    bounds = np.append(offsets[segments.row] + segments.start, ends)
    return pa.LargeStringArray.from_buffers(
        len(segments.row), pa.py_buffer(bounds.astype(np.int64)), pa.py_buffer(data)
    )


def segment_keys(
    text: pa.ChunkedArray | pa.Array, segments: Segments, scopes: Words64
) -> tuple[Words64, Ints]:
    """Keys (uint64) of segments, equal where their words and their documents' scopes are, and
    their numbers of words (int64). ``scopes``: one uint64 a document."""
    hashes, words = hash_words(segment_texts(text, segments))
    return _mixed(hashes[:, 0], scopes[segments.row]) & ~_SCOPE_BIT, words


def scope_keys(scopes: Words64) -> Words64:
    """Keys (uint64) that stand for the scopes themselves."""
    return _mixed(np.zeros(len(scopes), np.uint64), scopes) | _SCOPE_BIT


def is_scope(keys: Words64) -> Flags:
    """Which keys are of scopes, and not of lines."""
    return np.asarray(keys & _SCOPE_BIT, np.bool_)


def document_scopes(table: pa.Table, scope: Scope) -> Words64:
    """A uint64 for every document, equal where the scope is: its source, the host of its URL (its
    source where it has none), or one for all."""
    if scope == "global":
        return np.zeros(table.num_rows, np.uint64)
    name = pl.Series(table["source"].cast(pa.large_string()))
    if scope == "host":
        url = pl.Series(table["url"].cast(pa.large_string()))
        # a host has no colon: no source is taken for one
        name = host_of(url).fill_null("source:" + name)
    unique = name.unique().sort()
    hashes = hash_texts(unique.to_arrow())[0][:, 0]
    place: Any = unique.search_sorted(name).to_numpy()
    return np.asarray(hashes[place], np.uint64)


@compiled
def _mixed(hashes: Words64, scopes: Words64) -> Words64:
    keys = np.empty(len(hashes), np.uint64)
    for index in range(len(hashes)):
        keys[index] = mix(hashes[index] ^ mix(scopes[index]))
    return keys


@compiled
def _scan(data: Bytes, offsets: Ints, paragraphs: bool) -> tuple[Ints, Flags]:
    """Row, start, end, before and after of every segment (5 x segments), and whether it opens."""
    room = 1024
    found = np.empty((5, room), np.int64)
    opens = np.empty(room, np.bool_)
    count = 0
    for row in range(len(offsets) - 1):
        first, last = offsets[row], offsets[row + 1]
        of_row = count
        before = np.int64(0)  # behind the last character that is not white space
        blank_before = True
        start = first
        while start < last:
            content = start  # behind the line's last character that is not white space
            place = start
            while place < last and data[place] != _NEWLINE:
                place += 1
                if data[place - 1] > _SPACE:
                    content = place
            place = min(place + 1, last)
            if content > start:
                if paragraphs and not blank_before:
                    found[2, count - 1] = place - first
                else:
                    if count > of_row:
                        found[4, count - 1] = start - first
                    if count == room:
                        room *= 2
                        wider = np.empty((5, room), np.int64)
                        wider[:, :count] = found
                        longer = np.empty(room, np.bool_)
                        longer[:count] = opens
                        found, opens = wider, longer
                    found[0, count] = row
                    found[1, count] = start - first
                    found[2, count] = place - first
                    found[3, count] = before
                    opens[count] = blank_before
                    count += 1
                before = content - first
            blank_before = content == start
            start = place
        if count > of_row:
            found[4, count - 1] = last - first
    return found[:, :count].copy(), opens[:count].copy()
