"""An upper bound of the LCS that costs a fraction of it: words in common, in whatever order.

Of the windows that a gate of 5-grams opens, one in 70 holds an LCS worth keeping. Most of the
others have not even the words: for them the LCS is never computed.
"""

from __future__ import annotations

import numpy as np

from pipeline.compile import compiled
from stages.decontaminate.gate import I32
from stages.words import U64

BUCKETS = 4096
"""Counters of words, taken by the lowest bits of their hashes: more than most items have words, and
few enough for the first cache. Words that share one count as equal, so the bound only grows."""


@compiled
def may_share(window: U64, item: U64, least: int, counters: I32) -> bool:
    """Whether two sequences of words may have ``least`` words in common, each as often as it stands
    in both: false says that their LCS is shorter. ``counters`` (``BUCKETS``) must be zero, and are
    left so."""
    if least > min(len(window), len(item)):
        return False
    cut = np.uint64(BUCKETS - 1)
    for j in range(len(item)):
        counters[item[j] & cut] += 1
    common = 0
    spare = len(window) - least  # words of the window that may be without their like
    for i in range(len(window)):
        bucket = window[i] & cut
        if counters[bucket] > 0:
            counters[bucket] -= 1
            common += 1
            if common >= least:
                break
        else:
            spare -= 1
            if spare < 0:
                break
    for j in range(len(item)):
        counters[item[j] & cut] = 0
    return common >= least
