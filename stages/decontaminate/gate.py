"""n-grams of words: their rolling hashes, and a hash table that says whose they are."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pipeline.compile import compiled
from stages.words import I64, U64, mix

I32 = np.ndarray[Any, np.dtype[np.int32]]

WHOLE = 13
"""Sequences of fewer words match as a whole: with fewer, no LCS reaches the rule's 13 words."""

# An odd constant with scattered bits (2^64 / golden ratio): the base of the rolling hash.
_BASE = np.uint64(0x9E3779B97F4A7C15)
_ONE = np.uint64(1)
_HALF = np.uint64(32)
_FILTER_BITS = 16
"""Bits of the filter for each n-gram. With three of them set in one word of 64 bits, one n-gram in
about 130 that is not there goes on to the table, and every look costs one cache line."""
_BLOCK = 2048
"""n-grams whose words of the filter are fetched together."""


class Gate(NamedTuple):
    """From n-gram to sequences. ``filter`` is a Bloom filter whose bits of one n-gram lie in one
    word (Putze, Sanders, Singler 2007); ``keys`` holds n-gram hashes (0: free), ``rows`` their
    numbers; n-gram r is of ``postings[offsets[r]:offsets[r + 1]]``.

    Words of the filter and slots of the table are taken by the upper half of the hash, so that
    n-grams in the order of their hashes fill both from front to back.
    """

    n: int
    filter: U64
    keys: U64
    rows: I32
    offsets: I32
    postings: I32


@compiled
def rolling(words: U64, count: int, n: int, grams: U64) -> int:
    """Writes the hashes of all n-grams of ``words[:count]`` (never 0) and returns their number."""
    if count < n:
        return 0
    leaving = _ONE  # what the word before the n-gram has been multiplied by
    state = np.uint64(0)
    for i in range(n):
        leaving *= _BASE
        state = state * _BASE + words[i]
    grams[0] = mix(state) | _ONE
    for i in range(n, count):
        state = state * _BASE + (words[i] - words[i - n] * leaving)
        grams[i - n + 1] = mix(state) | _ONE
    return count - n + 1


@compiled
def _place(gram: np.uint64, size: int) -> np.uint64:
    """A number below ``size`` (at most 2^32) that grows with the hash. Unsigned: an index that may
    be negative costs two more instructions."""
    return ((gram >> _HALF) * np.uint64(size)) >> _HALF


@compiled
def _next(slot: np.uint64, size: int) -> np.uint64:
    return slot + _ONE if slot + _ONE < np.uint64(size) else np.uint64(0)


@compiled
def _bits(gram: np.uint64) -> np.uint64:
    """Three bits of a word, by the lower half of the hash (its lowest bit is always set)."""
    first = _ONE << ((gram >> np.uint64(1)) & np.uint64(63))
    second = _ONE << ((gram >> np.uint64(7)) & np.uint64(63))
    return first | second | _ONE << ((gram >> np.uint64(13)) & np.uint64(63))


@compiled
def _fill(grams: U64, keys: U64, rows: I32) -> None:
    for row in range(len(grams)):
        slot = _place(grams[row], len(keys))
        while keys[slot] != 0:
            slot = _next(slot, len(keys))
        keys[slot] = grams[row]
        rows[slot] = row


@compiled
def _pass(grams: U64, filter_words: U64) -> None:
    for gram in grams:
        filter_words[_place(gram, len(filter_words))] |= _bits(gram)


def make_gate(n: int, grams: U64, offsets: I32, postings: I32, others: U64 | None = None) -> Gate:
    """A gate of distinct n-gram hashes and their postings (see ``Gate``). n-grams of ``others``
    pass its filter too."""
    capacity = len(grams) * 3 // 2 + 2
    keys = np.zeros(capacity, np.uint64)
    rows = np.zeros(capacity, np.int32)
    more = np.zeros(0, np.uint64) if others is None else others
    bits = (len(grams) + len(more)) * _FILTER_BITS
    filter_words = np.zeros(bits // 64 + 1, np.uint64)
    _fill(grams, keys, rows)
    _pass(grams, filter_words)
    _pass(more, filter_words)
    return Gate(n, filter_words, keys, rows, offsets, postings)


@compiled
def candidates(grams: U64, count: int, gate: Gate, places: I64) -> int:
    """Writes the places of n-grams that pass the filter.

    The filter's words of a block of n-grams are fetched first and tested then. With nothing but
    loads in the first loop, dozens are under way at once: a look costs about the same whether the
    filter fits into the caches or, with ten times the items, does not.
    """
    fetched = np.empty(_BLOCK, np.uint64)
    number = 0
    for begin in range(0, count, _BLOCK):
        block = grams[begin : min(count, begin + _BLOCK)]
        for i in range(len(block)):
            fetched[i] = gate.filter[_place(block[i], len(gate.filter))]
        for i in range(len(block)):
            bits = _bits(block[i])
            places[number] = begin + i
            number += int(fetched[i] & bits == bits)
    return number


@compiled
def passing(words: U64, count: int, gate: Gate, grams: U64, places: I64) -> I64:
    """The places of the n-grams of ``words[:count]`` that may be in the gate, in order. All hashes
    are written to ``grams``, and ``places`` is written over; of an empty gate neither."""
    if not gate.filter.any():
        return places[:0]
    return places[: candidates(grams, rolling(words, count, gate.n, grams), gate, places)]


@compiled
def first_key(gram: np.uint64, gate: Gate) -> np.uint64:
    """What stands where an n-gram is looked for first; 0: it is not in the gate."""
    key: np.uint64 = gate.keys[_place(gram, len(gate.keys))]
    return key


@compiled
def lookup(gram: np.uint64, gate: Gate) -> int:
    """The number of an n-gram in the gate, or -1."""
    slot = _place(gram, len(gate.keys))
    while gate.keys[slot] != 0:
        if gate.keys[slot] == gram:
            return int(gate.rows[slot])
        slot = _next(slot, len(gate.keys))
    return -1
