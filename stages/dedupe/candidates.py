"""Candidate pairs from buckets: every pair of a small bucket, a linear number from a large one."""

from __future__ import annotations

import numpy as np

from pipeline.compile import compiled
from stages.dedupe.arrays import Ints

NEIGHBOURS = 8
"""In a bucket over the limit: how many documents next in the survivor order each is paired with."""


@compiled
def _count(bounds: Ints, limit: int) -> tuple[int, int, int]:
    pairs = 0
    capped = 0
    left_out = 0
    for bucket in range(len(bounds) - 1):
        size = bounds[bucket + 1] - bounds[bucket]
        every = size * (size - 1) // 2
        if size <= limit:
            pairs += every
            continue
        # the star, and each document with those that follow it (the first is the star's centre)
        some = size - 1
        for member in range(1, size):
            some += min(NEIGHBOURS, size - 1 - member)
        pairs += some
        capped += 1
        left_out += every - some
    return pairs, capped, left_out


@compiled
def _fill(members: Ints, bounds: Ints, limit: int, pairs: int) -> tuple[Ints, Ints]:
    left = np.empty(pairs, np.int64)
    right = np.empty(pairs, np.int64)
    filled = 0
    for bucket in range(len(bounds) - 1):
        start = bounds[bucket]
        stop = bounds[bucket + 1]
        for first in range(start, stop):
            last = stop
            if stop - start > limit and first > start:
                last = min(stop, first + 1 + NEIGHBOURS)
            for second in range(first + 1, last):
                left[filled] = members[first]
                right[filled] = members[second]
                filled += 1
    return left, right


def bucket_pairs(members: Ints, bounds: Ints, limit: int) -> tuple[Ints, Ints, int, int]:
    """Pairs (``left < right``, ranks, distinct, sorted by left then right) of documents that share
    a bucket, the number of buckets over ``limit`` and the number of pairs left out there.

    ``members`` are ranks, rising within each bucket; ``bounds`` (buckets + 1) parts them. In a
    bucket of more than ``limit`` documents each is paired with the first, which is the survivor of
    all if they are alike, and with the ``NEIGHBOURS`` that follow it in the survivor order: at most
    9 pairs a document, never a quadratic number. Memory: 40 bytes a pair.
    """
    pairs, capped, left_out = _count(bounds, limit)
    left, right = distinct_pairs(*_fill(members, bounds, limit, pairs))
    return left, right, capped, left_out


def distinct_pairs(left: Ints, right: Ints) -> tuple[Ints, Ints]:
    """The pairs without repeats, sorted by left, then right."""
    if len(left) == 0:
        return left, right
    if int(right.max()) < 1 << 31 and int(left.max()) < 1 << 31:
        packed = np.unique(left << 32 | right)
        return packed >> 32, packed & 0xFFFFFFFF
    order = np.lexsort((right, left))
    left, right = left[order], right[order]
    fresh = np.ones(len(left), bool)
    fresh[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    return left[fresh], right[fresh]
