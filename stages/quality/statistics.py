"""Surface statistics of documents, measured in one pass over the Arrow text buffer.

Lines are the author's lines: text that is hard-wrapped at 50 to 100 columns is joined again first,
so that wrapping a paragraph does not change what is measured of it. Writing systems without
spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) count two characters as a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from classifiers.prior import STATISTICS, StopWords, word_hash
from pipeline.compile import compiled
from pipeline.text_buffers import text_buffers

Floats = np.ndarray[Any, np.dtype[np.float64]]
Longs = np.ndarray[Any, np.dtype[np.int64]]
Words = np.ndarray[Any, np.dtype[np.uint64]]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]

WINDOW = 50
"""Words over which distinct words are counted, so that the share does not fall with length."""

_SHORT_LINE = 30  # characters; FineWeb's rule for short lines (arXiv 2406.17557)
_WRAP_LOW, _WRAP_HIGH = 50, 100  # columns between which an unfinished line counts as wrapped
_TABLE = 4096  # slots of the stop-word table; a power of two
_SPACE, _LETTER, _UPPER, _DIGIT, _PUNCTUATION, _SYMBOL, _IDEOGRAPH = 0, 1, 2, 3, 4, 5, 6
_ALL_LISTS, _NO_LIST = -1, -2


def text_statistics(
    text: pa.Array | pa.ChunkedArray, languages: Sequence[str | None], stop_words: StopWords
) -> Floats:
    """Statistics of every document: float64 of shape (documents, len(STATISTICS)).

    ``languages`` are ISO 639 codes; a document in a language without a stop-word list gets NaN for
    the stop-word share (the prior reads NaN as "says nothing"); with None or ``und`` the best
    fitting list counts.
    """
    data, offsets = text_buffers(text.fill_null(""))
    documents = len(offsets) - 1
    lists = {language: index for index, language in enumerate(stop_words.languages)}
    which = np.array(
        [
            _ALL_LISTS if language in (None, "und") else lists.get(str(language), _NO_LIST)
            for language in languages
        ],
        np.int64,
    )
    if len(which) != documents:
        raise ValueError(f"{documents} documents, but {len(which)} languages")
    keys, masks = _stop_table(stop_words)
    result = np.zeros((documents, len(STATISTICS)), np.float64)
    scales = np.array(stop_words.scales, np.float64)
    _measure(data, offsets, which, keys, masks, scales, result)
    return result


def _stop_table(stop_words: StopWords) -> tuple[Words, Longs]:
    """An open-addressing table: hashes of words, and for each a bit for every list that has it."""
    keys = np.zeros(_TABLE, np.uint64)
    masks = np.zeros(_TABLE, np.int64)
    for index, words in enumerate(stop_words.words):
        for word in words:
            key = word_hash(word)
            slot = key % _TABLE
            while keys[slot] not in (0, key):
                slot = (slot + 1) % _TABLE
            keys[slot] = key
            masks[slot] |= 1 << index
    return keys, masks


@compiled
def _lower(c: int) -> int:
    if 0x41 <= c <= 0x5A or 0xC0 <= c <= 0xDE or 0x391 <= c <= 0x3A9 or 0x410 <= c <= 0x42F:
        return c + 32
    if 0x400 <= c <= 0x40F:
        return c + 80
    if 0x139 <= c <= 0x148 or 0x179 <= c <= 0x17E:
        return c + (c & 1)
    if 0x100 <= c <= 0x177 and c & 1 == 0:
        return c + 1
    return c


@compiled
def _character_class(c: int) -> int:
    """The class of a character, by code point ranges of the Unicode standard."""
    if c < 0x80:
        if 0x61 <= c <= 0x7A:
            return _LETTER
        if c == 0x20 or 0x09 <= c <= 0x0D:
            return _SPACE
        if 0x41 <= c <= 0x5A:
            return _UPPER
        if 0x30 <= c <= 0x39:
            return _DIGIT
        if c in (0x2E, 0x2C, 0x3B, 0x3A, 0x21, 0x3F, 0x27, 0x22, 0x28, 0x29, 0x2D):
            return _PUNCTUATION
        return _SYMBOL
    if c == 0xA0 or c == 0x3000 or 0x2000 <= c <= 0x200B or c in (0x2028, 0x2029, 0x202F):
        return _SPACE
    if c < 0xC0:
        return (
            _LETTER
            if c in (0xAA, 0xB5, 0xBA)
            else (_PUNCTUATION if c in (0xA1, 0xAB, 0xBB, 0xBF, 0xB7) else _SYMBOL)
        )
    if (0xC0 <= c <= 0xDE and c != 0xD7) or 0x391 <= c <= 0x3A9 or 0x400 <= c <= 0x42F:
        return _UPPER
    if 0x100 <= c <= 0x17E:
        return _LETTER if _lower(c) == c else _UPPER
    if 0x2010 <= c <= 0x2027 or 0x2030 <= c <= 0x205E:
        return _SYMBOL if c in (0x2022, 0x2023) else _PUNCTUATION
    if 0x3001 <= c <= 0x3011 or 0xFF01 <= c <= 0xFF0F or 0xFF1A <= c <= 0xFF1F:
        return _PUNCTUATION
    if c in (0x60C, 0x61B, 0x61F, 0x6D4, 0x964, 0x965, 0x55D, 0x589, 0x5BE, 0xE2F):
        return _PUNCTUATION
    if (
        0x3040 <= c <= 0x30FF
        or 0x3400 <= c <= 0x9FFF
        or 0xF900 <= c <= 0xFAFF
        or 0x0E01 <= c <= 0x0EFF
        or 0x1000 <= c <= 0x109F
        or 0x1780 <= c <= 0x17FF
        or 0x20000 <= c <= 0x3FFFF
    ):
        return _IDEOGRAPH
    if 0x2060 <= c <= 0x2BFF or 0xE000 <= c <= 0xF8FF or 0x1F000 <= c <= 0x1FFFF or c >= 0xFFF0:
        return _SYMBOL
    if c in (0xD7, 0xF7):
        return _SYMBOL
    return _LETTER


@compiled
def _ends_sentence(c: int) -> bool:
    return (
        c in (0x2E, 0x21, 0x3F, 0x2026, 0x3002, 0xFF01, 0xFF1F, 0xFF0E)
        or c in (0x964, 0x965, 0x6D4, 0x61F, 0x589, 0x1362, 0x104B, 0x17D4)
    )  # fmt: skip


@compiled
def _closes(c: int) -> bool:
    """Quotes and brackets that may follow the end of a sentence."""
    return c in (0x22, 0x27, 0x29, 0x5D, 0xBB, 0x2019, 0x201D, 0x300D, 0x300F, 0xFF09)


@compiled
def _code_point(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """The code point at byte ``i`` and where the next begins; well-formed UTF-8 is assumed."""
    c = int(data[i])
    if c < 0x80:
        return c, i + 1
    if c < 0xE0 and i + 1 < end:
        return (c & 0x1F) << 6 | int(data[i + 1] & 0x3F), i + 2
    if c < 0xF0 and i + 2 < end:
        return (c & 0x0F) << 12 | int(data[i + 1] & 0x3F) << 6 | int(data[i + 2] & 0x3F), i + 3
    if i + 3 < end:
        high = (c & 0x07) << 18 | int(data[i + 1] & 0x3F) << 12
        return high | int(data[i + 2] & 0x3F) << 6 | int(data[i + 3] & 0x3F), i + 4
    return 0xFFFD, end


@compiled
def _starts_item(c: int) -> bool:
    """Whether a line that begins so is an item or a heading of its own, not a continuation."""
    return c in (0x2D, 0x2A, 0x2B, 0x7C, 0x23, 0x3E, 0x2022, 0xB7, 0x2013)


@compiled
def _insert(seen: Words, stamps: Longs, stamp: int, key: np.uint64) -> bool:
    """Adds a key to an open-addressing set that is emptied by a new stamp; True when it was new."""
    mask = np.uint64(len(seen) - 1)
    slot = key & mask
    while stamps[slot] == stamp:
        if seen[slot] == key:
            return False
        slot = (slot + np.uint64(1)) & mask
    stamps[slot] = stamp
    seen[slot] = key
    return True


@compiled
def _most_lines(data: Bytes, offsets: Longs) -> int:
    """The largest number of lines in one document."""
    most = 0
    for d in range(len(offsets) - 1):
        lines = 1
        for i in range(offsets[d], offsets[d + 1]):
            lines += data[i] == 0x0A
        most = max(most, lines)
    return most


@compiled
def _measure(
    data: Bytes,
    offsets: Longs,
    which: Longs,
    stop_keys: Words,
    stop_masks: Longs,
    scales: Floats,
    result: Floats,
) -> None:
    lists = len(scales)
    stops = np.zeros(lists, np.int64)
    seen_words = np.zeros(128, np.uint64)
    word_stamps = np.zeros(128, np.int64)
    slots = 16
    while slots < 2 * _most_lines(data, offsets):  # the set stays half empty
        slots *= 2
    seen_lines = np.zeros(slots, np.uint64)
    line_stamps = np.zeros(slots, np.int64)
    prime, seed = np.uint64(0x100000001B3), np.uint64(0xCBF29CE484222325)
    table_mask = np.uint64(len(stop_keys) - 1)
    stamp = 0
    for d in range(len(offsets) - 1):
        i, end = offsets[d], offsets[d + 1]
        characters = letters = uppers = digits = symbols = commas = shouts = 0
        words = sentences = lines = finished = short = repeated = ideographs = word_letters = 0
        line_characters = line_all = last = 0
        distinct = filled = 0
        stops[:] = 0
        stamp += 1
        line_hash, word, length = seed, seed, 0
        physical = 0  # characters of the line on the page, where `line_all` may span wrapped ones
        while True:
            at_end = i >= end
            c, following = (0x0A, end) if at_end else _code_point(data, i, end)
            kind = _character_class(c)
            if kind in (_LETTER, _UPPER, _DIGIT):
                lowered = _lower(c)
                word = (word ^ np.uint64(lowered)) * prime
                length += 1
                if kind == _DIGIT:
                    digits += 1
                else:
                    letters += 1
                    if kind == _UPPER:
                        uppers += 1
            elif (c == 0x27 or c == 0x2019) and length > 0:
                pass  # an apostrophe stays inside its word: don't
            else:
                if kind == _IDEOGRAPH:
                    letters += 1
                    ideographs += 1
                    if ideographs & 1:
                        words += 1
                        word_letters += 2
                        filled += 1
                        key = np.uint64(c) * prime
                        distinct += _insert(seen_words, word_stamps, stamp, key)
                if length > 0:
                    words += 1
                    word_letters += length
                    filled += 1
                    distinct += _insert(seen_words, word_stamps, stamp, word)
                    slot = word & table_mask
                    while stop_keys[slot] != 0 and stop_keys[slot] != word:
                        slot = (slot + np.uint64(1)) & table_mask
                    if stop_keys[slot] == word:
                        for k in range(lists):
                            stops[k] += (stop_masks[slot] >> k) & 1
                    word, length = seed, 0
                if filled >= WINDOW:
                    stamp += 1
                    filled = 0
                if kind == _SYMBOL:
                    symbols += 1
                elif c == 0x2C or c == 0x3B or c == 0x3001 or c == 0xFF0C or c == 0x60C:
                    commas += 1
                elif c == 0x21 or c == 0xFF01:
                    shouts += 1
            if kind != _SPACE:
                characters += 1
                line_characters += 1
                line_hash = (line_hash ^ np.uint64(c)) * prime
                if not _closes(c) or last == 0:
                    last = c
                if _ends_sentence(c):
                    nxt = 0x20
                    if following < end:
                        nxt, _ = _code_point(data, following, end)
                    if _character_class(nxt) == _SPACE or _closes(nxt) or c >= 0x964:
                        sentences += 1
            if c != 0x0A and not at_end:
                physical += 1
                line_all += 1
                i = following
                continue
            if line_characters > 0:
                wrapped = False
                if not at_end and _WRAP_LOW <= physical <= _WRAP_HIGH and not _ends_sentence(last):
                    j = following
                    while j < end and (data[j] == 0x20 or data[j] == 0x09):
                        j += 1
                    if j < end and data[j] != 0x0A and data[j] != 0x0D:
                        first, _ = _code_point(data, j, end)
                        wrapped = not _starts_item(first)
                if wrapped:
                    line_all += 1
                else:
                    lines += 1
                    finished += _ends_sentence(last)
                    short += line_all <= _SHORT_LINE
                    if not _insert(seen_lines, line_stamps, d + 1, line_hash):
                        repeated += line_characters
                    line_characters = line_all = last = 0
                    line_hash = seed
            else:
                line_all = 0
            physical = 0
            if at_end:
                break
            i = following
        share = np.nan
        if words > 0:
            if which[d] >= 0:
                share = stops[which[d]] / words * scales[which[d]]
            elif which[d] == _ALL_LISTS:
                share = 0.0
                for k in range(lists):
                    share = max(share, stops[k] / words * scales[k])
        some_words, some_lines = max(words, 1), max(lines, 1)
        some_characters = max(characters, 1)
        result[d, 0] = np.log1p(words / some_lines)
        result[d, 1] = np.log1p(min(words / max(sentences, 1), 200.0))
        result[d, 2] = share if words > 0 else 0.0
        result[d, 3] = finished / some_lines
        result[d, 4] = short / some_lines
        result[d, 5] = repeated / some_characters
        result[d, 6] = distinct / some_words
        result[d, 7] = symbols / some_characters
        result[d, 8] = digits / some_characters
        result[d, 9] = uppers / max(letters, 1)
        result[d, 10] = word_letters / some_words
        result[d, 11] = commas / some_words
        result[d, 12] = shouts / some_words
