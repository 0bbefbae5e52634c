"""Texts as sequences of 64-bit token hashes, scanned once over the UTF-8 bytes.

A token is a word, or one character of a script without spaces (see ``characters``). Bit 0 of its
hash says which: 0 word, 1 character; bit 1 is set where it begins with a digit. Tags and entities
of HTML part words and leave no token.

A word's state is rotated and added to, letter by letter: two cycles a byte, where a multiplication
a byte (FNV) takes four. Texts are scanned without a branch at the ends of words, which no processor
can predict; the states are mixed, and flagged, in a second pass that needs no order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np

from pipeline.compile import compiled
from stages.dedupe.arrays import Bytes, Words32, Words64
from stages.dedupe.characters import (
    CHARACTER,
    DIGIT,
    EXPANDED,
    HTML_ELEMENTS,
    IGNORED,
    SEPARATOR,
    TABLE_SIZE,
    character_table,
)
from stages.dedupe.letters import extended, letter_of, mix, word_state
from stages.dedupe.markup import after_entity, after_tag
from stages.dedupe.utf8 import code_point, short_code_point

IS_CHARACTER = np.uint64(1)
IS_NUMBER = np.uint64(2)
_BITS = np.uint64(0xFFFFFFFFFFFFFFFC)  # the rest
_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_STOP = np.uint64(2)  # in the place of a letter: `<`, `&`, or what is not scanned straight on
_CHARACTER = np.uint32(CHARACTER)
_EXPANDED = np.uint32(EXPANDED)
_IGNORED = np.uint32(IGNORED)
_CODE = np.uint32(DIGIT - 1)
_LENGTH = np.uint32(31)
_SLACK = 40  # more than the tokens of one character and the last word
# the head of a token: its first byte, or one that stands for it
_ALONE = np.uint64(1)
_DIGIT_ALONE = np.uint64(2)
_FIRST_DIGIT = np.uint64(ord("0"))
_FIRST_LETTER = np.uint64(128)  # any beyond ASCII
_ZERO_DIGIT = np.uint8(ord("0"))
_DIGITS = np.uint8(10)
_PLACE = np.uint64(8)
_BELOW_FOUR_BYTES = 0x10000

Buffer = TypeVar("Buffer", Bytes, Words64)


class Tables(NamedTuple):
    """What ``tokenize`` reads: ``table`` and ``expansions`` (uint32) of ``character_table``,
    ``letters`` (uint64: what a character of up to three bytes adds to a word), ``ascii`` (uint64,
    256: the same by byte) and ``elements`` (uint64, sorted: hashes of HTML element names)."""

    table: Words32
    expansions: Words32
    letters: Words64
    ascii: Words64
    elements: Words64


@compiled
def tokenize(
    data: Bytes, start: int, end: int, tables: Tables, tokens: Words64
) -> tuple[Words64, int]:
    """Token hashes of ``data[start:end]`` (UTF-8), written into ``tokens`` (uint64).

    Returns the buffer, which is a larger one when the given one was too small, and how many it
    holds.
    """
    heads = np.empty((end - start) // 2 + 2 * _SLACK, np.uint8)
    tokens, _, count = _tokenize(data, start, end, tables, tokens, heads)
    return tokens, count


@compiled
def tokenize_with_places(
    data: Bytes, start: int, end: int, tables: Tables, tokens: Words64
) -> tuple[Words64, Words64, int]:
    """The same, and where each token begins: its place in ``data`` stands above the low 8 bits
    (uint64)."""
    heads = np.empty((end - start) // 2 + 2 * _SLACK, np.uint64)
    return _tokenize(data, start, end, tables, tokens, heads)


@compiled
def _tokenize(
    data: Bytes, start: int, end: int, tables: Tables, tokens: Words64, heads: Buffer
) -> tuple[Words64, Buffer, int]:
    """Heads are stored with their places behind them; a buffer of bytes takes the head alone, and
    the compiler leaves out what it would not keep."""
    tokens = _with_room(tokens, 0, end - start)
    count = 0
    word = _ZERO
    place = start
    while True:
        place, count, word = _scan(data, place, end, tables, tokens, heads, count, word)
        if place == end:
            break
        byte = data[place]
        if byte < 128:
            if word != _ZERO:
                tokens[count] = word
                count += 1
                word = _ZERO
            place += 1
            if byte == 60:
                place = after_tag(data, place, end, tables.elements)
            else:
                place = after_entity(data, place, end)
            continue
        above = np.uint64(place) << _PLACE
        code, place = code_point(data, place, end)
        pieces = np.int64(1)
        offset = np.int64(0)
        if code < TABLE_SIZE:
            entry = tables.table[code]
        elif code < 0x40000:
            entry = np.uint32(code) | _CHARACTER
        else:
            entry = _IGNORED
        if entry < _CHARACTER and entry & _EXPANDED:
            pieces = np.int64(entry & _LENGTH)
            offset = np.int64((entry & _CODE) >> np.uint32(5))
            entry = tables.expansions[offset]
            tokens = _with_room(tokens, count, end - place)
            heads = _with_room(heads, count, end - place)
        for piece in range(pieces):
            if piece > 0:
                entry = tables.expansions[offset + piece]
            if entry == _IGNORED:
                continue
            letter = letter_of(entry)
            if entry > _IGNORED and entry < _CHARACTER:
                if word == _ZERO:
                    heads[count] = above | (_FIRST_DIGIT if letter & _ONE else _FIRST_LETTER)
                word = extended(word, letter)
                continue
            if word != _ZERO:
                tokens[count] = word
                count += 1
                word = _ZERO
            if entry >= _CHARACTER:
                tokens[count] = letter
                heads[count] = above | (_DIGIT_ALONE if letter & _ONE else _ALONE)
                count += 1
    if word != _ZERO:
        tokens[count] = word
        count += 1
    _finish(tokens, heads, count)
    return tokens, heads, count


@compiled
def _finish(tokens: Words64, heads: Buffer, count: int) -> None:
    """Mixes the states of tokens, and flags them by their heads: in vector instructions."""
    for index in range(count):
        head = np.uint8(heads[index])
        alone = np.uint64(head <= np.uint8(2))
        number = np.uint64((np.uint8(head - _ZERO_DIGIT) < _DIGITS) | (head == np.uint8(2)))
        flags = alone | number << _ONE
        tokens[index] = (mix((tokens[index] & _BITS) | flags) & _BITS) | flags


@compiled
def _scan(
    data: Bytes,
    start: int,
    end: int,
    tables: Tables,
    tokens: Words64,
    heads: Buffer,
    count: int,
    word: np.uint64,
) -> tuple[int, int, np.uint64]:
    """Words up to a character that is more than a letter or a separator, or to ``end``: where that
    is, how many tokens there are by now, and the state of the word there.

    One loop over ASCII and one over characters of two and three bytes take turns, since texts do.
    """
    written = np.uint64(count)  # an unsigned index is not checked for being negative
    place = np.uint64(start)
    stop = np.uint64(end)
    while place < stop:
        begun = place
        while place < stop:
            byte = data[place]
            letter = tables.ascii[byte]
            if letter == _STOP:
                break
            head = np.uint64(byte) | place << _PLACE
            written, word = _take(tokens, heads, written, word, letter, head)
            place += _ONE
        while place < stop:
            code, behind = short_code_point(data, place, stop)
            letter = tables.letters[code]
            if letter == _STOP:
                break
            head = (_FIRST_DIGIT if letter & _ONE else _FIRST_LETTER) | place << _PLACE
            written, word = _take(tokens, heads, written, word, letter, head)
            place = behind
        if place == begun:
            break
    return len(data[:place]), len(tokens[:written]), word


@compiled
def _take(
    tokens: Words64,
    heads: Buffer,
    written: np.uint64,
    word: np.uint64,
    letter: np.uint64,
    head: np.uint64,
) -> tuple[np.uint64, np.uint64]:
    """One letter or separator, without a branch: the state is written at every one, and counted
    where a word ends. A head is written where a word begins, and behind that place otherwise."""
    tokens[written] = word
    inside = np.uint64(word != _ZERO)
    heads[written + inside] = head
    ends = letter == _ZERO
    written += inside & np.uint64(ends)
    return written, _ZERO if ends else extended(word, letter)


@compiled
def _with_room(buffer: Buffer, count: int, left: int) -> Buffer:
    """The buffer, or a larger copy, with room behind ``count`` tokens for those of ``left`` bytes:
    at most one in two bytes, but for a character that expands, which asks anew."""
    if count + left // 2 + _SLACK <= len(buffer):
        return buffer
    larger = np.empty(count + left + 2 * _SLACK, buffer.dtype)
    larger[: count + 1] = buffer[: count + 1]
    return larger


@lru_cache(maxsize=1)
def token_tables() -> Tables:
    """The tables, made once a process."""
    table, expansions = character_table()
    letters = _letters(table[:_BELOW_FOUR_BYTES])
    letters[[ord("<"), ord("&")]] = _STOP
    ascii_only = np.full(256, _STOP)
    ascii_only[:128] = letters[:128]
    elements = np.array(sorted(word_state(name) for name in HTML_ELEMENTS.split()), np.uint64)
    return Tables(table, expansions, letters, ascii_only, elements)


@compiled
def _letters(table: Words32) -> Words64:
    """What characters add to a word: 0 those that end it, ``_STOP`` those that are more."""
    letters = np.empty(len(table), np.uint64)
    for code in range(len(table)):
        entry = table[code]
        if entry == SEPARATOR:
            letters[code] = _ZERO
        elif entry == _IGNORED or entry >= _EXPANDED:
            letters[code] = _STOP
        else:
            letters[code] = letter_of(entry)
    return letters
