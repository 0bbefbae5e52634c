"""Texts as sequences of 64-bit token hashes, scanned once over the UTF-8 bytes.

A token is a word, or one character of a script without spaces (see ``characters``). Bit 0 of its
hash says which: 0 word, 1 character. Tags and entities of HTML part words and leave no token.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pipeline.compile import compiled
from stages.dedupe.arrays import Bytes, Words32, Words64
from stages.dedupe.characters import (
    CHARACTER,
    EXPANDED,
    HTML_ELEMENTS,
    TABLE_SIZE,
    character_table,
)

_BASIS = np.uint64(0xCBF29CE484222325)  # FNV-1a, 64 bit: offset basis
_PRIME = np.uint64(0x100000001B3)  # FNV-1a, 64 bit: prime
_ONE = np.uint64(1)
_EVEN = np.uint64(0xFFFFFFFFFFFFFFFE)
_CHARACTER = np.uint32(CHARACTER)
_EXPANDED = np.uint32(EXPANDED)
_CODE = np.uint32(EXPANDED - 1)
_LENGTH = np.uint32(31)
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)  # MurmurHash3's 64-bit finalizer
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_HALF = np.uint64(33)
_LONGEST_TAG = 1000
_LONGEST_ENTITY = 10
_SLACK = 40


@compiled
def mix(value: np.uint64) -> np.uint64:
    """A bijection of 64-bit words that spreads every bit (MurmurHash3's finalizer, Appleby)."""
    value = (value ^ (value >> _HALF)) * _MIX_1
    value = (value ^ (value >> _HALF)) * _MIX_2
    return value ^ (value >> _HALF)


@compiled
def _after_tag(data: Bytes, start: int, end: int, elements: Words64) -> int:
    """Where a tag that begins at ``start`` (behind its ``<``) ends; ``start`` if there is none."""
    place = start
    if place < end and data[place] == 47:
        place += 1
    name = _BASIS
    letters = 0
    while place < end and letters < 12:
        letter = data[place]
        if 65 <= letter <= 90:
            letter += np.uint8(32)
        if not (97 <= letter <= 122 or (letters > 0 and 48 <= letter <= 57)):
            break
        name = (name ^ np.uint64(letter)) * _PRIME
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
def _after_entity(data: Bytes, start: int, end: int) -> int:
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


@compiled
def tokenize(
    data: Bytes,
    start: int,
    end: int,
    table: Words32,
    expansions: Words32,
    elements: Words64,
    tokens: Words64,
) -> tuple[Words64, int]:
    """Token hashes of ``data[start:end]`` (UTF-8), written into ``tokens`` (uint64).

    Returns the buffer, which is a larger one when the given one was full, and how many it holds.
    ``table``, ``expansions`` and ``elements`` are those of ``token_tables``.
    """
    count = 0
    word = _BASIS
    inside = False
    place = start
    while place < end:
        byte = data[place]
        pieces = np.int64(1)
        offset = np.int64(0)
        if byte < 128:
            entry = table[byte]
            # most of all text: the letters of a word, in a loop of their own
            while entry > 1:
                word = (word ^ np.uint64(entry)) * _PRIME
                inside = True
                place += 1
                if place == end:
                    break
                byte = data[place]
                if byte >= 128:
                    break
                entry = table[byte]
            if place == end or byte >= 128:
                continue
            place += 1
            if byte == 60:
                place = _after_tag(data, place, end, elements)
            elif byte == 38:
                place = _after_entity(data, place, end)
        else:
            if byte >= 240 and place + 3 < end:
                code = (
                    (np.int64(byte & 7) << 18)
                    | (np.int64(data[place + 1] & 63) << 12)
                    | (np.int64(data[place + 2] & 63) << 6)
                    | np.int64(data[place + 3] & 63)
                )
                place += 4
            elif byte >= 224 and place + 2 < end:
                code = (
                    (np.int64(byte & 15) << 12)
                    | (np.int64(data[place + 1] & 63) << 6)
                    | np.int64(data[place + 2] & 63)
                )
                place += 3
            elif place + 1 < end:
                code = (np.int64(byte & 31) << 6) | np.int64(data[place + 1] & 63)
                place += 2
            else:
                code = np.int64(0)
                place += 1
            if code < TABLE_SIZE:
                entry = table[code]
            elif code < 0x40000:
                entry = np.uint32(code) | _CHARACTER
            else:
                entry = np.uint32(1)
            if entry < _CHARACTER and entry & _EXPANDED:
                pieces = np.int64(entry & _LENGTH)
                offset = np.int64((entry & _CODE) >> np.uint32(5))
                entry = expansions[offset]
        if count + _SLACK > len(tokens):
            larger = np.empty(2 * len(tokens) + _SLACK, np.uint64)
            larger[:count] = tokens[:count]
            tokens = larger
        for piece in range(pieces):
            if piece > 0:
                entry = expansions[offset + piece]
            if entry == 1:
                continue
            if entry > 1 and entry < _CHARACTER:
                word = (word ^ np.uint64(entry)) * _PRIME
                inside = True
                continue
            if inside:
                tokens[count] = mix(word) & _EVEN
                count += 1
                word = _BASIS
                inside = False
            if entry >= _CHARACTER:
                tokens[count] = mix((_BASIS ^ np.uint64(entry)) * _PRIME) | _ONE
                count += 1
    if inside:
        if count == len(tokens):
            larger = np.empty(len(tokens) + _SLACK, np.uint64)
            larger[:count] = tokens[:count]
            tokens = larger
        tokens[count] = mix(word) & _EVEN
        count += 1
    return tokens, count


@lru_cache(maxsize=1)
def token_tables() -> tuple[Words32, Words32, Words64]:
    """``(table, expansions, elements)`` that ``tokenize`` wants: what characters count as, and the
    sorted hashes of HTML element names."""
    table, expansions = character_table()
    elements = np.array(sorted(word_state(name) for name in HTML_ELEMENTS.split()), np.uint64)
    return table, expansions, elements


def word_state(word: str) -> int:
    """FNV-1a over the code points of a folded word, before it is mixed."""
    state = int(_BASIS)
    for character in word:
        state = (state ^ ord(character)) * int(_PRIME) & 0xFFFFFFFFFFFFFFFF
    return state
