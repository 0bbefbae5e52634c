"""Sorting by keys that are hashes: in linear time, since they are spread evenly."""

from __future__ import annotations

import numpy as np

from pipeline.compile import compiled
from stages.dedupe.arrays import Ints, Words64

_ONE = np.uint64(1)


@compiled
def sort_by_key(keys: Words64) -> tuple[Words64, Ints]:
    """The keys (uint64), sorted, and where each stood (int64), equal keys in their old order.

    Keys between the least and the largest are taken to be uniform: one pass into about as many
    buckets as there are keys leaves next to nothing for the insertion sort behind it. Keys that
    often repeat do no harm.
    """
    count = len(keys)
    ordered = np.empty(count, np.uint64)
    order = np.empty(count, np.int64)
    if count == 0:
        return ordered, order
    least = keys.min()
    shift = np.uint64(0)
    while (keys.max() - least) >> shift >= np.uint64(count):
        shift += _ONE
    starts = np.zeros(count + 1, np.int64)
    for index in range(count):
        starts[((keys[index] - least) >> shift) + _ONE] += 1
    for bucket in range(count):
        starts[bucket + 1] += starts[bucket]
    for index in range(count):
        home = (keys[index] - least) >> shift
        place = np.uint64(starts[home])
        ordered[place] = keys[index]
        order[place] = index
        starts[home] += 1
    for index in range(1, count):
        key = ordered[index]
        owner = order[index]
        place = np.uint64(index)
        while place > 0 and ordered[place - _ONE] > key:
            ordered[place] = ordered[place - _ONE]
            order[place] = order[place - _ONE]
            place -= _ONE
        ordered[place] = key
        order[place] = owner
    return ordered, order
