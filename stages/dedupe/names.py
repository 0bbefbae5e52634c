"""Which words of a text are names, by the way in which they are written.

A name begins with a capital in the middle of a sentence. Only the bytes tell, since tokens are
folded; and only documents of candidate pairs are asked. What is wrongly taken for a name does
little harm, because it counts only where two texts have other names in one place (see ``slots``).
"""

from __future__ import annotations

import numpy as np

from pipeline.compile import compiled
from stages.dedupe.arrays import Bytes, Flags, Ints, Words64
from stages.dedupe.characters import IGNORED, TABLE_SIZE
from stages.dedupe.tokens import IS_NUMBER, Tables
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

_STRETCH = 1024
_PLACE = np.uint64(8)
_HEAD = np.uint64(255)
_BEYOND_ASCII = np.uint64(128)
_FIRST_CAPITAL = np.uint64(ord("A"))
_CAPITALS = np.uint64(26)
_ZERO = np.uint64(0)
_AT = 64
_SPACE = 32
_LINE_END = 10
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
    listed: Ints,
) -> int:
    """Writes ``ORDINARY``, ``NAME`` or ``NUMBER`` for each of ``count`` tokens into ``kinds``
    (uint8); returns 0 where none is a name. ``data`` ends where the text does; ``tokens`` and
    ``heads`` are as from ``tokenize_with_places``; ``listed`` (int64, room for ``count``) is
    scratch.

    All tokens are passed over once, without a branch. The rest looks at those listed there."""
    found = 0
    for index in range(count):
        kinds[index] = tokens[index] & IS_NUMBER
        listed[found] = index
        byte = heads[index] & _HEAD
        found += bool((byte >= _BEYOND_ASCII) | (byte - _FIRST_CAPITAL < _CAPITALS))
    found = _find_capitals(data, heads, tables, capitals, kinds, listed[:found])
    if found == 0:
        return 0
    _settle_loud(kinds, listed[:found])
    if _find_addresses(data, heads[:count], kinds):
        found = 0
        for index in range(count):
            listed[found] = index
            found += bool((kinds[index] == NAME) | (kinds[index] == _FIRST))
    return _settle_names(data, heads, count, kinds, listed[:found])


@compiled
def _find_capitals(
    data: Bytes, heads: Words64, tables: Tables, capitals: Flags, kinds: Bytes, listed: Ints
) -> int:
    """Says of each listed word that has a capital whether it is ``NAME``, ``_FIRST`` or ``_LOUD``,
    and lists no others; returns how many."""
    start = _place(heads, 0)
    found = 0
    for index in listed:
        place = _place(heads, index)
        if place + 1 < len(data) and data[place] < 128 and data[place + 1] < 128:
            loud = 65 <= data[place + 1] <= 90
        elif _is_capital(data, place, capitals):
            loud = _is_capital(data, _behind(data, place), capitals)
        else:
            continue
        listed[found] = index
        found += 1
        kinds[index] = _LOUD if loud else NAME
        if loud or _is_within(data, start, place):
            continue
        if index == 0 or data[place - 1] == _LINE_END:
            kinds[index] = _FIRST
        else:
            before = _place(heads, index - 1)
            first = _begins_sentence(data, before, place, tables, capitals)
            kinds[index] = _FIRST if first else NAME
    return found


@compiled
def _is_within(data: Bytes, start: int, place: int) -> bool:
    """Whether a space alone stands between a word and an ASCII letter before: often so."""
    if place < start + 2 or data[place - 1] != _SPACE:
        return False
    byte = data[place - 2]
    return bool(_is_inside(byte) and byte < 128)


@compiled
def _place(heads: Words64, index: int) -> int:
    """Where a token begins."""
    place: int = heads.view(np.int64)[index] >> 8
    return place


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
    if not stop:
        return False
    return _length(data, before, at + 1) > _SHORT or not _is_capital(data, before, capitals)


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
def _settle_loud(kinds: Bytes, listed: Ints) -> None:
    """Words in capitals are names where few stand in a row, numbers not counted."""
    start = 0
    while start < len(listed):
        if kinds[listed[start]] != _LOUD:
            start += 1
            continue
        end = start + 1
        while end < len(listed) and kinds[listed[end]] == _LOUD:
            if np.any(kinds[listed[end - 1] + 1 : listed[end]] != NUMBER):
                break
            end += 1
        for index in listed[start:end]:
            kinds[index] = NAME if end - start <= _LONGEST_LOUD else ORDINARY
        start = end


@compiled
def _find_addresses(data: Bytes, heads: Words64, kinds: Bytes) -> bool:
    """All parts of an e-mail address are names; whether there is any."""
    found = False
    start = _place(heads, 0)
    while start < len(data):
        end = min(len(data), start + _STRETCH)
        signs = np.uint8(0)
        for byte in data[start:end]:
            signs |= np.uint8(byte == _AT)
        for place in range(start, end if signs else start):
            if data[place] == _AT:
                behind = np.uint64(place + 1) << _PLACE
                index = max(1, int(np.searchsorted(heads, behind)))
                while index < len(heads) and heads[index] - behind <= _HEAD:  # `½` is two
                    found |= _find_address(data, heads, index, kinds)
                    index += 1
        start = end
    return found


@compiled
def _find_address(data: Bytes, heads: Words64, index: int, kinds: Bytes) -> bool:
    """The parts of the address of which that at ``index`` may stand behind `@`."""
    if not _is_joined(data, heads, index, True):
        return False
    kinds[index] = NAME
    kinds[index - 1] = NAME
    first = index - 1
    while first > 0 and _is_joined(data, heads, first, False):
        first -= 1
        kinds[first] = NAME
    last = index + 1
    while last < len(heads) and _is_joined(data, heads, last, False):
        kinds[last] = NAME
        last += 1
    return True


@compiled
def _is_joined(data: Bytes, heads: Words64, index: int, by_at: bool) -> bool:
    """Whether `@` (else `.`, `-`, `_` or `+`) alone parts a word from the one before."""
    place = _place(heads, index)
    if place < 2 + _place(heads, 0):
        return False
    byte = data[place - 1]
    if by_at:
        return byte == _AT and _is_inside(data[place - 2])
    return (byte == 46 or byte == 45 or byte == 95 or byte == 43) and _is_inside(data[place - 2])


@compiled
def _is_inside(byte: np.uint8) -> bool:
    return bool(byte >= 128 or 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122)


@compiled
def _settle_names(data: Bytes, heads: Words64, count: int, kinds: Bytes, listed: Ints) -> int:
    """What begins a sentence is a name before another one, `Ada Lovelace`; and so are short words
    between two: `the University of the Arts`. Returns how many of ``listed`` are names."""
    found = 0
    behind = count + _LINKS + 1  # the name behind
    for index in listed[::-1]:
        kind = kinds[index]
        if kind == _FIRST:
            kind = kinds[index] = NAME if index + 1 == behind else ORDINARY
        if kind != NAME:
            continue
        if 1 < behind - index <= _LINKS + 1:
            _link(data, heads, index, behind, kinds)
        behind = index
        found += 1
    return found


@compiled
def _link(data: Bytes, heads: Words64, index: int, behind: int, kinds: Bytes) -> None:
    for word in range(index + 1, behind):
        length = _length(data, _place(heads, word), _place(heads, word + 1))
        if kinds[word] != ORDINARY or length > _LONGEST_LINK:
            return
    kinds[index + 1 : behind] = NAME


@compiled
def _length(data: Bytes, start: int, end: int) -> int:
    """Characters of ``data[start:end]``, or five if there are more."""
    found = 0
    for byte in data[start:end]:
        found += byte & 0xC0 != 0x80
        if found > _LONGEST_LINK:
            break
    return found
