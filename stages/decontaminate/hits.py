"""Hits: where n-grams of benchmarks stand in documents, and which n-grams documents hold."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pipeline.compile import compiled
from stages.decontaminate.gate import I32, Gate, first_key, lookup
from stages.words import I64, U64

Booleans = np.ndarray[Any, np.dtype[np.bool_]]


class Seen(NamedTuple):
    """The n-grams of the long gate that documents hold, each once a document. ``copied``: whether
    the document holds a sequence that the n-gram is of."""

    grams: I32
    copied: Booleans


@compiled
def collect(
    grams: U64, near: I64, gate: Gate, sequences: I64, places: I64, numbers: I32
) -> tuple[int, bool]:
    """Writes the hits of a text (sequence, first word, number of the n-gram) in the order of words;
    returns how many, and whether some were left out. ``near`` are the places of those of its
    ``grams`` that passed the filter.

    Slots of the table are fetched together first, as in ``candidates``.
    """
    hits = 0
    fetched = np.empty(len(near), np.uint64)
    for c in range(len(near)):
        fetched[c] = first_key(grams[near[c]], gate)
    for c in range(len(near)):
        if fetched[c] == 0:
            continue
        row = lookup(grams[near[c]], gate)
        if row < 0:
            continue
        for k in range(gate.offsets[row], gate.offsets[row + 1]):
            if hits == len(sequences):
                return hits, True
            sequences[hits] = gate.postings[k]
            places[hits] = near[c]
            numbers[hits] = row
            hits += 1
    return hits, False


@compiled
def with_room(values: Any, used: int, more: int) -> Any:
    """An array with room for ``more`` rows behind those used: this one, or a larger copy."""
    if used + more <= len(values):
        return values
    larger = np.empty((2 * (used + more), *values.shape[1:]), values.dtype)
    larger[:used] = values[:used]
    return larger


@compiled
def add_seen(numbers: I32, copied: Booleans, seen: I32, used: int) -> tuple[I32, int]:
    """Adds each n-gram of a document once, as twice its number, plus one where it is copied."""
    both = 2 * numbers + copied
    both.sort()
    seen = with_room(seen, used, len(both))
    for k in range(len(both)):
        if k + 1 == len(both) or both[k] >> 1 != both[k + 1] >> 1:
            seen[used] = both[k]  # the copied one, which sorts behind the other
            used += 1
    return seen, used
