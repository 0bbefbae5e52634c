"""The two modes, and the window around n-gram hits in which the LCS is looked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pipeline.compile import compiled
from stages.words import U64


class Mode(NamedTuple):
    """How documents are matched.

    ``n`` words open the gate. ``aligned`` windows begin and end where the item would, were it
    copied word for word around the hits, others at the hits; ``slack`` times the item's words are
    added at both ends. ``markup`` says that HTML tags and entities are no words.
    """

    n: int
    aligned: bool
    slack: float
    markup: bool


MODES: Mapping[str, Mode] = {
    # Qwen2, arXiv 2407.10671, section 5.2.6. Its window is not published: |s_e| on both sides.
    "paper": Mode(n=13, aligned=False, slack=1.0, markup=False),
    # Measured (benchmarks/contamination.py): of the questions with a tenth of their words replaced
    # 13-grams find 66 %, 8-grams 91 %, 5-grams 97 %. The narrow window keeps chance out.
    "hardened": Mode(n=5, aligned=True, slack=0.125, markup=True),
}


@compiled
def _place_in_item(item: U64, words: U64, at: int, n: int, latest: bool) -> int:
    """Where the item has the n words at ``at``: the first such place, or the latest."""
    found = 0
    for place in range(len(item) - n + 1):
        j = 0
        while j < n and item[place + j] == words[at + j]:
            j += 1
        if j == n:
            found = place
            if not latest:
                break
    return found


@compiled
def window_bounds(
    words: U64, count: int, item: U64, first: int, last: int, n: int, aligned: bool, slack: float
) -> tuple[int, int]:
    """First word and end of the window around the hits from word ``first`` to word ``last``.

    Where the item holds an n-gram several times, the window is as long as one of them makes it.
    """
    size = len(item)
    more = int(slack * size + 0.999)
    if aligned:
        low = first - _place_in_item(item, words, first, n, True) - more
        high = last - _place_in_item(item, words, last, n, False) + size + more
    else:
        low = first - more
        high = last + n + more
    return max(0, low), min(count, high)
