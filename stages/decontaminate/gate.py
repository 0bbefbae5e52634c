"""n-grams of words: their rolling hashes, and a hash table that says whose they are."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pipeline.compile import compiled
from stages.words import U64, mix

I32 = np.ndarray[Any, np.dtype[np.int32]]

# An odd constant with scattered bits (2^64 / golden ratio): the base of the rolling hash.
_BASE = np.uint64(0x9E3779B97F4A7C15)
_ONE = np.uint64(1)
_FILTER_BITS = 16
"""Bits of the filter for each n-gram: one n-gram in 16 that is not there goes to the table."""


class Gate(NamedTuple):
    """From n-gram to sequences. ``filter`` is a bit table; ``keys`` holds n-gram hashes (0: free),
    ``rows`` their numbers; n-gram r is of ``postings[offsets[r]:offsets[r + 1]]``."""

    n: int
    filter: U64
    keys: U64
    rows: I32
    offsets: I32
    postings: I32


@compiled
def rolling(words: U64, count: int, n: int, grams: U64) -> int:
    """Writes the hashes of all n-grams of ``words[:count]`` (never 0) and returns their number."""
    top = _ONE
    for _ in range(n - 1):
        top *= _BASE
    state = np.uint64(0)
    for i in range(count):
        if i >= n:
            state -= words[i - n] * top
        state = state * _BASE + words[i]
        if i >= n - 1:
            grams[i - n + 1] = mix(state) | _ONE
    return max(0, count - n + 1)


@compiled
def _fill(grams: U64, keys: U64, rows: I32, filter_words: U64) -> None:
    cut = np.uint64(len(keys) - 1)
    bits = np.uint64(len(filter_words) * 64 - 1)
    for row in range(len(grams)):
        slot = (grams[row] >> _ONE) & cut
        while keys[slot] != 0:
            slot = (slot + _ONE) & cut
        keys[slot] = grams[row]
        rows[slot] = row
        bit = (grams[row] >> np.uint64(20)) & bits
        filter_words[bit >> np.uint64(6)] |= _ONE << (bit & np.uint64(63))


def make_gate(n: int, grams: U64, offsets: I32, postings: I32) -> Gate:
    """A gate of distinct n-gram hashes and their postings (see ``Gate``)."""
    capacity = 1 << max(1, (len(grams) * 4 // 3).bit_length())  # at most 3/4 full
    keys = np.zeros(capacity, np.uint64)
    rows = np.zeros(capacity, np.int32)
    bits = 1 << max(6, (_FILTER_BITS * len(grams) - 1).bit_length())
    filter_words = np.zeros(bits // 64, np.uint64)
    _fill(grams, keys, rows, filter_words)
    return Gate(n, filter_words, keys, rows, offsets, postings)


@compiled
def lookup(gram: np.uint64, gate: Gate) -> int:
    """The number of an n-gram in the gate, or -1."""
    cut = np.uint64(len(gate.keys) - 1)
    slot = (gram >> _ONE) & cut
    while gate.keys[slot] != 0:
        if gate.keys[slot] == gram:
            return int(gate.rows[slot])
        slot = (slot + _ONE) & cut
    return -1
