"""Places in a text that hold names, and how many of them two texts fill with other names.

Without its names and numbers a text is a frame of ordinary words. A slot is a place between two of
them where names stood. It is known by the words of the frame around it, so that two texts of one
template have the same slots, and a text with an edited sentence has others there.

What stands in a slot is known by its words and by its pairs of words in a row, so that it can be
told whether a name is in place of another (`Ada King` and `Ada Boris King` too, since `Ada King`
is no pair of the second), or whether one text has some more around it (`By Ada King`).
"""

from __future__ import annotations

import numpy as np

from pipeline.compile import compiled
from stages.dedupe.arrays import Bytes, Words64
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
def find_slots(tokens: Words64, kinds: Bytes, count: int, frame: Words64, records: Words64) -> int:
    """Records (uint64, sorted and distinct) of what a text's slots hold: the high 40 bits are a
    hash of the words around a slot, the low 24 one of a word in it, or of two that stand there one
    behind the other. Returns how many; none where the frame is shorter than ``CONTEXT``.

    ``kinds`` are as from ``find_names``; ``frame`` (uint64) has room for ``count`` and twice
    ``CONTEXT``, ``records`` (uint64) for twice ``count``."""
    words = CONTEXT  # words of the frame so far; before the first stand zeros
    frame[:CONTEXT] = _ZERO
    for index in range(count):
        if kinds[index] == ORDINARY:
            frame[words] = tokens[index]
            words += 1
    if words < 2 * CONTEXT:
        return 0
    frame[words : words + CONTEXT] = _ZERO
    behind = CONTEXT  # place in the frame of the next word
    found = 0
    length = 0  # of the name so far
    before = _ZERO
    for index in range(count + 1):
        if index < count and kinds[index] == NAME:
            token = tokens[index]
            # over the records of a name that turns out to be too long the next one is written
            records[found + 2 * length] = mix(token) >> _ABOVE
            records[found + 2 * length + 1] = mix(before * _BASE + token) >> _ABOVE
            length += 1
            before = token
        elif index == count or kinds[index] == ORDINARY:
            if 0 < length <= LONGEST:
                around = mix(_hashed(frame[behind - CONTEXT : behind + CONTEXT]))
                records[found + 1] = records[found]  # the first word has none before it
                for place in range(found, found + 2 * length):
                    records[place] |= around >> _FILLING << _FILLING
                found += 2 * length
            length = 0
            before = _ZERO
            behind += 1
    return _sorted_distinct(records, found)


@compiled
def _hashed(words: Words64) -> np.uint64:
    result = _ZERO
    for word in words:
        result = (result + _ONE) * _BASE + word
    return result


@compiled
def _sorted_distinct(records: Words64, found: int) -> int:
    records[:found] = np.sort(records[:found])
    left = min(found, 1)
    for index in range(1, found):
        if records[index] != records[left - 1]:
            records[left] = records[index]
            left += 1
    return left


@compiled
def differing_slots(left: Words64, right: Words64) -> int:
    """In how many slots of two texts either has a name, or two in a row, that the other has not
    there. Where one text merely has more than the other, nothing is in the place of another."""
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
