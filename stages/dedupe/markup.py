"""Tags and entities of HTML in a text: where they end."""

from __future__ import annotations

import numpy as np

from pipeline.compile import compiled
from stages.dedupe.arrays import Bytes, Words64
from stages.dedupe.letters import extended, letter_of

_ZERO = np.uint64(0)
_LONGEST_TAG = 1000
_LONGEST_ENTITY = 10


@compiled
def after_tag(data: Bytes, start: int, end: int, elements: Words64) -> int:
    """Where a tag that begins at ``start`` (behind its ``<``) ends; ``start`` if there is none."""
    place = start
    if place < end and data[place] == 47:
        place += 1
    name = _ZERO
    letters = 0
    while place < end and letters < 12:
        letter = data[place]
        if 65 <= letter <= 90:
            letter += np.uint8(32)
        if not (97 <= letter <= 122 or (letters > 0 and 48 <= letter <= 57)):
            break
        name = extended(name, letter_of(np.uint32(letter)))
        letters += 1
        place += 1
    if letters == 0 or place >= end:
        return start
    index = np.searchsorted(elements, name)
    if index == len(elements) or elements[index] != name:
        return start
    space = place
    while space < end and (data[space] == 32 or 9 <= data[space] <= 13):
        space += 1
    if space >= end:
        return start
    behind = data[space]
    if behind != 62 and behind != 47:
        lowered = behind | np.uint8(32)
        if space == place or not 97 <= lowered <= 122:
            return start
    limit = min(end, start + _LONGEST_TAG)
    while space < limit:
        if data[space] == 62:
            return space + 1
        if data[space] == 60:
            return start
        space += 1
    return start


@compiled
def after_entity(data: Bytes, start: int, end: int) -> int:
    """Where an entity that begins at ``start`` (behind its ``&``) ends; ``start`` if none."""
    place = start
    if place < end and data[place] == 35:
        place += 1
    first = place
    limit = min(end, start + _LONGEST_ENTITY)
    while place < limit:
        letter = data[place]
        if letter == 59:
            return place + 1 if place > first else start
        if not (48 <= letter <= 57 or 65 <= letter <= 90 or 97 <= letter <= 122):
            return start
        place += 1
    return start
