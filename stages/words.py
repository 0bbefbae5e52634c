"""Words of documents as hashes: one pass over the UTF-8 bytes of an Arrow column, in machine code.

A word is what is left of a text after Unicode NFKC, case folding, and the removal of symbols and
punctuation (the clean-up that the Qwen2 report, arXiv 2407.10671 section 5.2.6, does before it
matches n-grams): a run of letters, marks and numbers. Numbers stay numbers. Symbols, punctuation
and white space separate words, so ``has_close_elements`` is three words and ``3.5`` is two.

In scripts that are written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese …) every
letter, together with the marks on it, is a word. Characters that are not shown (soft hyphen,
joiners, variation selectors) do not exist.

Text often comes inside of JSON or of a program's string. There ``\\n``, ``\\r`` and ``\\t`` before
letters, and ``\\u`` with four hexadecimal digits, separate words: they are not letters of the next
word. Where the letters are a LaTeX command (``\\nu``, ``\\theta``, ``\\right``) they stay one.

Two words are equal when the NFKD forms of their folded letters are, which is so exactly when their
NFKC forms are; NFKD is used because it is made code point by code point, from a
table. The marks on a letter are hashed without their order, instead of in canonical order.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.compile import compiled
from pipeline.text_buffers import text_buffers

U8 = np.ndarray[Any, np.dtype[np.uint8]]
U16 = np.ndarray[Any, np.dtype[np.uint16]]
U32 = np.ndarray[Any, np.dtype[np.uint32]]
U64 = np.ndarray[Any, np.dtype[np.uint64]]
I64 = np.ndarray[Any, np.dtype[np.int64]]

SEPARATOR, LETTER, MARK, SINGLE, HIDDEN, EXPANSION = range(6)
"""What a code point is: between words; in words; only inside a word; a word of its own with its
marks; not there at all; several of these."""

# A table entry is the class in the top byte and the folded code point below; of an expansion, the
# place in ``Alphabet.expansions`` times 32 plus its length (the longest, U+FDFA, has 18).
_CLASS_SHIFT = 24
_VALUE_MASK = 0xFFFFFF
_LENGTH_BITS = 5
_LENGTH_MASK = 31

# FNV-1a, 64 bits (Fowler, Noll, Vo), over code points instead of bytes, closed by the finaliser of
# MurmurHash3 (Appleby), because FNV alone leaves the high bits of short words poor.
_SEED = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(33)

_SPACELESS = (
    "AHOM ",
    "BALINESE ",
    "BOPOMOFO ",
    "CJK ",
    "HENTAIGANA ",
    "HIRAGANA ",
    "JAVANESE ",
    "KATAKANA",
    "KHITAN ",
    "KHMER ",
    "LAO ",
    "LEPCHA ",
    "MYANMAR ",
    "NEW TAI LUE ",
    "NUSHU ",
    "TAI ",
    "TANGUT ",
    "THAI ",
    "YI ",
)
"""Starts of Unicode character names of scripts without spaces between words."""

_IDEOGRAPHS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0x20000, 0x323AF))
"""Unified ideographs: words of their own, equal to their own normal forms."""

_ASSIGNED = Path(__file__).with_name("unicode_14.tsv")
"""First and last code points of what Unicode 14.0 assigns (the version of Python 3.11). Later
Pythons know more characters; they are left out, so that all give the same words. What Unicode says
about an assigned character's normal form and case folding is stable by its policy."""

_ZERO_WIDTH_SPACE = 0x200B
_BACKSLASH = 92


_LATEX = (
    "nabla natural ne nearrow neg neq newline nexists ngeq ni nleq nmid nobreak noindent nolimits"
    " nonumber normalsize not notin nparallel nsubseteq nu nwarrow"
    " rangle rbrace rbrack rceil re rfloor rho right rightarrow rightleftharpoons rm root"
    " rule rvert tan tanh tau tbinom text textbf textit textrm tfrac therefore theta tilde times"
    " tiny to top triangle"
)
"""LaTeX commands that start with the letter of an escape: ``\\nu`` is no line break before a u."""


class Alphabet(NamedTuple):
    """Tables that say what each code point is: ``entries[pages[c >> 8] * 256 + (c & 255)]``.

    ``commands`` are hashes of the commands that are no escapes (see ``_escape``)."""

    ascii: U8
    pages: U16
    entries: U32
    expansions: U32
    commands: U64


class Words(NamedTuple):
    """Words of all rows of a column. Row i has the words ``offsets[i]:offsets[i + 1]``; ``starts``
    and ``ends`` are byte offsets within the row's own text."""

    hashes: U64
    starts: I64
    ends: I64
    offsets: I64


@lru_cache(maxsize=1)
def alphabet() -> Alphabet:
    """The tables, made on first use from Python's Unicode database (a fraction of a second)."""
    flat = np.zeros(0x110000, np.uint32)
    expansions: list[int] = []
    seen: dict[str, int] = {}
    for line in _ASSIGNED.read_text(encoding="ascii").splitlines():
        first, last = (int(number, 16) for number in line.split("\t"))
        for point in range(first, last + 1):
            if any(low <= point <= high for low, high in _IDEOGRAPHS):
                flat[point] = SINGLE << _CLASS_SHIFT | point
            else:
                flat[point] = _entry(chr(point), expansions, seen)
    pages, page_of = np.unique(flat.reshape(-1, 256), axis=0, return_inverse=True)
    ascii_fold = np.zeros(256, np.uint8)
    for point in range(128):
        if flat[point] >> _CLASS_SHIFT == LETTER:
            ascii_fold[point] = flat[point] & _VALUE_MASK
    return Alphabet(
        ascii_fold,
        page_of.astype(np.uint16).reshape(-1),
        np.ascontiguousarray(pages).reshape(-1),
        np.array(expansions or [0], np.uint32),
        np.array([_command_hash(name) for name in _LATEX.split()], np.uint64),
    )


def _command_hash(name: str) -> int:
    state = int(_SEED)
    for byte in name.encode():
        state = (state ^ byte) * int(_PRIME) % 2**64
    return state


def _entry(character: str, expansions: list[int], seen: dict[str, int]) -> int:
    if _is_hidden(character):
        return HIDDEN << _CLASS_SHIFT
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", character).casefold())
    parts = [_class(part) << _CLASS_SHIFT | ord(part) for part in folded]
    if all(part >> _CLASS_SHIFT == SEPARATOR for part in parts):
        return SEPARATOR
    if len(parts) == 1:
        return parts[0]
    if folded not in seen:
        seen[folded] = len(expansions)
        expansions.extend(parts)
    return EXPANSION << _CLASS_SHIFT | seen[folded] << _LENGTH_BITS | len(parts)


def _is_hidden(character: str) -> bool:
    if unicodedata.category(character) == "Cf":
        return ord(character) != _ZERO_WIDTH_SPACE
    return unicodedata.name(character, "").startswith("VARIATION SELECTOR")


def _class(character: str) -> int:
    category = unicodedata.category(character)
    if category[0] == "M":
        return MARK
    if category[0] == "N":
        return LETTER
    if category[0] != "L":
        return HIDDEN if _is_hidden(character) else SEPARATOR
    name = unicodedata.name(character, "")
    return SINGLE if name.startswith(_SPACELESS) else LETTER


def word_capacity(n_bytes: int) -> int:
    """An upper bound of the words in ``n_bytes`` of UTF-8 (U+FDFA: three bytes, four words)."""
    return n_bytes + n_bytes // 2 + 1


@compiled
def mix(value: np.uint64) -> np.uint64:
    """A 64-bit hash of a 64-bit value (the finaliser of MurmurHash3): a bijection."""
    value ^= value >> _SHIFT
    value *= _MIX_1
    value ^= value >> _SHIFT
    value *= _MIX_2
    return value ^ (value >> _SHIFT)


@compiled
def _escape(data: U8, at: int, end: int, commands: U64) -> int:
    """How many bytes the escape at a backslash has: 2 where ``\\n``, ``\\r`` or ``\\t`` is a break,
    6 for ``\\u`` and four hexadecimal digits, 1 where the backslash is only a symbol."""
    if at + 1 >= end:
        return 1
    kind = data[at + 1]
    if kind == 117 and at + 6 <= end:
        for i in range(at + 2, at + 6):
            byte = data[i] | 32
            if not (48 <= data[i] <= 57 or 97 <= byte <= 102):
                return 1
        return 6
    if kind not in (110, 114, 116):
        return 1
    state = _SEED
    i = at + 1
    while i < end and 97 <= (data[i] | 32) <= 122 and data[i] >= 65:
        state = (state ^ np.uint64(data[i])) * _PRIME
        i += 1
    for command in commands:
        if command == state:
            return 1
    return 2


@compiled
def scan_words(
    data: U8, start: int, end: int, letters: Alphabet, hashes: U64, starts: I64, ends: I64
) -> int:
    """Writes the words of ``data[start:end]`` (whole, valid UTF-8) and returns their number.

    ``hashes`` must hold ``word_capacity(end - start)``. ``starts`` and ``ends`` (byte offsets from
    ``start``) must hold as many, or nothing: then they are not written.
    """
    fold, pages, entries, expansions, commands = letters
    spans = len(starts) > 0
    count = 0
    word = -1  # where the open word starts, or -1
    last = 0  # where it ends, so far
    single = False  # the open word takes marks only
    state = _SEED
    at = start
    while at < end:
        byte = data[at]
        if byte < 128:
            value = fold[byte]
            if value != 0:
                if word < 0 or single:
                    if word >= 0:
                        hashes[count] = mix(state)
                        if spans:
                            starts[count] = word - start
                            ends[count] = last - start
                        count += 1
                    word = at
                    single = False
                    state = _SEED
                state = (state ^ np.uint64(value)) * _PRIME
                at += 1
                while at < end:
                    value = fold[data[at]]  # 0 for bytes of other characters too
                    if value == 0:
                        break
                    state = (state ^ np.uint64(value)) * _PRIME
                    at += 1
                last = at
                continue
            if word >= 0:
                hashes[count] = mix(state)
                if spans:
                    starts[count] = word - start
                    ends[count] = last - start
                count += 1
                word = -1
            if byte == _BACKSLASH:
                at += _escape(data, at, end, commands)
            else:
                at += 1
            continue
        if byte < 0xE0:
            point = (int(byte) & 31) << 6 | (int(data[at + 1]) & 63)
            after = at + 2
        elif byte < 0xF0:
            point = (
                (int(byte) & 15) << 12 | (int(data[at + 1]) & 63) << 6 | (int(data[at + 2]) & 63)
            )
            after = at + 3
        else:
            point = (
                (int(byte) & 7) << 18
                | (int(data[at + 1]) & 63) << 12
                | (int(data[at + 2]) & 63) << 6
                | (int(data[at + 3]) & 63)
            )
            after = at + 4
        entry = int(entries[int(pages[point >> 8]) << 8 | (point & 255)])
        place = 0
        length = 1
        if entry >> _CLASS_SHIFT == EXPANSION:
            place = (entry & _VALUE_MASK) >> _LENGTH_BITS
            length = entry & _LENGTH_MASK
        for step in range(length):
            part = entry if length == 1 else int(expansions[place + step])
            kind = part >> _CLASS_SHIFT
            if kind == HIDDEN or (kind == MARK and word < 0):
                continue
            if word >= 0 and (kind in (SEPARATOR, SINGLE) or (kind == LETTER and single)):
                hashes[count] = mix(state)
                if spans:
                    starts[count] = word - start
                    ends[count] = last - start
                count += 1
                word = -1
            if kind == SEPARATOR:
                continue
            if word < 0:
                word = at
                single = kind == SINGLE
                state = _SEED
            if kind == MARK:
                state += mix(np.uint64(part & _VALUE_MASK))
            else:
                state = (state ^ np.uint64(part & _VALUE_MASK)) * _PRIME
            last = after
        at = after
    if word >= 0:
        hashes[count] = mix(state)
        if spans:
            starts[count] = word - start
            ends[count] = last - start
        count += 1
    return count


def hash_words(text: pa.ChunkedArray | pa.Array) -> Words:
    """The words of every row of a column of strings (held in memory: 24 bytes a word)."""
    data, offsets = text_buffers(text)
    return Words(*_scan_rows(data, offsets, alphabet()))


@compiled
def _scan_rows(data: U8, offsets: I64, letters: Alphabet) -> tuple[U64, I64, I64, I64]:
    rows = len(offsets) - 1
    longest = 0
    for row in range(rows):
        longest = max(longest, offsets[row + 1] - offsets[row])
    capacity = longest + longest // 2 + 1
    hashes = np.empty(capacity, np.uint64)
    starts = np.empty(capacity, np.int64)
    ends = np.empty(capacity, np.int64)
    room = (offsets[rows] - offsets[0]) // 4 + 64
    all_hashes = np.empty(room, np.uint64)
    all_starts = np.empty(room, np.int64)
    all_ends = np.empty(room, np.int64)
    word_offsets = np.zeros(rows + 1, np.int64)
    total = 0
    for row in range(rows):
        count = scan_words(data, offsets[row], offsets[row + 1], letters, hashes, starts, ends)
        if total + count > room:
            room = 2 * (total + count)
            all_hashes = _grown(all_hashes, total, room)
            all_starts = _grown(all_starts, total, room)
            all_ends = _grown(all_ends, total, room)
        all_hashes[total : total + count] = hashes[:count]
        all_starts[total : total + count] = starts[:count]
        all_ends[total : total + count] = ends[:count]
        total += count
        word_offsets[row + 1] = total
    return all_hashes[:total], all_starts[:total], all_ends[:total], word_offsets


@compiled
def _grown(values: Any, used: int, room: int) -> Any:
    larger = np.empty(room, values.dtype)
    larger[:used] = values[:used]
    return larger
