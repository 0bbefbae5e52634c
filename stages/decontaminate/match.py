"""Matching documents with the index: the gate over every word, the LCS where it opened.

The gate is one pass over the bytes of an Arrow column: words, rolling n-gram hashes, a look into a
bit filter, and into the table only where the filter says so. Documents in which nothing matches,
nearly all, are done then. Where matches stand is worked out last, of the best ones (``span.py``).

Around hits of a sequence s of |s| words, windows are made so that the LCS never sees a whole long
document, in which it would always find its 60 % (FACTS of the literal rule: 20 of 20 clean texts
of 4,096 words). Hits that start within |s| words of the first one of a window share it; how far it
reaches is the mode's (``window.py``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.compile import compiled
from stages.decontaminate.bound import BUCKETS, may_share
from stages.decontaminate.gate import I32, Gate, passing
from stages.decontaminate.hits import Booleans, Seen, add_seen, collect, with_room
from stages.decontaminate.index import Index
from stages.decontaminate.lcs import lcs_prefix
from stages.decontaminate.markup import without_markup
from stages.decontaminate.span import find_spans
from stages.decontaminate.whole import whole_matches
from stages.decontaminate.window import MODES, Mode, window_bounds
from stages.words import I64, U8, U64, Alphabet, alphabet, scan_words

MAX_HITS = 1 << 20
"""n-gram hits of one document that are looked at; a document with more is marked as capped."""
MAX_MATCHES = 64
"""Matches of one document that are kept: the best by ratio, then by length."""
FLOOR_RATIO = 0.4
"""Matches below this ratio are not kept, so no threshold may be lower."""

_COPY = 0.6
"""A document holds an item's sequence when the LCS is this share of the sequence's words: the
rule's ratio, of the sequence alone, so that a short text is no copy of a long item."""

_ROW, _SEQUENCE, _LOW, _HIGH, _ITEM_LOW, _ITEM_HIGH, _HITS, _LCS, _SHORTER = range(9)
_WINDOW = slice(_LOW, _ITEM_HIGH + 1)  # words of the text, and of the sequence's piece
_GRAM, _GRAMS = 9, 10  # where the n-grams of a match begin in their list, and how many they are
_FIELDS = 11


class Found(NamedTuple):
    """Matches in the order of row and place. ``sequence`` numbers a sequence of the index; ``lcs``
    is the LCS of the window, ``hits`` its n-grams, ``shorter`` min(|s_t|, |s_e|) in words. Where
    the match stands (``start`` to ``span_lcs``) is said in ``span.Spans``. Match k has the n-grams
    (rows of the long gate) ``grams[gram_offsets[k]:gram_offsets[k + 1]]``, none where it matched as
    a whole. ``capped`` is true for rows with more than MAX_HITS hits. ``seen`` are the n-grams of
    all rows, those of documents without a match too."""

    row: I64
    sequence: I64
    start: I64
    end: I64
    item_start: I64
    item_end: I64
    hits: I64
    lcs: I64
    shorter: I64
    byte_start: I64
    byte_end: I64
    span_lcs: I64
    gram_offsets: I64
    grams: I32
    capped: Booleans
    seen: Seen


@compiled
def _last_of_window(order: I64, sequences: I64, places: I64, first: int, words: int) -> int:
    """The last of the hits, in their ``order``, that share a window with the first one: those of
    its sequence, of so many words, at most as many words behind it."""
    s, opening = sequences[order[first]], places[order[first]]
    last = first
    while (
        last + 1 < len(order)
        and sequences[order[last + 1]] == s
        and places[order[last + 1]] - opening <= words
    ):
        last += 1
    return last


@compiled
def _long_matches(
    row: int,
    words: U64,
    hits: tuple[I64, I64, I32],
    items: tuple[U64, I64],
    n: int,
    mode: Mode,
    counters: I32,
    found: I64,
    used: int,
    grams: I32,
    listed: int,
) -> tuple[I64, int, I32, int, Booleans]:
    """Adds the matches of sequences that have n-gram hits, a window at a time, and lists their
    n-grams. Says of every hit whether the text holds its sequence."""
    count = len(words)
    sequences, places, numbers = hits
    copied = np.zeros(len(sequences), np.bool_)
    tokens, token_offsets = items
    order = np.argsort(sequences, kind="mergesort")
    first = 0
    while first < len(order):
        s = sequences[order[first]]
        item = tokens[token_offsets[s] : token_offsets[s + 1]]
        last = _last_of_window(order, sequences, places, first, len(item))
        number = last - first + 1
        opening, closing = places[order[first]], places[order[last]]
        low, high, item_low, item_high = window_bounds(
            words, count, item, opening, closing, n, mode.aligned, mode.slack
        )
        piece = item[item_low:item_high]
        shorter = min(count, len(item))
        least = int(np.ceil(FLOOR_RATIO * shorter))
        if not may_share(words[low:high], piece, least, counters):
            first = last + 1
            continue
        length, _, _ = lcs_prefix(words[low:high], piece)
        if length >= _COPY * len(item):
            copied[order[first : last + 1]] = True
        if length >= FLOOR_RATIO * shorter:
            found = with_room(found, used, 1)
            found[used, :_HITS] = (row, s, low, high, item_low, item_high)
            found[used, _HITS:] = (number, length, shorter, listed, number)
            used += 1
            grams = with_room(grams, listed, number)
            for k in range(first, last + 1):
                grams[listed] = numbers[order[k]]
                listed += 1
        first = last + 1
    return found, used, grams, listed, copied


class _Room(NamedTuple):
    """What a document's words, n-grams and hits are written into, one document after the other:
    words and where each stands in bytes; hashes of n-grams, and places of those that passed a
    filter; sequence, place and n-gram of each hit; counters for ``may_share``."""

    words: U64
    starts: I64
    ends: I64
    grams: U64
    near: I64
    sequences: I64
    places: I64
    rows: I32
    counters: I32


@compiled
def _room_for(offsets: I64, max_hits: int) -> _Room:
    """Room for the longest of the documents."""
    longest = 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    words = longest + longest // 2 + 1
    return _Room(
        np.empty(words, np.uint64),
        np.empty(words, np.int64),
        np.empty(words, np.int64),
        np.empty(words, np.uint64),
        np.empty(words, np.int64),
        np.empty(max_hits, np.int64),
        np.empty(max_hits, np.int64),
        np.empty(max_hits, np.int32),
        np.zeros(BUCKETS, np.int32),
    )


@compiled
def _match_rows(
    raw: U8,
    data: U8,
    offsets: I64,
    letters: Alphabet,
    long: Gate,
    short: Gate,
    items: tuple[U64, I64],
    mode: Mode,
    max_hits: int,
) -> tuple[I64, Booleans, I32, I32]:
    rows = len(offsets) - 1
    room = _room_for(offsets, max_hits)
    words = room.words
    found = np.empty((64, _FIELDS), np.int64)
    grams = np.empty(64, np.int32)
    seen = np.empty(64, np.int32)
    used = listed = noticed = 0
    capped = np.zeros(rows, np.bool_)
    for row in range(rows):
        begin, finish = offsets[row], offsets[row + 1]
        count = scan_words(data, begin, finish, letters, words, room.starts[:0], room.ends[:0])
        near = passing(words, count, long, room.grams, room.near)
        hits, capped[row] = collect(room.grams, near, long, room.sequences, room.places, room.rows)
        if hits:
            at = (room.sequences[:hits], room.places[:hits], room.rows[:hits])
            found, used, grams, listed, copied = _long_matches(
                row,
                words[:count],
                at,
                items,
                long.n,
                mode,
                room.counters,
                found,
                used,
                grams,
                listed,
            )
            seen, noticed = add_seen(room.rows[:hits], copied, seen, noticed)
        if short.n != long.n:
            near = passing(words, count, short, room.grams, room.near)
        hits, over = collect(room.grams, near, short, room.sequences, room.places, room.rows)
        capped[row] = capped[row] or over
        if hits:
            # now with offsets
            scan_words(data, begin, finish, letters, words, room.starts, room.ends)
            text = (words, room.starts, room.ends, count)
            whole = (room.sequences[:hits], room.places[:hits])
            found, used = whole_matches(row, raw[begin:finish], text, whole, items, found, used)
    return found[:used], capped, grams[:listed], seen[:noticed]


@compiled
def _listed_grams(found: I64, listed: I32) -> tuple[I64, I32]:
    """The n-grams of some matches, in their order, and where those of each begin."""
    offsets = np.zeros(len(found) + 1, np.int64)
    for k in range(len(found)):
        offsets[k + 1] = offsets[k] + found[k, _GRAMS]
    grams = np.empty(offsets[-1], np.int32)
    for k in range(len(found)):
        grams[offsets[k] : offsets[k + 1]] = listed[
            found[k, _GRAM] : found[k, _GRAM] + found[k, _GRAMS]
        ]
    return offsets, grams


def find_matches(
    raw: U8, offsets: I64, index: Index, mode: Mode = MODES["paper"], max_hits: int = MAX_HITS
) -> Found:
    """The matches of all rows of a column of texts (its buffers), at or above ``FLOOR_RATIO``.

    ``mode`` must be the one that the index was built for."""
    data = without_markup(raw, offsets) if mode.markup else raw
    letters = alphabet()
    items = (index.tokens, index.offsets)
    found, capped, listed, seen = _match_rows(
        raw, data, offsets, letters, index.long, index.short, items, mode, max_hits
    )
    found = _best(found)
    row, sequence = found[:, _ROW].copy(), found[:, _SEQUENCE].copy()
    spans = find_spans(data, offsets, letters, items, row, sequence, found[:, _WINDOW].copy())
    order = np.lexsort((sequence, spans.start, row))
    found = found[order]
    gram_offsets, grams = _listed_grams(found, listed)
    return Found(
        row=found[:, _ROW],
        sequence=found[:, _SEQUENCE],
        hits=found[:, _HITS],
        lcs=found[:, _LCS],
        shorter=found[:, _SHORTER],
        **{name: values[order] for name, values in spans._asdict().items()},
        gram_offsets=gram_offsets,
        grams=grams,
        capped=capped,
        seen=Seen(seen >> 1, (seen & 1).astype(bool)),
    )


def _best(found: I64) -> I64:
    """At most MAX_MATCHES matches a row, the best ones, in the order of rows."""
    ratio = found[:, _LCS] / found[:, _SHORTER]
    order = np.lexsort(
        (found[:, _SEQUENCE], found[:, _LOW], -found[:, _LCS], -ratio, found[:, _ROW])
    )
    ranked = found[order]
    first = np.searchsorted(ranked[:, _ROW], ranked[:, _ROW])
    return np.ascontiguousarray(ranked[np.arange(len(ranked)) - first < MAX_MATCHES])
