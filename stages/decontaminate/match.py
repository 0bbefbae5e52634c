"""Matching documents with the index: the gate over every word, the LCS where it opened.

The gate is one pass over the bytes of an Arrow column: words, rolling n-gram hashes, a look into a
bit filter, and into the table only where the filter says so. Documents in which no n-gram of a
benchmark stands, nearly all, are done then. The others are scanned once more, with offsets.

Around hits of a sequence s of |s| words, windows are made so that the LCS never sees a whole long
document, in which it would always find its 60 % (FACTS of the literal rule: 20 of 20 clean texts
of 4,096 words). Hits that start within |s| words of the first one of a window share it; how far it
reaches is the mode's (``window.py``).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pipeline.compile import compiled
from stages.decontaminate.gate import Gate, candidates, lookup, rolling
from stages.decontaminate.index import Booleans, Index
from stages.decontaminate.lcs import lcs_prefix, lcs_spans
from stages.decontaminate.markup import without_markup
from stages.decontaminate.window import MODES, Mode, window_bounds
from stages.words import I64, U8, U64, Alphabet, alphabet, scan_words

MAX_HITS = 1 << 20
"""n-gram hits of one document that are looked at; a document with more is marked as capped."""
MAX_MATCHES = 64
"""Matches of one document that are kept: the best by ratio, then by length."""
FLOOR_RATIO = 0.4
"""Matches below this ratio are not kept, so no threshold may be lower."""

_ANYWHERE = 8
"""Short sequences of fewer words must stand alone in the text, between line breaks, punctuation,
tags or the ends; "how to start a blog" inside of a sentence is no copy of that question."""

_ROW, _SEQUENCE, _START, _END, _ITEM_START, _ITEM_END, _HITS, _LCS, _SHORTER = range(9)
_FIELDS = 9


class Found(NamedTuple):
    """Matches in the order of row and place. ``sequence`` numbers a sequence of the index;
    ``start`` and ``end`` are characters of the document, ``item_start`` and ``item_end`` words of
    the sequence; ``hits`` n-grams of the window, ``shorter`` is min(|s_t|, |s_e|) in words.
    ``capped`` is true for rows with more than MAX_HITS hits."""

    row: I64
    sequence: I64
    start: I64
    end: I64
    item_start: I64
    item_end: I64
    hits: I64
    lcs: I64
    shorter: I64
    capped: Booleans


@compiled
def _opens(words: U64, count: int, gate: Gate, grams: U64, places: I64) -> bool:
    if len(gate.offsets) < 2:
        return False
    block = 4096
    at = 0
    while at + gate.n <= count:
        size = min(count - at, block + gate.n - 1)
        number = rolling(words[at:], size, gate.n, grams)
        for k in range(candidates(grams, number, gate, places)):
            if lookup(grams[places[k]], gate) >= 0:
                return True
        at += block
    return False


@compiled
def open_rows(data: U8, offsets: I64, letters: Alphabet, long: Gate, short: Gate) -> Booleans:
    """Which rows hold an n-gram of one of the gates."""
    rows = len(offsets) - 1
    longest = 0
    for row in range(rows):
        longest = max(longest, offsets[row + 1] - offsets[row])
    words = np.empty(longest + longest // 2 + 1, np.uint64)
    nothing = np.empty(0, np.int64)
    grams = np.empty(8192, np.uint64)
    places = np.empty(8192, np.int64)
    opened = np.zeros(rows, np.bool_)
    for row in range(rows):
        count = scan_words(data, offsets[row], offsets[row + 1], letters, words, nothing, nothing)
        opened[row] = _opens(words, count, long, grams, places) or _opens(
            words, count, short, grams, places
        )
    return opened


@compiled
def _grown(table: Any, used: int) -> Any:
    larger = np.empty((2 * len(table), table.shape[1]), table.dtype)
    larger[:used] = table[:used]
    return larger


@compiled
def _collect(
    grams: U64, number: int, gate: Gate, scratch: I64, sequences: I64, places: I64
) -> tuple[int, bool]:
    """Writes hits (sequence, first word) in the order of words; says whether some were left out."""
    hits = 0
    for c in range(candidates(grams, number, gate, scratch)):
        row = lookup(grams[scratch[c]], gate)
        if row < 0:
            continue
        for k in range(gate.offsets[row], gate.offsets[row + 1]):
            if hits == len(sequences):
                return hits, True
            sequences[hits] = gate.postings[k]
            places[hits] = scratch[c]
            hits += 1
    return hits, False


@compiled
def _delimited(data: U8, start: int, end: int, edge: bool) -> bool:
    """Whether between two words stands more than spaces and commas, or one is missing."""
    for i in range(start, end):
        if data[i] not in (9, 32, 44):
            return True
    return edge


@compiled
def _long_matches(
    row: int,
    text: tuple[U64, I64, I64, int],
    hits: tuple[I64, I64],
    items: tuple[U64, I64],
    n: int,
    window: tuple[bool, float],
    floor: float,
    found: I64,
    used: int,
) -> tuple[I64, int]:
    """Adds the matches of sequences that have n-gram hits, a window at a time."""
    words, starts, ends, count = text
    sequences, places = hits
    tokens, token_offsets = items
    aligned, slack = window
    order = np.argsort(sequences, kind="mergesort")
    first = 0
    while first < len(order):
        s = sequences[order[first]]
        item = tokens[token_offsets[s] : token_offsets[s + 1]]
        opening = places[order[first]]
        last = first
        while (
            last + 1 < len(order)
            and sequences[order[last + 1]] == s
            and places[order[last + 1]] - opening <= len(item)
        ):
            last += 1
        low, high = window_bounds(
            words, count, item, opening, places[order[last]], n, aligned, slack
        )
        shorter = min(count, len(item))
        length, _, _ = lcs_prefix(words[low:high], item)
        if length >= floor * shorter:
            spans = lcs_spans(words[low:high], item)
            if used == len(found):
                found = _grown(found, used)
            found[used] = (
                row,
                s,
                starts[low + spans[1]],
                ends[low + spans[2] - 1],
                spans[3],
                spans[4],
                last - first + 1,
                length,
                shorter,
            )
            used += 1
        first = last + 1
    return found, used


@compiled
def _whole_matches(
    row: int,
    raw: U8,
    text: tuple[U64, I64, I64, int],
    hits: tuple[I64, I64],
    items: tuple[U64, I64],
    found: I64,
    used: int,
) -> tuple[I64, int]:
    """Adds the short sequences that stand whole in a text; those of fewer than ``_ANYWHERE``
    words only where they stand alone. ``raw`` are the text's bytes, with its markup."""
    words, starts, ends, count = text
    sequences, places = hits
    tokens, token_offsets = items
    for k in range(len(sequences)):
        s = sequences[k]
        item = tokens[token_offsets[s] : token_offsets[s + 1]]
        size = len(item)
        at = places[k]
        if at + size > count:
            continue
        j = 0
        while j < size and words[at + j] == item[j]:
            j += 1
        if j < size:
            continue
        last = at + size - 1
        if size < _ANYWHERE:
            before = ends[at - 1] if at > 0 else 0
            after = starts[last + 1] if last + 1 < count else len(raw)
            if not (
                _delimited(raw, before, starts[at], at == 0)
                and _delimited(raw, ends[last], after, last + 1 == count)
            ):
                continue
        if used == len(found):
            found = _grown(found, used)
        found[used] = (row, s, starts[at], ends[last], 0, size, 1, size, size)
        used += 1
    return found, used


@compiled
def _match_rows(
    raw: U8,
    data: U8,
    offsets: I64,
    rows: I64,
    letters: Alphabet,
    long: Gate,
    short: Gate,
    items: tuple[U64, I64],
    window: tuple[bool, float],
    max_hits: int,
    floor: float,
) -> tuple[I64, Booleans]:
    longest = 0
    for row in rows:
        longest = max(longest, offsets[row + 1] - offsets[row])
    capacity = longest + longest // 2 + 1
    words = np.empty(capacity, np.uint64)
    starts = np.empty(capacity, np.int64)
    ends = np.empty(capacity, np.int64)
    grams = np.empty(capacity, np.uint64)
    scratch = np.empty(capacity, np.int64)
    sequences = np.empty(max_hits, np.int64)
    places = np.empty(max_hits, np.int64)
    found = np.empty((64, 9), np.int64)
    used = 0
    capped = np.zeros(len(rows), np.bool_)
    for r in range(len(rows)):
        begin, finish = offsets[rows[r]], offsets[rows[r] + 1]
        count = scan_words(data, begin, finish, letters, words, starts, ends)
        text = (words, starts, ends, count)
        if len(long.offsets) > 1:
            number = rolling(words, count, long.n, grams)
            hits, capped[r] = _collect(grams, number, long, scratch, sequences, places)
            found, used = _long_matches(
                r,
                text,
                (sequences[:hits], places[:hits]),
                items,
                long.n,
                window,
                floor,
                found,
                used,
            )
        if len(short.offsets) > 1:
            number = rolling(words, count, short.n, grams)
            hits, over = _collect(grams, number, short, scratch, sequences, places)
            capped[r] = capped[r] or over
            found, used = _whole_matches(
                r, raw[begin:finish], text, (sequences[:hits], places[:hits]), items, found, used
            )
    return found[:used], capped


@compiled
def _characters(data: U8, begin: int, byte: int) -> int:
    """The number of characters in the first ``byte`` bytes of a text at ``begin``."""
    number = 0
    for i in range(begin, begin + byte):
        number += int((data[i] & 0xC0) != 0x80)
    return number


@compiled
def _in_characters(data: U8, offsets: I64, rows: I64, found: I64) -> None:
    for k in range(len(found)):
        begin = offsets[rows[found[k, 0]]]
        start = _characters(data, begin, found[k, 2])
        found[k, 3] = start + _characters(data, begin + found[k, 2], found[k, 3] - found[k, 2])
        found[k, 2] = start


def find_matches(
    raw: U8, offsets: I64, index: Index, mode: Mode = MODES["paper"], max_hits: int = MAX_HITS
) -> Found:
    """The matches of all rows of a column of texts (its buffers), at or above ``FLOOR_RATIO``.

    ``mode`` must be the one that the index was built for."""
    letters = alphabet()
    data = without_markup(raw, offsets) if mode.markup else raw
    opened = open_rows(data, offsets, letters, index.long, index.short)
    rows = np.flatnonzero(opened).astype(np.int64)
    capped = np.zeros(len(offsets) - 1, bool)
    if not len(rows):
        return _found(np.zeros((0, _FIELDS), np.int64), capped)
    found, over = _match_rows(
        raw,
        data,
        offsets,
        rows,
        letters,
        index.long,
        index.short,
        (index.tokens, index.offsets),
        (mode.aligned, mode.slack),
        max_hits,
        FLOOR_RATIO,
    )
    capped[rows] = over
    found = _best(found)
    _in_characters(data, offsets, rows, found)
    found[:, _ROW] = rows[found[:, _ROW]]
    return _found(found, capped)


def _found(table: I64, capped: Booleans) -> Found:
    columns = dict(zip(Found._fields, table.T, strict=False))
    return Found(**columns, capped=capped)


def _best(found: I64) -> I64:
    """At most MAX_MATCHES matches a row, the best ones, in the order of row and place."""
    ratio = found[:, _LCS] / found[:, _SHORTER]
    order = np.lexsort(
        (found[:, _SEQUENCE], found[:, _START], -found[:, _LCS], -ratio, found[:, _ROW])
    )
    ranked = found[order]
    first = np.searchsorted(ranked[:, _ROW], ranked[:, _ROW])
    ranked = ranked[np.arange(len(ranked)) - first < MAX_MATCHES]
    order = np.lexsort((ranked[:, _SEQUENCE], ranked[:, _START], ranked[:, _ROW]))
    return np.ascontiguousarray(ranked[order])
