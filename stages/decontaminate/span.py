"""Where matches stand: the stretch of the document and of the item, in characters and bytes.

The rule takes the LCS of a whole window. Its outermost words may be strays, words that stand in
the item and, for other reasons, somewhere above or below the copy; what is shown and masked is the
stretch of the window where the item stands densely (``lcs.densest_stretch``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.compile import compiled
from stages.decontaminate.lcs import densest_stretch, lcs_spans
from stages.words import I64, U8, U64, Alphabet, scan_words


class Spans(NamedTuple):
    """For each match the characters ``start:end`` and bytes ``byte_start:byte_end`` of the document
    in which it stands, the words ``item_start:item_end`` of the sequence, and how many words the
    two have in common there (at most the LCS of the window)."""

    start: I64
    end: I64
    byte_start: I64
    byte_end: I64
    item_start: I64
    item_end: I64
    span_lcs: I64


@compiled
def _characters(data: U8, begin: int, end: int) -> int:
    """The number of characters that begin in ``data[begin:end]``."""
    number = 0
    for i in range(begin, end):
        number += int((data[i] & 0xC0) != 0x80)
    return number


@compiled
def find_spans(
    data: U8,
    offsets: I64,
    letters: Alphabet,
    items: tuple[U64, I64],
    rows: I64,
    sequences: I64,
    windows: I64,
) -> Spans:
    """The spans of matches. ``rows`` of the texts must rise; ``windows`` has four columns: first
    word and end of the window in the text, and of the piece of the sequence that belongs there."""
    tokens, token_offsets = items
    longest = 0
    for row in rows:
        longest = max(longest, offsets[row + 1] - offsets[row])
    capacity = longest + longest // 2 + 1
    words = np.empty(capacity, np.uint64)
    starts = np.empty(capacity, np.int64)
    ends = np.empty(capacity, np.int64)
    spans = np.empty((7, len(rows)), np.int64)
    for k in range(len(rows)):
        begin = offsets[rows[k]]
        if k == 0 or rows[k] != rows[k - 1]:
            scan_words(data, begin, offsets[rows[k] + 1], letters, words, starts, ends)
        low, high, item_low, item_high = windows[k]
        first = token_offsets[sequences[k]]
        piece = tokens[first + item_low : first + item_high]
        at, end = densest_stretch(words[low:high], piece)
        common = lcs_spans(words[low + at : low + end], piece)
        byte_start, byte_end = starts[low + at], ends[low + end - 1]
        spans[0, k] = _characters(data, begin, begin + byte_start)
        spans[1, k] = spans[0, k] + _characters(data, begin + byte_start, begin + byte_end)
        spans[2, k] = byte_start
        spans[3, k] = byte_end
        spans[4, k] = item_low + common[3]
        spans[5, k] = item_low + common[4]
        spans[6, k] = common[0]
    return Spans(spans[0], spans[1], spans[2], spans[3], spans[4], spans[5], spans[6])
