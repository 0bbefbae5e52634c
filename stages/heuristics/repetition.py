"""Repetition inside a document: duplicate lines, paragraphs and n-grams of words.

Definitions of table A1 of the Gopher paper (arXiv 2112.11446), counted the way datatrove counts
them, so that thresholds mean the same thing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.compile import compiled
from stages.heuristics.words import Bounds, Codes, Flags, Hashes, hash_of

Counts = np.ndarray[Any, np.dtype[np.int32]]
Row = np.ndarray[Any, np.dtype[np.float64]]

NEWLINE = 0x0A
_SPACE = 2  # characters.SPACE

TOP_SIZES = (2, 3, 4)
DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)


@compiled
def find_slot(keys: Hashes, counts: Counts, mask: int, key: np.uint64) -> int:
    """Place of a key in an open-addressing table: where it is, or the free place for it."""
    mixed = key * np.uint64(0x9E3779B97F4A7C15)
    slot = np.int64(mixed >> np.uint64(20)) & mask
    while counts[slot] != 0 and keys[slot] != key:
        slot = (slot + 1) & mask
    return int(slot)


@compiled
def table_mask(entries: int) -> int:
    """Size minus one of a table at most half full, a power of two."""
    size = 16
    while size < 2 * entries:
        size *= 2
    return size - 1


@compiled
def find_lines(codes: Codes, length: int, starts: Bounds, ends: Bounds, hashes: Hashes) -> int:
    """Fills bounds and hashes of the lines between newlines; returns their number."""
    lines = 0
    start = 0
    for position in range(length + 1):
        if position == length or codes[position] == NEWLINE:
            starts[lines] = start
            ends[lines] = position
            hashes[lines] = hash_of(codes, start, position)
            lines += 1
            start = position + 1
    return lines


@compiled
def measure_repeated_lines(
    flags: Flags,
    starts: Bounds,
    ends: Bounds,
    hashes: Hashes,
    lines: int,
    keys: Hashes,
    counts: Counts,
    found: Row,
) -> None:
    """``[pieces between runs of newlines, repeated ones, characters of those, characters of
    repeated lines that are not blank]``.

    A line is repeated from its second occurrence on. The first three are Gopher's, the last is
    FineWeb's.
    """
    found[:4] = 0.0
    mask = table_mask(lines)
    counts[: mask + 1] = 0
    for line in range(lines):
        width = ends[line] - starts[line]
        # A run of newlines is one border: it leaves an empty piece only at an end of the text.
        if width == 0 and 0 < line < lines - 1:
            continue
        found[0] += 1
        slot = find_slot(keys, counts, mask, hashes[line])
        if counts[slot] > 0:
            found[1] += 1
            found[2] += width
            if not is_blank(flags, starts[line], ends[line]):
                found[3] += width
        keys[slot] = hashes[line]
        counts[slot] = 1


@compiled
def is_blank(flags: Flags, low: int, high: int) -> bool:
    """Whether there is nothing but white space."""
    while low < high and flags[low] & _SPACE:
        low += 1
    return low == high


@compiled
def measure_repeated_paragraphs(
    codes: Codes,
    flags: Flags,
    length: int,
    starts: Bounds,
    ends: Bounds,
    hashes: Hashes,
    lines: int,
    keys: Hashes,
    counts: Counts,
    found: Row,
) -> None:
    """``[paragraphs, repeated ones, characters of those]``: what stands between two or more
    newlines, without white space around the whole text."""
    found[:3] = 0.0
    low = 0
    high = length
    while low < high and flags[low] & _SPACE:
        low += 1
    while high > low and flags[high - 1] & _SPACE:
        high -= 1
    mask = table_mask(lines)
    counts[: mask + 1] = 0
    line = 0
    while line < lines and ends[line] <= low:
        line += 1
    while line < lines and starts[line] < high:
        if ends[line] == starts[line]:
            line += 1
            continue
        begun = max(starts[line], low)
        end = begun
        key = np.uint64(0)
        while line < lines and ends[line] > starts[line] and starts[line] < high:
            # The text's own first and last line may have lost white space.
            clipped = starts[line] < low or ends[line] > high
            value = hashes[line]
            if clipped:
                value = hash_of(codes, max(starts[line], low), min(ends[line], high))
            key = (key ^ value) * np.uint64(0xC2B2AE3D27D4EB4F)
            end = min(ends[line], high)
            line += 1
        found[0] += 1
        slot = find_slot(keys, counts, mask, key)
        if counts[slot] > 0:
            found[1] += 1
            found[2] += end - begun
        keys[slot] = key
        counts[slot] = 1
    found[0] = max(found[0], 1.0)


@compiled
def measure_ngrams(
    hashes: Hashes,
    lengths: Bounds,
    words: int,
    spread: int,
    grams: Hashes,
    keys: Hashes,
    counts: Counts,
    found: Row,
) -> None:
    """Characters of the most frequent 2-, 3- and 4-gram, and in repeated 5- to 10-grams.

    ``found[0:3]`` gets the first (length with spaces times occurrences; ties go to the one that
    comes first), ``found[3:9]`` the second (scanned left to right, leaping over what was counted).
    ``spread`` is how many entries stand for one word.
    """
    found[:9] = 0.0
    mask = table_mask(words)
    for place in range(words):
        grams[place] = hashes[place]
    for size in range(2, 10 * spread + 1):
        total = words - size + 1
        if total <= 0:
            return
        for place in range(total):
            mixed = grams[place] * np.uint64(0xC2B2AE3D27D4EB4F) + hashes[place + size - 1]
            grams[place] = mixed ^ (mixed >> np.uint64(29))
        if size % spread != 0 or size // spread < 2:
            continue
        counts[: mask + 1] = 0
        if size // spread <= 4:
            best = 0
            for place in range(total):
                slot = find_slot(keys, counts, mask, grams[place])
                keys[slot] = grams[place]
                counts[slot] += 1
                best = max(best, counts[slot])
            for place in range(total):
                if counts[find_slot(keys, counts, mask, grams[place])] == best:
                    width = size - 1 if spread == 1 else 0
                    for word in range(place, place + size):
                        width += lengths[word]
                    found[size // spread - 2] = width * best
                    break
        else:
            characters = 0
            place = 0
            while place < total:
                slot = find_slot(keys, counts, mask, grams[place])
                if counts[slot] > 0:
                    for word in range(place, place + size):
                        characters += lengths[word]
                    place += size
                else:
                    keys[slot] = grams[place]
                    counts[slot] = 1
                    place += 1
            found[size // spread - 2] = characters
