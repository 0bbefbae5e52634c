"""Longest common subsequence of two word sequences, exact, with both its spans; and where in a text
an item stands most densely.

The length takes 64 words a step. The bit-vector recurrence is that of Hyyrö 2004 ("Bit-parallel
LCS-length computation revisited"): bit j of V is 0 where the LCS of the window read so far grows at
word j of the item.
"""

from __future__ import annotations

import numpy as np

from pipeline.compile import compiled
from stages.words import I64, U64

_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@compiled
def lcs_prefix(window: U64, item: U64) -> tuple[int, int, int]:
    """The LCS length of two word sequences, and the shortest prefixes that have it.

    Returns (length, words of the window's prefix, words of the item's prefix): the first is the
    shortest prefix of the window that has the length with the whole item, the second the shortest
    of the item that has it with that prefix. Costs ``len(window) * ceil(len(item) / 64)`` steps.
    """
    words = len(item)
    if words == 0 or len(window) == 0:
        return 0, 0, 0
    owner, masks = _masks_of_words(item)
    blocks = masks.shape[1]
    vector = np.full(blocks, _ALL, np.uint64)
    best = vector.copy()
    length = 0
    end = 0
    for i in range(len(window)):
        slot = _slot(window[i], item, owner)
        if owner[slot] < 0:
            continue
        carry = np.uint64(0)
        for block in range(blocks):
            old = vector[block]
            hit = old & masks[slot, block]
            total = old + hit
            over = total < old
            total += carry
            carry = np.uint64(over or total < carry)
            vector[block] = total | (old & ~hit)
        if carry != 0:
            # The bits above the item's last are ones, so the sum carries out when the LCS grows.
            length += 1
            end = i + 1
            best[:] = vector
            if length == words:
                break
    last = 0
    for j in range(words - 1, -1, -1):
        if (best[j >> 6] >> np.uint64(j & 63)) & _ONE == 0:
            last = j + 1
            break
    return length, end, last


@compiled
def _masks_of_words(item: U64) -> tuple[I64, U64]:
    """Which bits of the item each of its words sets: an open-addressing table of its words. Of each
    slot the first place of its word (-1: free), and the mask, 64 words a column."""
    capacity = 4
    while capacity < 2 * len(item):
        capacity *= 2
    owner = np.full(capacity, -1, np.int64)
    masks = np.zeros((capacity, (len(item) + 63) // 64), np.uint64)
    for j in range(len(item)):
        slot = _slot(item[j], item, owner)
        if owner[slot] < 0:
            owner[slot] = j
        masks[slot, j >> 6] |= _ONE << np.uint64(j & 63)
    return owner, masks


@compiled
def _slot(word: np.uint64, item: U64, owner: I64) -> np.uint64:
    """Where a word stands in the table of an item's words, or the free slot where it would."""
    cut = np.uint64(len(owner) - 1)
    slot = word & cut
    while owner[slot] >= 0 and item[owner[slot]] != word:
        slot = (slot + _ONE) & cut
    return slot


@compiled
def lcs_spans(window: U64, item: U64) -> I64:
    """The LCS length and where it lies: [length, start, end, item start, item end] (word numbers).

    The end is the earliest at which the window reaches the length, the item's end the earliest
    for that; the starts are the latest for those ends.
    """
    length, end, item_end = lcs_prefix(window, item)
    spans = np.zeros(5, np.int64)
    spans[0] = length
    if length == 0:
        return spans
    back, item_back = _reversed(window, end), _reversed(item, item_end)
    _, size, item_size = lcs_prefix(back, item_back)
    spans[1] = end - size
    spans[2] = end
    spans[3] = item_end - item_size
    spans[4] = item_end
    return spans


@compiled
def _reversed(words: U64, end: int) -> U64:
    back = np.empty(end, np.uint64)
    for i in range(end):
        back[i] = words[end - 1 - i]
    return back


_SCORE_BITS = np.int64(32)
_COMMON = np.int64(2) << _SCORE_BITS
_OTHER = np.int64(1) << _SCORE_BITS


@compiled
def densest_stretch(window: U64, item: U64) -> tuple[int, int]:
    """First word and end of the stretch of a window where an item stands most densely.

    That is the stretch w with the largest ``3 * |LCS(w, item)| - |w|``: a word in common counts 2,
    every other word of the stretch -1. So a word of the common subsequence that happens to stand
    far from the others, such as a ``def`` 40 words above a copied function, is left out, while
    words that an edited copy has in place of the item's are inside. Of several the one that ends
    first, and of these the shortest; (0, 0) where no word is in common. No part of it has as many
    words in common.

    A local alignment (Smith and Waterman 1981) in which words of the item cost nothing when left
    out; ``len(window) * len(item)`` steps.
    """
    # For each prefix of the item the best stretch that ends here: its score, and below it, in 32
    # bits, its first word, so that the larger number is the better and then the shorter stretch.
    best = np.zeros(len(item) + 1, np.int64)
    top = np.int64(0)
    end = 0
    for i in range(len(window)):
        empty = np.int64(i + 1)
        diagonal = best[0]
        best[0] = empty
        for j in range(len(item)):
            value = max(best[j + 1] - _OTHER, best[j])
            if window[i] == item[j]:
                value = max(value, diagonal + _COMMON)
            diagonal = best[j + 1]
            best[j + 1] = max(value, empty)
        if best[-1] >> _SCORE_BITS > top >> _SCORE_BITS:
            top = best[-1]
            end = i + 1
    return int(top & np.int64(0xFFFFFFFF)), end
