"""Places in a text that hold names, and how many of them two texts fill with other names.

Without its names and numbers a text is a frame of ordinary words. A slot is a place between two of
them where names stood. It is known by the words of the frame around it, so that two texts of one
template have the same slots, and a text with an edited sentence has others there.

A text may have one slot several times, as lists do. Two texts differ there when each has a name
that the other has not, all words of it in a row: `Ada King` and `Boris Ada King` are two names. A
list that lacks some names of another has none in their place.
"""

from __future__ import annotations

import numpy as np

from pipeline.compile import compiled
from stages.dedupe.arrays import Bytes, Ints, Words64
from stages.dedupe.letters import mix
from stages.dedupe.names import NAME, ORDINARY

CONTEXT = 3
"""Words of the frame on either side by which a slot is known."""

LONGEST = 12
"""Words of a name. More in a row are a list, a menu or a heading."""

_BASE = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd: base of the polynomial
_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_FILLING = np.uint64(24)  # bits of a record that tell a name, the other 40 tell the slot
_ABOVE = np.uint64(40)


@compiled
def find_slots(
    tokens: Words64, kinds: Bytes, count: int, frame: Words64, listed: Ints, records: Words64
) -> int:
    """Records (uint64, in the order of the text) of what a text's slots hold: the high 40 bits are
    a hash of the words around a slot, the low 24 one of the name in it. Returns how many; none
    where the frame is shorter than ``CONTEXT``.

    ``kinds`` are as from ``find_names``; ``frame`` (uint64) has room for ``count`` and twice
    ``CONTEXT``, ``records`` (uint64) for ``count``; ``listed`` (int64, twice ``count``) is
    scratch."""
    behind = listed[count:]  # for each name, the place in the frame of the next word
    words = CONTEXT  # of the frame so far; before the first stand zeros
    frame[:CONTEXT] = _ZERO
    names = 0
    for index in range(count):
        frame[words] = tokens[index]
        listed[names] = index
        behind[names] = words
        words += kinds[index] == ORDINARY
        names += kinds[index] == NAME
    if words < 2 * CONTEXT:
        return 0
    frame[words : words + CONTEXT] = _ZERO
    found = 0
    start = 0
    while start < names:
        place = behind[start]
        name = _ZERO
        end = start
        while end < names and behind[end] == place:
            name = (name + _ONE) * _BASE + tokens[listed[end]]
            end += 1
        if end - start <= LONGEST:
            around = mix(_hashed(frame[place - CONTEXT : place + CONTEXT]))
            records[found] = around >> _FILLING << _FILLING | mix(name) >> _ABOVE
            found += 1
        start = end
    return found


@compiled
def _hashed(words: Words64) -> np.uint64:
    result = _ZERO
    for word in words:
        result = (result + _ONE) * _BASE + word
    return result


@compiled
def differing_slots(left: Words64, right: Words64) -> int:
    """In how many slots of two texts (sorted and distinct records) either has a name that the other
    has not there."""
    i = 0
    j = 0
    differing = 0
    while i < len(left) and j < len(right):
        slot = left[i] >> _FILLING
        other = right[j] >> _FILLING
        if slot < other:
            i += 1
        elif other < slot:
            j += 1
        else:
            i, j, differs = _compare_slot(left, right, i, j)
            differing += differs
    return differing


@compiled
def _compare_slot(left: Words64, right: Words64, i: int, j: int) -> tuple[int, int, bool]:
    """Where the records of one slot end in both, and whether both have some of their own."""
    slot = left[i] >> _FILLING
    only_left = False
    only_right = False
    while True:
        more_left = i < len(left) and left[i] >> _FILLING == slot
        more_right = j < len(right) and right[j] >> _FILLING == slot
        if not more_left and not more_right:
            return i, j, only_left and only_right
        if more_left and more_right and left[i] == right[j]:
            i += 1
            j += 1
        elif more_left and (not more_right or left[i] < right[j]):
            only_left = True
            i += 1
        else:
            only_right = True
            j += 1
