"""The two modes, and the window around n-gram hits in which the LCS is looked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pipeline.compile import compiled
from stages.words import U64


class Mode(NamedTuple):
    """How documents are matched.

    ``n`` words open the gate. ``aligned`` windows begin and end where the item would, were it
    copied word for word around the hits, others at the hits; ``slack`` times the words of the
    shorter of the two, text and item, are added at both ends. ``markup`` says that HTML tags and
    entities are no words. ``min_ratio`` is the least ratio of a copy, ``min_share`` the share of a
    short sequence that must be there (see ``rule.py``).
    """

    n: int
    aligned: bool
    slack: float
    markup: bool
    min_ratio: float
    min_share: float


MODES: Mapping[str, Mode] = {
    # n: Qwen2, arXiv 2407.10671, section 5.2.6; ratio: Qwen2.5, arXiv 2412.15115, section 5. Their
    # window is not published: |s_e| on both sides.
    "paper": Mode(n=13, aligned=False, slack=1.0, markup=False, min_ratio=0.6, min_share=1.0),
    # Measured (benchmarks/contamination.py). Of questions with a tenth of their words replaced
    # 13-grams find 66 %, 8-grams 91 %, 5-grams 97 %, all by the paper's two numbers. The narrow
    # window and the higher ratio keep out what shares turns of phrase: with 0.6, 24 training
    # questions of GSM8K would be copies of test questions, with 0.7 those that a reader takes for
    # copies.
    "hardened": Mode(n=5, aligned=True, slack=0.125, markup=True, min_ratio=0.7, min_share=0.75),
}


@compiled
def _places_in_item(item: U64, words: U64, at: int, n: int) -> tuple[int, int]:
    """Where the item has the n words at ``at``: the first such place, and the latest."""
    earliest = -1
    latest = 0
    for place in range(len(item) - n + 1):
        j = 0
        while j < n and item[place + j] == words[at + j]:
            j += 1
        if j == n:
            latest = place
            if earliest < 0:
                earliest = place
    return max(0, earliest), latest


@compiled
def window_bounds(
    words: U64, count: int, item: U64, first: int, last: int, n: int, aligned: bool, slack: float
) -> tuple[int, int, int, int]:
    """The window around the hits from word ``first`` to word ``last``, and the piece of the item
    that belongs there: first word and end of both. Only aligned windows at the edge of a text have
    less than the whole item.

    Where the item holds an n-gram several times, both are as long as one of them makes it.
    """
    size = len(item)
    if not aligned:
        more = int(slack * size + 0.999)
        return max(0, first - more), min(count, last + n + more), 0, size
    more = int(slack * min(size, count) + 0.999)
    begin, begin_latest = _places_in_item(item, words, first, n)
    end, end_latest = _places_in_item(item, words, last, n)
    low = max(0, first - begin_latest - more)
    high = min(count, last - end + size + more)
    return low, high, max(0, begin - first - more), min(size, end_latest + count - last + more)
