"""HTML left in a text: tags and entities are blanked, so that they are not words between words.

``<b>16</b> eggs &amp; 3&nbsp;muffins`` has the words of ``16 eggs & 3 muffins``. Only what is
surely markup goes: tags with a name of the list below, alone or with attributes that have a
``=``, and entities of the list or with a number. ``a<b and c>d`` stays.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from pipeline.compile import compiled
from stages.words import I64, U8

_INLINE = (
    "a abbr b big cite code del em font i img ins kbd mark q s samp small span strike strong sub"
    " sup tt u var wbr"
)
_BLOCK = (
    "address article aside blockquote body br center dd div dl dt figcaption figure footer form h1"
    " h2 h3 h4 h5 h6 head header hr html input label legend li main nav ol option p pre script"
    " section select style table tbody td textarea tfoot th thead title tr ul"
)
_SPACES = "nbsp ensp emsp thinsp shy zwj zwnj lrm rlm"
_SYMBOLS = (
    "amp apos bdquo brvbar bull cent copy deg divide euro ge gt hellip iexcl iquest laquo ldquo le"
    " lsaquo lsquo lt mdash middot minus ndash ne not para plusmn pound prime quot raquo rdquo reg"
    " rsaquo rsquo sbquo sect times trade yen"
)
_LONGEST_TAG = 400
"""Bytes of a tag with its attributes; a longer one is text with a ``<`` in it."""
_LONGEST_NAME = 10
"""Letters and digits of a name; so many fit into a key (see ``_key``)."""

_STRIDE = 256
"""Bytes that are passed over at once where they hold no markup."""

_SPACE, _NEWLINE, _QUOTE = np.uint8(32), np.uint8(10), np.uint8(34)
_LESS, _GREATER, _AND, _SEMICOLON, _EQUALS, _NUMBER_SIGN = 60, 62, 38, 59, 61, 35
_SLASH, _BACKSLASH = 47, 92


class Names(NamedTuple):
    """Sorted keys of names: of tags inside of a line and between lines, of entities that are
    spaces and that are symbols."""

    inline: I64
    block: I64
    spaces: I64
    symbols: I64


def _key(name: str) -> int:
    """A number for a name: its letters and digits as digits of base 37."""
    key = 0
    for letter in name:
        key = key * 37 + 1 + int(letter, 36)
    return key


_AMP = _key("amp")


@lru_cache(maxsize=1)
def names() -> Names:
    """The names that ``without_markup`` knows."""
    lists = (_INLINE, _BLOCK, _SPACES, _SYMBOLS)
    return Names(*(np.array(sorted(map(_key, words.split())), np.int64) for words in lists))


@compiled
def _listed(key: int, keys: I64) -> bool:
    place = int(np.searchsorted(keys, key))
    return place < len(keys) and int(keys[place]) == key


@compiled
def _name(data: U8, at: int, end: int) -> tuple[int, int]:
    """The key of the letters and digits at a place, in lower case, and where they end."""
    key = 0
    stop = min(end, at + _LONGEST_NAME)
    while at < stop:
        byte = data[at]
        if 48 <= byte <= 57:
            key = key * 37 + 1 + int(byte) - 48
        elif 97 <= (byte | 32) <= 122:
            key = key * 37 + 11 + int(byte | 32) - 97
        else:
            break
        at += 1
    return key, at


@compiled
def _tag_end(data: U8, at: int, end: int, tags: Names) -> tuple[int, bool]:
    """Where the tag at a ``<`` ends, or its own place if there is none; whether it parts lines."""
    first = at + 1
    if first < end and data[first] == _BACKSLASH:  # <\\/b>, as JSON may have it
        first += 1
    if first < end and data[first] == _SLASH:
        first += 1
    key, after = _name(data, first, end)
    block = _listed(key, tags.block)
    if not block and not _listed(key, tags.inline):
        return at, False
    attributes = False
    bare = True  # nothing but spaces and a slash so far
    for i in range(after, min(end, at + _LONGEST_TAG)):
        byte = data[i]
        if byte == _GREATER:
            return (i + 1, block) if bare or attributes else (at, False)
        if byte == _LESS or (i == after and byte > _SPACE and byte != _SLASH):
            break
        attributes = attributes or byte == _EQUALS
        bare = bare and (byte <= _SPACE or byte == _SLASH)
    return at, False


@compiled
def _entity_end(data: U8, at: int, end: int, known: Names) -> tuple[int, bool]:
    """Where the entity at an ``&`` ends, or its own place if there is none; whether it is a space.

    What was escaped twice (``&amp;quot;``) is one entity."""
    place = at + 1
    result = at
    while True:
        number = place < end and data[place] == _NUMBER_SIGN
        key, after = _name(data, place + number, end)
        if after >= end or data[after] != _SEMICOLON or key == 0:
            return result, False
        if not number and _listed(key, known.spaces):
            return after + 1, True
        if not number and not _listed(key, known.symbols):
            return result, False
        result = after + 1
        if key != _AMP:
            return result, False
        place = result


@compiled
def _plain(block: U8) -> bool:
    """Whether there is no ``<`` and no ``&`` (a loop without exits: in vector instructions)."""
    special = 0
    for byte in block:
        special += int(byte == _LESS) | int(byte == _AND)
    return special == 0


@compiled
def _blank(data: U8, offsets: I64, known: Names) -> None:
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        at = offsets[row]
        plain = at  # up to here there is no markup, or it has been looked at byte by byte
        while at < end:
            if at >= plain:
                plain = min(end, at + _STRIDE)
                if _plain(data[at:plain]):
                    at = plain
                    continue
            byte = data[at]
            if byte == _LESS:
                after, parts_lines = _tag_end(data, at, end, known)
                first = _NEWLINE if parts_lines else _SPACE
            elif byte == _AND:
                after, space = _entity_end(data, at, end, known)
                first = _SPACE if space else _QUOTE
            else:
                at += 1
                continue
            if after > at:
                data[at] = first
                data[at + 1 : after] = _SPACE
                at = after
            else:
                at += 1


def without_markup(data: U8, offsets: I64) -> U8:
    """A copy of the bytes of texts, tags and entities blanked, with every other byte in its place.

    A tag becomes spaces, a line break first where it parts lines; an entity becomes a quotation
    mark and spaces, or only spaces. ``offsets`` are those of the rows, in bytes.
    """
    blanked = data.copy()
    _blank(blanked, offsets, names())
    return blanked
