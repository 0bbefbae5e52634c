"""Which words of a text are names, by the way in which they are written.

A name begins with a capital in the middle of a sentence. Only the bytes tell, since tokens are
folded; and only documents of candidate pairs are asked. What is wrongly taken for a name does
little harm, because it counts only where two texts have other names in one place (see ``slots``).
"""

from __future__ import annotations

import numpy as np

from pipeline.compile import compiled
from stages.dedupe.arrays import Bytes, Flags, Words64
from stages.dedupe.characters import IGNORED, TABLE_SIZE
from stages.dedupe.tokens import IS_CHARACTER, IS_NUMBER, Tables
from stages.dedupe.utf8 import code_point

ORDINARY = np.uint8(0)
NAME = np.uint8(1)
NUMBER = np.uint8(2)
_FIRST = np.uint8(3)  # a capital that the beginning of a sentence may explain
_LOUD = np.uint8(4)  # two capitals: an acronym, or part of a passage in capitals

_LONGEST_LOUD = 3
"""Words in capitals in a row that can be a name (`NVIDIA CORPORATION`); more are a passage."""
_LONGEST_LINK = 4
"""Characters of a word that links names (`of the`, `von der`), with the space behind it."""
_LINKS = 2
"""Linking words in a row."""
_SHORT = 3
"""Characters of a word with a capital whose full stop ends no sentence: `J.`, `Dr.`, `Inc.`"""

_PLACE = np.uint64(8)
_ZERO = np.uint64(0)
_FIRST_LETTER = np.uint64(ord("a"))
_AT = 64
_STOP = 46


@compiled
def find_names(
    data: Bytes,
    tokens: Words64,
    heads: Words64,
    count: int,
    tables: Tables,
    capitals: Flags,
    kinds: Bytes,
) -> int:
    """Writes ``ORDINARY``, ``NAME`` or ``NUMBER`` for each of ``count`` tokens into ``kinds``
    (uint8); returns how many are names. ``data`` ends where the text does; ``tokens`` and
    ``heads`` are as from ``tokenize_with_places``."""
    capitalised = 0
    for index in range(count):
        kinds[index] = ORDINARY
        token = tokens[index]
        if token & (IS_NUMBER | IS_CHARACTER):
            kinds[index] = NUMBER if token & IS_NUMBER else ORDINARY
            continue
        byte = heads[index] & np.uint64(255)
        if byte > _FIRST_LETTER:  # which itself stands for all beyond ASCII, too
            continue
        place = _place(data, heads, index)
        if data[place] < 128:
            if byte < 65 or byte > 90:
                continue
        elif not _is_capital(data, place, capitals):
            continue
        capitalised += 1
        if _is_capital(data, _behind(data, place), capitals):
            kinds[index] = _LOUD
        elif index == 0:
            kinds[index] = _FIRST
        else:
            before = _place(data, heads, index - 1)
            kinds[index] = NAME
            if _begins_sentence(data, before, place, tables, capitals):
                kinds[index] = _FIRST
    if capitalised == 0:
        return 0
    _settle_loud(kinds, count)
    if _has_at(data, _place(data, heads, 0)):
        _find_addresses(data, heads, count, kinds)
    for index in range(count - 1, -1, -1):  # `Ada Lovelace` at the beginning of a sentence
        if kinds[index] == _FIRST:
            named = index + 1 < count and kinds[index + 1] == NAME
            kinds[index] = NAME if named else ORDINARY
    _link(data, heads, count, kinds)
    found = 0
    for index in range(count):
        found += kinds[index] == NAME
    return found


@compiled
def _place(data: Bytes, heads: Words64, index: int) -> int:
    """Where a token begins."""
    return len(data[: heads[index] >> _PLACE])


@compiled
def _is_capital(data: Bytes, place: int, capitals: Flags) -> bool:
    if place >= len(data):
        return False
    if data[place] < 128:
        return bool(65 <= data[place] <= 90)
    code, _ = code_point(data, place, len(data))
    return bool(code < len(capitals) and capitals[code])


@compiled
def _behind(data: Bytes, place: int) -> int:
    """Where the character behind the one at ``place`` begins."""
    place += 1
    while place < len(data) and data[place] & 0xC0 == 0x80:
        place += 1
    return place


@compiled
def _begins_sentence(data: Bytes, before: int, place: int, tables: Tables, capitals: Flags) -> bool:
    """Whether a line, an element or a sentence begins with the word at ``place``, by what stands
    between it and the word that begins at ``before``."""
    stop = False
    at = place - 1
    while at > before:
        byte = data[at]
        if byte == 10 or byte == 13 or byte == 62 or byte == 33 or byte == 63:
            return True  # a line, a tag, ! and ?
        if byte >= 128:
            while at > before and data[at] & 0xC0 == 0x80:
                at -= 1
            code, _ = code_point(data, at, len(data))
            if code < TABLE_SIZE and tables.table[code] > IGNORED:
                break
            if TABLE_SIZE <= code < 0x40000:  # Han
                break
            if _ends_sentence(code):
                return True
        elif byte == _STOP:
            stop = True
        elif tables.ascii[byte] != _ZERO:
            break
        at -= 1
    short = _length(data, before, at + 1) <= _SHORT
    return stop and not (short and _is_capital(data, before, capitals))


@compiled
def _ends_sentence(code: int) -> bool:
    """Line separators, the ellipsis, and full stops of other scripts."""
    return (
        code == 0x2028
        or code == 0x2029
        or code == 0x85
        or code == 0x2026
        or code == 0x3002
        or code == 0x0589
        or code == 0x061F
        or code == 0x06D4
        or code == 0x0964
        or code == 0xFF01
        or code == 0xFF0E
        or code == 0xFF1F
        or code == 0xFF61
    )


@compiled
def _settle_loud(kinds: Bytes, count: int) -> None:
    """Words in capitals are names where few stand in a row, numbers not counted."""
    start = 0
    while start < count:
        if kinds[start] != _LOUD:
            start += 1
            continue
        end = start
        loud = 0
        last = start
        while end < count and (kinds[end] == _LOUD or kinds[end] == NUMBER):
            if kinds[end] == _LOUD:
                loud += 1
                last = end
            end += 1
        for index in range(start, last + 1):
            if kinds[index] == _LOUD:
                kinds[index] = NAME if loud <= _LONGEST_LOUD else ORDINARY
        start = end


@compiled
def _has_at(data: Bytes, start: int) -> bool:
    found = 0
    for byte in data[start:]:
        found += byte == _AT
    return found > 0


@compiled
def _find_addresses(data: Bytes, heads: Words64, count: int, kinds: Bytes) -> None:
    """All parts of an e-mail address are names."""
    for index in range(1, count):
        if not _is_joined(data, heads, index, True):
            continue
        kinds[index] = NAME
        kinds[index - 1] = NAME
        first = index - 1
        while first > 0 and _is_joined(data, heads, first, False):
            first -= 1
            kinds[first] = NAME
        last = index + 1
        while last < count and _is_joined(data, heads, last, False):
            kinds[last] = NAME
            last += 1


@compiled
def _is_joined(data: Bytes, heads: Words64, index: int, by_at: bool) -> bool:
    """Whether `@` (else `.`, `-`, `_` or `+`) alone parts a word from the one before."""
    place = _place(data, heads, index)
    if place < 2 + _place(data, heads, 0):
        return False
    byte = data[place - 1]
    if by_at:
        return byte == _AT and _is_inside(data[place - 2])
    return (byte == 46 or byte == 45 or byte == 95 or byte == 43) and _is_inside(data[place - 2])


@compiled
def _is_inside(byte: np.uint8) -> bool:
    return bool(byte >= 128 or 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122)


@compiled
def _link(data: Bytes, heads: Words64, count: int, kinds: Bytes) -> None:
    """Short words between two names belong to them: `the University of the Arts`."""
    last = -1  # the name before
    for index in range(count):
        if kinds[index] == NAME:
            if last >= 0 and 0 < index - last - 1 <= _LINKS:
                kinds[last + 1 : index] = NAME
            last = index
        elif last >= 0 and not (
            kinds[index] == ORDINARY
            and index + 1 < count
            and _length(data, _place(data, heads, index), _place(data, heads, index + 1))
            <= _LONGEST_LINK
        ):
            last = -1


@compiled
def _length(data: Bytes, start: int, end: int) -> int:
    """Characters of ``data[start:end]``, or five if there are more."""
    found = 0
    for byte in data[start:end]:
        found += byte & 0xC0 != 0x80
        if found > _LONGEST_LINK:
            break
    return found
