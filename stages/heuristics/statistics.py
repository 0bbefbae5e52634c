"""The statistics of a batch of texts, in one pass of compiled code over the Arrow buffers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.compile import compiled
from pipeline.text_buffers import text_buffers
from stages.heuristics.characters import ALPHA, DIGIT, PUNCTUATION, UNSPACED, character_flags
from stages.heuristics.lines import (
    Phrases,
    find_generated_note,
    generated_phrases,
    line_phrases,
    measure_newline_lines,
    measure_text_lines,
)
from stages.heuristics.repetition import (
    find_lines,
    measure_ngrams,
    measure_repeated_lines,
    measure_repeated_paragraphs,
    table_mask,
)
from stages.heuristics.words import (
    Codes,
    Flags,
    Hashes,
    abbreviation_hashes,
    contains,
    find_words,
    hash_of,
    hashes_of,
    unit_hashes,
)

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Offsets = np.ndarray[Any, np.dtype[np.int64]]
Matrix = np.ndarray[Any, np.dtype[np.float64]]

READ_BYTES = 2 << 20
"""Longer texts are measured on their first 2 MiB. That is more than 100,000 words of at most 10
characters of two bytes, where Gopher's rules end."""

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""Gopher's list (arXiv 2112.11446, appendix A1.1)."""

STATISTICS = (
    "characters",
    "words",
    "unspaced_share",
    "mean_word_length",
    "hashes_per_word",
    "ellipses_per_word",
    "bullet_lines",
    "ellipsis_lines",
    "alphabetic_words",
    "stop_words",
    "dup_lines",
    "dup_paragraphs",
    "dup_line_chars",
    "dup_paragraph_chars",
    "top_2_gram",
    "top_3_gram",
    "top_4_gram",
    "dup_5_gram",
    "dup_6_gram",
    "dup_7_gram",
    "dup_8_gram",
    "dup_9_gram",
    "dup_10_gram",
    "terminal_lines",
    "short_lines",
    "dup_filled_line_chars",
    "newlines_per_word",
    "c4_sentences",
    "c4_lorem_ipsum",
    "c4_curly_bracket",
    "mean_line_length",
    "max_line_length",
    "alphabetic_chars",
    "alphanumeric_chars",
    "generated_note",
    "replacement_chars",
    "alphabetic_tokens",
)
"""Columns of ``measure``. ``words`` and what is said of words leave punctuation marks out, except
``hashes_per_word``, ``ellipses_per_word``, ``newlines_per_word``, the n-grams and
``alphabetic_tokens``, which count marks as words as datatrove does. Shares lie between 0 and 1;
lengths are in characters."""

_EMOJI_FIRST, _EMOJI_LAST = 0x1F000, 0x1FAFF
_HAN_FIRST, _HAN_LAST = 0x20000, 0x3FFFF


@lru_cache(maxsize=1)
def _stop_word_hashes() -> Hashes:
    return hashes_of(list(STOP_WORDS))


def measure(texts: pa.ChunkedArray | pa.Array, *, terminal_only: bool = False) -> Matrix:
    """Statistics of each text, float64 of shape (rows, ``len(STATISTICS)``).

    ``terminal_only`` says whether C4's sentences are counted only in lines that end with final
    punctuation. ``mean_word_length`` is NaN where words cannot be told apart.
    """
    data, offsets = text_buffers(texts)
    found = np.zeros((len(offsets) - 1, len(STATISTICS)), np.float64)
    _measure_batch(
        data,
        offsets,
        character_flags(),
        abbreviation_hashes(),
        unit_hashes(),
        _stop_word_hashes(),
        line_phrases(),
        generated_phrases(),
        terminal_only,
        found,
    )
    return found


@compiled
def decode(data: Bytes, start: int, end: int, table: Flags, codes: Codes, flags: Flags) -> int:
    """Fills code points and their flags from UTF-8; returns the number of characters."""
    length = 0
    place = start
    while place < end:
        byte = np.int32(data[place])
        if byte < 0x80:
            code = byte
            place += 1
        elif byte < 0xE0 and place + 1 < end:
            code = ((byte & 0x1F) << 6) | (np.int32(data[place + 1]) & 0x3F)
            place += 2
        elif byte < 0xF0 and place + 2 < end:
            code = (
                ((byte & 0x0F) << 12)
                | ((np.int32(data[place + 1]) & 0x3F) << 6)
                | (np.int32(data[place + 2]) & 0x3F)
            )
            place += 3
        elif place + 3 < end:
            code = (
                ((byte & 0x07) << 18)
                | ((np.int32(data[place + 1]) & 0x3F) << 12)
                | ((np.int32(data[place + 2]) & 0x3F) << 6)
                | (np.int32(data[place + 3]) & 0x3F)
            )
            place += 4
        else:
            break
        codes[length] = code
        if code < 0x10000:
            flags[length] = table[code]
        elif code >= _EMOJI_FIRST and code <= _EMOJI_LAST:
            flags[length] = table[0x2603]  # an icon
        elif code >= _HAN_FIRST and code <= _HAN_LAST:
            flags[length] = table[0x4E00]
        else:
            flags[length] = table[0x5D0]  # a letter without case
        length += 1
    return length


@compiled
def _measure_batch(
    data: Bytes,
    offsets: Offsets,
    table: Flags,
    abbreviations: Hashes,
    units: Hashes,
    stop_words: Hashes,
    phrases: Phrases,
    generated: Phrases,
    terminal_only: bool,
    found: Matrix,
) -> None:
    longest = 1
    for row in range(len(offsets) - 1):
        longest = max(longest, min(offsets[row + 1] - offsets[row], READ_BYTES))
    codes = np.empty(longest, np.int32)
    flags = np.empty(longest, np.uint16)
    starts = np.empty(longest + 1, np.int32)
    ends = np.empty(longest + 1, np.int32)
    lengths = np.empty(longest, np.int32)
    hashes = np.empty(longest, np.uint64)
    grams = np.empty(longest + 1, np.uint64)
    slots = table_mask(longest + 1) + 1
    keys = np.empty(slots, np.uint64)
    counts = np.empty(slots, np.int32)
    part = np.zeros(16, np.float64)
    seen = np.zeros(len(stop_words), np.uint8)
    for row in range(len(offsets) - 1):
        start = offsets[row]
        out = found[row]
        length = decode(data, start, min(offsets[row + 1], start + READ_BYTES), table, codes, flags)
        out[0] = length
        if length == 0:
            continue
        words = find_words(codes, flags, length, abbreviations, units, starts, ends, lengths)
        per_word = _measure_words(
            codes, flags, starts, ends, words, stop_words, lengths, hashes, seen, out
        )
        _measure_characters(codes, flags, length, generated, per_word, out)

        measure_text_lines(codes, flags, length, starts, ends, words, phrases, terminal_only, part)
        out[6] = part[1] / part[0]
        out[7] = part[2] / part[0]
        out[27:30] = part[3:6]

        measure_newline_lines(codes, flags, length, part)
        out[23] = part[2] / max(part[1], 1.0)
        out[24] = part[3] / max(part[1], 1.0)
        out[26] = part[0] / per_word
        visible = length - part[0]
        out[30] = visible / max(part[5], 1.0)
        out[31] = part[4]

        lines = find_lines(codes, length, starts, ends, grams)
        measure_repeated_lines(flags, starts, ends, grams, lines, keys, counts, part)
        out[10] = part[1] / part[0]
        out[12] = part[2] / length
        out[25] = part[3] / max(visible, 1.0)
        measure_repeated_paragraphs(
            codes, flags, length, starts, ends, grams, lines, keys, counts, part
        )
        out[11] = part[1] / part[0]
        out[13] = part[2] / length

        # Two characters stand for a word where words are not parted by spaces.
        spread = 2 if out[2] > 0.5 else 1
        measure_ngrams(hashes, lengths, words, spread, grams, keys, counts, part)
        out[14:23] = part[0:9] / length


@compiled
def _measure_words(
    codes: Codes,
    flags: Flags,
    starts: np.ndarray[Any, np.dtype[np.int32]],
    ends: np.ndarray[Any, np.dtype[np.int32]],
    words: int,
    stop_words: Hashes,
    lengths: np.ndarray[Any, np.dtype[np.int32]],
    hashes: Hashes,
    seen: np.ndarray[Any, np.dtype[np.uint8]],
    out: np.ndarray[Any, np.dtype[np.float64]],
) -> float:
    """Word statistics; fills lengths and hashes. Returns how many words ratios are taken over."""
    seen[:] = 0
    alphabetic = 0
    unspaced = 0
    real = 0
    real_characters = 0
    for word in range(words):
        start = starts[word]
        end = ends[word]
        lengths[word] = end - start
        value = hash_of(codes, start, end)
        hashes[word] = value
        union = np.uint16(0)
        marks_only = True
        for position in range(start, end):
            union |= flags[position]
            marks_only = marks_only and (flags[position] & PUNCTUATION) != 0
        if union & ALPHA:
            alphabetic += 1
        if union & UNSPACED:
            unspaced += 1
        elif not marks_only:
            real += 1
            real_characters += end - start
        if end - start <= 4 and contains(stop_words, value):
            seen[np.searchsorted(stop_words, value)] = 1
    total = max(words - unspaced / 2.0, 1.0)
    out[1] = real + unspaced / 2.0
    out[2] = unspaced / max(words, 1)
    out[3] = np.nan if out[2] > 0.5 or real == 0 else real_characters / real
    out[8] = alphabetic / max(real + unspaced, 1)
    out[36] = alphabetic / max(words, 1)
    out[9] = seen.sum()
    return float(total)


@compiled
def _measure_characters(
    codes: Codes,
    flags: Flags,
    length: int,
    generated: Phrases,
    per_word: float,
    out: np.ndarray[Any, np.dtype[np.float64]],
) -> None:
    """Symbols, letters, digits, replacement characters and the note of generated files."""
    hashes = 0
    ellipses = 0
    letters = 0
    digits = 0
    replaced = 0
    dots = 0
    for position in range(length):
        code = codes[position]
        hashes += code == 0x23
        letters += (flags[position] & ALPHA) != 0
        digits += (flags[position] & DIGIT) != 0
        replaced += code == 0xFFFD
        if code == 0x2E:
            dots += 1
            if dots == 3:
                ellipses += 1
                dots = 0
        else:
            dots = 0
            ellipses += code == 0x2026
    out[4] = hashes / per_word
    out[5] = ellipses / per_word
    out[32] = letters / length
    out[33] = (letters + digits) / length
    out[34] = find_generated_note(codes, length, generated)
    out[35] = replaced / length
