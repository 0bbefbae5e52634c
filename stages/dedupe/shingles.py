"""Shingles: hashes of n tokens in a row. A document is compared as the set of its shingles."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.compile import compiled
from pipeline.text_buffers import every_row, text_buffers
from stages.dedupe.arrays import Bytes, Flags, Ints, Words64
from stages.dedupe.characters import capital_table
from stages.dedupe.letters import mix
from stages.dedupe.names import find_names
from stages.dedupe.slots import CONTEXT, find_slots
from stages.dedupe.tokens import (
    IS_CHARACTER,
    IS_NUMBER,
    Tables,
    token_tables,
    tokenize,
    tokenize_with_places,
)

_BASE = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd: base of the polynomial
_STRETCH = 1024
_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_WHOLE = np.uint64(0xD1B54A32D192ED03)  # keeps whole short documents apart from n-grams


@compiled
def shingle(tokens: Words64, count: int, ngram: int, char_ngram: int, shingles: Words64) -> int:
    """Shingle hashes of a document, in order, repeats included; returns how many.

    The shingle that ends at a word holds ``ngram`` tokens, one that ends at a character of a script
    without spaces ``char_ngram``. A document without a single shingle is one shingle as a whole;
    one without tokens has none. ``shingles`` (uint64) has room for ``count``. The hash is a
    polynomial in the token hashes modulo 2^64, mixed; its bit 0 is set where a token of the shingle
    begins with a digit.
    """
    kinds = _ZERO
    for index in range(count):
        kinds |= tokens[index]
    if kinds & IS_CHARACTER:
        found = _mixed_shingles(tokens, count, ngram, char_ngram, shingles)
    else:
        found = _windows(tokens, count, ngram, shingles)
        _flag_numbers(tokens, found, ngram, shingles)
    if found == 0 and count > 0:
        whole = np.uint64(count) * _WHOLE
        for index in range(count):
            whole = whole * _BASE + tokens[index]
        shingles[0] = _flagged(mix(whole), kinds & IS_NUMBER != _ZERO)
        found = 1
    return found


@compiled
def _flag_numbers(tokens: Words64, found: int, ngram: int, shingles: Words64) -> None:
    """Sets bit 0 of shingles of words, by their first token, that hold a number."""
    number = -1  # where the last one stood
    for index in range(min(ngram - 1, len(tokens))):
        number = index if tokens[index] & IS_NUMBER else number
    for begin in range(found):
        last = begin + ngram - 1
        number = last if tokens[last] & IS_NUMBER else number
        shingles[begin] = _flagged(shingles[begin], number >= begin)


@compiled
def _windows(tokens: Words64, count: int, width: int, hashes: Words64) -> int:
    """The mixed polynomials of all runs of ``width`` tokens, by their first; returns how many.

    A term of all of them after the other, over a stretch that stays in the L1 cache: vector
    instructions, where a hash that is kept up to date as the window moves waits for itself."""
    found = max(0, count - width + 1)
    for start in range(0, found, _STRETCH):
        end = min(found, start + _STRETCH)
        _some_windows(tokens[start : end + width - 1], width, hashes[start:end])
    return found


@compiled
def _some_windows(tokens: Words64, width: int, hashes: Words64) -> None:
    for index in range(len(hashes)):
        hashes[index] = tokens[index]
    for term in range(1, width):
        for index in range(len(hashes)):
            hashes[index] = hashes[index] * _BASE + tokens[index + term]
    for index in range(len(hashes)):
        hashes[index] = mix(hashes[index])


@compiled
def _mixed_shingles(
    tokens: Words64, count: int, ngram: int, char_ngram: int, shingles: Words64
) -> int:
    """``shingle`` where some tokens are characters."""
    by_word = np.empty(count, np.uint64)
    by_character = np.empty(count, np.uint64)
    _windows(tokens, count, ngram, by_word)
    _windows(tokens, count, char_ngram, by_character)
    found = 0
    number = -1
    for index in range(count):
        token = tokens[index]
        number = index if token & IS_NUMBER else number
        alone = token & IS_CHARACTER
        begin = index + 1 - (char_ngram if alone else ngram)
        if begin >= 0:
            value = by_character[begin] if alone else by_word[begin]
            shingles[found] = _flagged(value, number >= begin)
            found += 1
    return found


@compiled
def _flagged(value: np.uint64, number: bool) -> np.uint64:
    return (value & ~_ONE) | np.uint64(number)


@compiled
def sort_distinct(values: Words64, count: int, spare: Words64, starts: Ints) -> int:
    """Sorts ``values[:count]`` and drops repeats; returns how many are left.

    Hashes are uniform, so one pass into two to four times ``count`` buckets by their high bits
    leaves next to nothing for the insertion sort behind it: linear time. ``spare`` (uint64, count)
    and ``starts`` (int64, at least 4 * count + 1) are scratch.
    """
    if count < 2:
        return count
    bits = 1
    while (1 << bits) < 2 * count:
        bits += 1
    shift = np.uint64(64 - bits)
    buckets = 1 << bits
    starts[: buckets + 1] = 0
    for index in range(count):
        starts[(values[index] >> shift) + _ONE] += 1  # unsigned: not checked for being negative
    before = 0
    for bucket in range(buckets):
        before += starts[bucket]
        starts[bucket] = before
    for index in range(count):
        home = values[index] >> shift
        spare[np.uint64(starts[home])] = values[index]
        starts[home] += 1
    largest = _ZERO
    for index in range(count):
        value = spare[index]
        if value >= largest:  # in its place, as most are
            largest = value
            continue
        place = np.uint64(index)
        while place > _ZERO and spare[place - _ONE] > value:
            spare[place] = spare[place - _ONE]
            place -= _ONE
        spare[place] = value
    values[0] = spare[0]
    left = _ONE
    for index in range(1, count):
        values[left] = spare[index]
        left += np.uint64(spare[index] != spare[index - 1])
    return len(values[:left])


@compiled
def _sets(
    data: Bytes,
    offsets: Ints,
    rows: Ints,
    tables: Tables,
    capitals: Flags,
    ngram: int,
    char_ngram: int,
) -> tuple[Words64, Ints, Words64, Ints]:
    """The shingles and their bounds, then the slots and theirs; no slots without ``capitals``."""
    size = 0
    for row in rows:
        size += offsets[row + 1] - offsets[row]
    result = np.empty(max(1024, size // 5), np.uint64)
    slots = np.empty(max(1024, size // 100), np.uint64)
    bounds = np.zeros(len(rows) + 1, np.int64)
    slot_bounds = np.zeros(len(rows) + 1, np.int64)
    room = 0
    tokens = np.empty(4096, np.uint64)
    heads = shingles = spare = tokens
    starts = np.empty(0, np.int64)
    kinds = np.empty(0, np.uint8)
    for document in range(len(rows)):
        start = offsets[rows[document]]
        end = offsets[rows[document] + 1]
        if len(capitals):
            tokens, heads, count = tokenize_with_places(data, start, end, tables, tokens)
        else:
            tokens, count = tokenize(data, start, end, tables, tokens)
        if count > room:
            room = 2 * count
            shingles = np.empty(room, np.uint64)
            spare = np.empty(room + 2 * CONTEXT, np.uint64)
            starts = np.empty(4 * room + 1, np.int64)
            kinds = np.empty(room, np.uint8)
        slot_bounds[document + 1] = slot_bounds[document]
        if len(capitals) and find_names(
            data[:end], tokens, heads, count, tables, capitals, kinds, starts
        ):
            found = find_slots(tokens, kinds, count, spare, starts, shingles)
            found = sort_distinct(shingles, found, spare, starts)
            slots = _appended(slots, slot_bounds[document], shingles[:found])
            slot_bounds[document + 1] += found
        found = shingle(tokens, count, ngram, char_ngram, shingles)
        found = sort_distinct(shingles, found, spare, starts)
        result = _appended(result, bounds[document], shingles[:found])
        bounds[document + 1] = bounds[document] + found
    return result[: bounds[-1]].copy(), bounds, slots[: slot_bounds[-1]].copy(), slot_bounds


@compiled
def _appended(values: Words64, filled: int, more: Words64) -> Words64:
    """``values`` with ``more`` behind the first ``filled``; a larger copy where room lacks."""
    size = filled + len(more)
    if size > len(values):
        larger = np.empty(2 * size, np.uint64)
        larger[:filled] = values[:filled]
        values = larger
    values[filled:size] = more
    return values


def shingle_sets(
    text: pa.ChunkedArray | pa.Array, ngram: int, char_ngram: int, rows: Ints | None = None
) -> tuple[Words64, Ints]:
    """The shingle sets of documents: hashes (uint64, sorted and distinct within each document)
    and bounds (int64, documents + 1); document ``i`` has ``hashes[bounds[i]:bounds[i + 1]]``.
    ``rows`` (int64) are those of the column that are asked for, all if left out."""
    return shingles_and_slots(text, ngram, char_ngram, rows, names=False)[:2]


def shingles_and_slots(
    text: pa.ChunkedArray | pa.Array,
    ngram: int,
    char_ngram: int,
    rows: Ints | None = None,
    *,
    names: bool = True,
) -> tuple[Words64, Ints, Words64, Ints]:
    """The same, and the slots of documents (``slots.find_slots``: uint64, sorted and distinct
    within each document) with bounds of their own; no slots without ``names``."""
    data, offsets = text_buffers(text)
    chosen = every_row(offsets) if rows is None else rows
    capitals = capital_table() if names else np.zeros(0, bool)
    return _sets(data, offsets, chosen, token_tables(), capitals, ngram, char_ngram)


@compiled
def _shared(left: Words64, right: Words64) -> tuple[int, int]:
    """How many values two sorted distinct arrays share, and how many of these are numbers'."""
    i = 0
    j = 0
    both = 0
    numbers = 0
    while i < len(left) and j < len(right):
        a = left[i]
        b = right[j]
        same = a == b
        both += same
        numbers += same & bool(a & _ONE)
        i += a <= b
        j += b <= a
    return both, numbers


@compiled
def _numbers(shingles: Words64) -> int:
    found = 0
    for value in shingles:
        found += bool(value & _ONE)
    return found


@compiled
def likeness(
    left: Words64, right: Words64, weight: int, apart: int = 0
) -> tuple[float, float, float]:
    """Of two shingle sets: the Jaccard index; the least of it, the index in which a shingle with a
    number counts ``weight`` times, and the index in which either text has ``apart`` more shingles
    that the other has not; and the least containment (share of the smaller set that the other
    holds), counted in the same ways. All 0 when a set is empty."""
    if len(left) == 0 or len(right) == 0:
        return 0.0, 0.0, 0.0
    both, numbers = _shared(left, right)
    more = weight - 1
    both_weighted = both + more * numbers
    left_weighted = len(left) + more * _numbers(left)
    right_weighted = len(right) + more * _numbers(right)
    union = len(left) + len(right) - both
    weighted = both_weighted / (left_weighted + right_weighted - both_weighted)
    contained = both / (min(len(left), len(right)) + apart)
    contained_weighted = both_weighted / min(left_weighted, right_weighted)
    least = min(weighted, both / (union + 2 * apart))
    return both / union, least, min(contained, contained_weighted)


@compiled
def jaccard(left: Words64, right: Words64) -> float:
    """|A and B| / |A or B| of two sorted distinct arrays; 0.0 when both are empty."""
    total = len(left) + len(right)
    if total == 0:
        return 0.0
    both, _ = _shared(left, right)
    return both / (total - both)
