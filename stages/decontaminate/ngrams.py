"""Which n-grams may open the gate: those of all sequences, sorted, grouped, with their owners."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.compile import compiled
from stages.decontaminate.gate import I32, Gate, candidates, lookup, rolling
from stages.words import I64, U64

_DIGIT_BITS = 11
_DIGITS = 6  # 6 x 11 bits >= 64


class Groups(NamedTuple):
    """n-grams in the order of their hashes. n-gram r may open the gate to the sequences
    ``postings[offsets[r]:offsets[r + 1]]`` and begins with the token ``firsts[r]`` where it stands
    first. ``common`` are the same of n-grams of too many items, ``items`` in how many each stands.
    """

    grams: U64
    firsts: I32
    offsets: I32
    postings: I32
    common: I64
    items: I64


@compiled
def all_grams(tokens: U64, offsets: I64, n: int, least: int) -> tuple[U64, I32]:
    """Hashes of the n-grams of all sequences of at least ``least`` words, and the number of the
    token that each begins with."""
    total = 0
    for s in range(len(offsets) - 1):
        size = offsets[s + 1] - offsets[s]
        total += size - n + 1 if size >= max(n, least) else 0
    grams = np.empty(total, np.uint64)
    starts = np.empty(total, np.int32)
    at = 0
    for s in range(len(offsets) - 1):
        size = offsets[s + 1] - offsets[s]
        if size < max(n, least):
            continue
        number = rolling(tokens[offsets[s] : offsets[s + 1]], size, n, grams[at:])
        for k in range(number):
            starts[at + k] = offsets[s] + k
        at += number
    return grams, starts


@compiled
def sort_pairs(keys: U64, values: I32) -> tuple[U64, I32]:
    """Sorts pairs by key, those of equal keys in the order given (radix sort, lowest digit first).

    The arrays given are used as scratch space.
    """
    other_keys = np.empty(len(keys), np.uint64)
    other_values = np.empty(len(keys), np.int32)
    mask = np.uint64((1 << _DIGIT_BITS) - 1)
    for digit in range(_DIGITS):
        shift = np.uint64(digit * _DIGIT_BITS)
        places = np.zeros(1 << _DIGIT_BITS, np.int64)
        for i in range(len(keys)):
            places[(keys[i] >> shift) & mask] += 1
        total = 0
        for bucket in range(len(places)):
            size = places[bucket]
            places[bucket] = total
            total += size
        for i in range(len(keys)):
            bucket = (keys[i] >> shift) & mask
            other_keys[places[bucket]] = keys[i]
            other_values[places[bucket]] = values[i]
            places[bucket] += 1
        keys, other_keys = other_keys, keys
        values, other_values = other_values, values
    return keys, values


@compiled
def _counts(values: I64, start: int, n: int) -> bool:
    """Whether an n-gram counts: numbers, each the one before it, plus or minus one or nothing."""
    for i in range(start, start + n):
        if values[i] < 0 or (i > start and abs(values[i] - values[i - 1]) > 1):
            return False
    return True


@compiled
def group(
    grams: U64, starts: I32, owner_of: I32, items: I64, values: I64, n: int, common_items: int
) -> Groups:
    """Groups sorted n-grams. ``owner_of`` says whose each token is, ``items`` of which item each
    sequence is, ``values`` are tokens as numbers (-1: none)."""
    total = len(grams)
    distinct = np.empty(total, np.uint64)
    firsts = np.empty(total, np.int32)
    offsets = np.zeros(total + 1, np.int32)
    postings = np.empty(total, np.int32)
    common = np.empty(total, np.int64)
    frequency = np.empty(total, np.int64)
    kept = used = found = 0
    begin = 0
    while begin < total:
        end = begin
        number = 0
        write = used
        last = -1
        while end < total and grams[end] == grams[begin]:
            owner = owner_of[starts[end]]
            if owner != last:
                if last < 0 or items[owner] != items[last]:
                    number += 1
                postings[write] = owner
                write += 1
                last = owner
            end += 1
        if number >= common_items:
            common[found] = starts[begin]
            frequency[found] = number
            found += 1
        elif not _counts(values, starts[begin], n):
            distinct[kept] = grams[begin]
            firsts[kept] = starts[begin]
            kept += 1
            offsets[kept] = write
            used = write
        begin = end
    return Groups(
        distinct[:kept].copy(),
        firsts[:kept].copy(),
        offsets[: kept + 1].copy(),
        postings[:used].copy(),
        common[:found].copy(),
        frequency[:found].copy(),
    )


@compiled
def heads(tokens: U64, starts: I64, n: int) -> U64:
    """The n-gram at each place."""
    grams = np.empty(len(starts), np.uint64)
    for k in range(len(starts)):
        rolling(tokens[starts[k] : starts[k] + n], n, n, grams[k : k + 1])
    return grams


@compiled
def items_with(gate: Gate, tokens: U64, offsets: I64, items: I64) -> I64:
    """In how many items each sequence of a gate of heads stands, alone or inside of others."""
    longest = 0
    for s in range(len(offsets) - 1):
        longest = max(longest, offsets[s + 1] - offsets[s])
    grams = np.empty(longest, np.uint64)
    places = np.empty(longest, np.int64)
    number = np.zeros(len(offsets) - 1, np.int64)
    latest = np.full(len(offsets) - 1, -1, np.int64)
    for s in range(len(offsets) - 1):
        text = tokens[offsets[s] : offsets[s + 1]]
        count = rolling(text, len(text), gate.n, grams)
        for c in range(candidates(grams, count, gate, places)):
            row = lookup(grams[places[c]], gate)
            if row < 0:
                continue
            for k in range(gate.offsets[row], gate.offsets[row + 1]):
                short = gate.postings[k]
                size = offsets[short + 1] - offsets[short]
                if latest[short] == items[s] or places[c] + size > len(text):
                    continue
                j = gate.n
                while j < size and text[places[c] + j] == tokens[offsets[short] + j]:
                    j += 1
                if j == size:
                    latest[short] = items[s]
                    number[short] += 1
    return number


@compiled
def digests(tokens: U64, offsets: I64) -> U64:
    """A hash of all the words of each row; 0 for rows without words."""
    result = np.zeros(len(offsets) - 1, np.uint64)
    for row in range(len(result)):
        size = offsets[row + 1] - offsets[row]
        if size > 0:
            rolling(tokens[offsets[row] : offsets[row + 1]], size, size, result[row : row + 1])
    return result
