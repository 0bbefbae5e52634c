"""Shingles: hashes of n tokens in a row. A document is compared as the set of its shingles."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.compile import compiled
from pipeline.text_buffers import text_buffers
from stages.dedupe.arrays import Bytes, Ints, Words64
from stages.dedupe.tokens import IS_CHARACTER, IS_NUMBER, Tables, mix, token_tables, tokenize

_BASE = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd: base of the rolling polynomial
_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_WHOLE = np.uint64(0xD1B54A32D192ED03)  # keeps whole short documents apart from n-grams


@compiled
def _power(base: np.uint64, exponent: int) -> np.uint64:
    result = _ONE
    for _ in range(exponent):
        result = result * base
    return result


@compiled
def shingle(tokens: Words64, count: int, ngram: int, char_ngram: int, shingles: Words64) -> int:
    """Shingle hashes of a document, in order, repeats included; returns how many.

    The shingle that ends at a word holds ``ngram`` tokens, one that ends at a character of a script
    without spaces ``char_ngram``. A document without a single shingle is one shingle as a whole;
    one without tokens has none. ``shingles`` (uint64) has room for ``count``. The hash is a
    polynomial in the token hashes modulo 2^64, kept up to date as the window moves, then mixed;
    its bit 0 is set where a token of the shingle begins with a digit.
    """
    by_word = _ZERO
    by_character = _ZERO
    leaving_word = _power(_BASE, ngram)
    leaving_character = _power(_BASE, char_ngram)
    found = 0
    number = -1 - max(ngram, char_ngram)  # where the last number stood
    for index in range(count):
        token = tokens[index]
        if token & IS_NUMBER:
            number = index
        by_word = by_word * _BASE + token
        by_character = by_character * _BASE + token
        if index >= ngram:
            by_word -= tokens[index - ngram] * leaving_word
        if index >= char_ngram:
            by_character -= tokens[index - char_ngram] * leaving_character
        if token & IS_CHARACTER:
            if index + 1 >= char_ngram:
                shingles[found] = _flagged(mix(by_character), index - number < char_ngram)
                found += 1
        elif index + 1 >= ngram:
            shingles[found] = _flagged(mix(by_word), index - number < ngram)
            found += 1
    if found == 0 and count > 0:
        whole = np.uint64(count) * _WHOLE
        for index in range(count):
            whole = whole * _BASE + tokens[index]
        shingles[0] = _flagged(mix(whole), number >= 0)
        found = 1
    return found


@compiled
def _flagged(value: np.uint64, number: bool) -> np.uint64:
    return (value & ~_ONE) | np.uint64(number)


@compiled
def sort_distinct(values: Words64, count: int, spare: Words64, starts: Ints) -> int:
    """Sorts ``values[:count]`` and drops repeats; returns how many are left.

    Hashes are uniform, so one pass into about ``count`` buckets by their high bits leaves next to
    nothing for the insertion sort behind it: linear time. ``spare`` (uint64, count) and ``starts``
    (int64, at least 2 * count + 2) are scratch.
    """
    if count < 2:
        return count
    bits = 1
    while (1 << bits) < count:
        bits += 1
    shift = np.uint64(64 - bits)
    buckets = 1 << bits
    starts[: buckets + 1] = 0
    for index in range(count):
        starts[np.int64(values[index] >> shift) + 1] += 1
    for bucket in range(buckets):
        starts[bucket + 1] += starts[bucket]
    for index in range(count):
        home = np.int64(values[index] >> shift)
        spare[starts[home]] = values[index]
        starts[home] += 1
    for index in range(1, count):
        value = spare[index]
        place = index
        while place > 0 and spare[place - 1] > value:
            spare[place] = spare[place - 1]
            place -= 1
        spare[place] = value
    values[0] = spare[0]
    left = 1
    for index in range(1, count):
        if spare[index] != values[left - 1]:
            values[left] = spare[index]
            left += 1
    return left


@compiled
def _sets(
    data: Bytes,
    offsets: Ints,
    tables: Tables,
    ngram: int,
    char_ngram: int,
) -> tuple[Words64, Ints]:
    rows = len(offsets) - 1
    result = np.empty(max(1024, (offsets[rows] - offsets[0]) // 5), np.uint64)
    bounds = np.zeros(rows + 1, np.int64)
    tokens = np.empty(4096, np.uint64)
    shingles = np.empty(4096, np.uint64)
    spare = np.empty(4096, np.uint64)
    starts = np.empty(2 * 4096 + 2, np.int64)
    filled = 0
    for row in range(rows):
        tokens, count = tokenize(data, offsets[row], offsets[row + 1], tables, tokens)
        if count > len(shingles):
            shingles = np.empty(2 * count, np.uint64)
            spare = np.empty(2 * count, np.uint64)
            starts = np.empty(4 * count + 2, np.int64)
        found = shingle(tokens, count, ngram, char_ngram, shingles)
        found = sort_distinct(shingles, found, spare, starts)
        if filled + found > len(result):
            larger = np.empty(2 * (filled + found), np.uint64)
            larger[:filled] = result[:filled]
            result = larger
        result[filled : filled + found] = shingles[:found]
        filled += found
        bounds[row + 1] = filled
    return result[:filled].copy(), bounds


def shingle_sets(
    text: pa.ChunkedArray | pa.Array, ngram: int, char_ngram: int
) -> tuple[Words64, Ints]:
    """The shingle sets of documents: hashes (uint64, sorted and distinct within each document)
    and bounds (int64, rows + 1); document ``i`` has ``hashes[bounds[i]:bounds[i + 1]]``."""
    data, offsets = text_buffers(text)
    return _sets(data, offsets, token_tables(), ngram, char_ngram)


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
def likeness(left: Words64, right: Words64, weight: int) -> tuple[float, float, float]:
    """Of two shingle sets: the Jaccard index; the lesser of it and the index in which a shingle
    with a number counts ``weight`` times; and the lesser containment (share of the smaller set that
    the other holds), counted in both ways. All 0 when a set is empty."""
    if len(left) == 0 or len(right) == 0:
        return 0.0, 0.0, 0.0
    both, numbers = _shared(left, right)
    more = weight - 1
    both_weighted = both + more * numbers
    left_weighted = len(left) + more * _numbers(left)
    right_weighted = len(right) + more * _numbers(right)
    plain = both / (len(left) + len(right) - both)
    weighted = both_weighted / (left_weighted + right_weighted - both_weighted)
    contained = both / min(len(left), len(right))
    contained_weighted = both_weighted / min(left_weighted, right_weighted)
    return plain, min(plain, weighted), min(contained, contained_weighted)


@compiled
def jaccard(left: Words64, right: Words64) -> float:
    """|A and B| / |A or B| of two sorted distinct arrays; 0.0 when both are empty."""
    total = len(left) + len(right)
    if total == 0:
        return 0.0
    both, _ = _shared(left, right)
    return both / (total - both)
