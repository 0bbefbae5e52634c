"""Character classes as a table of bit flags, the same on every version of Python.

The classes come from Unicode 3.2, which Python carries unchanged next to the Unicode version of the
day (``unicodedata.ucd_3_2_0``). Characters that came later count as uncased letters, except the
blocks of emoji and pictographs.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any

import numpy as np

Flags = np.ndarray[Any, np.dtype[np.uint16]]

ALPHA = 1
SPACE = 2
PUNCTUATION = 4
"""Counts as no word when a word has nothing else: Unicode P*, ASCII symbols, controls."""
TERMINAL = 8
"""Ends a sentence: the property Sentence_Terminal of Unicode."""
AFFIX = 16
"""Split off the front and the end of a word by spaCy's punctuation rules."""
UPPER = 32
LOWER = 64
"""Cased letters carry one of the two, letters without case carry both."""
DIGIT = 128
UNSPACED = 256
"""A letter of a script written without spaces between words."""
ICON = 512
BREAK = 1024
"""Ends a line for ``str.splitlines``."""
CURRENCY = 2048
QUOTE = 4096
MARK = 8192
"""Unicode category P*."""

TABLE_SIZE = 0x10000

_SPACES = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_BREAKS = "\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"
_AFFIXES = (
    "\xa7%=\u2014\u2013\u2026,:;!?\xbf\u061f\xa1()[]{}<>_#*&\u3002\uff1f\uff01\uff0c"
    "\u3001\uff1b\uff1a\uff5e\xb7\u0964\u060c\u06d4\u061b\u066a"
)
_QUOTES = (
    "'\"\u201d\u201c`\u2018\xb4\u2019\u201a\u201e\xbb\xab\u300c\u300d\u300e\u300f\uff08"
    "\uff09\u3014\u3015\u3010\u3011\u300a\u300b\u3008\u3009\u3008\u3009\u27e6\u27e7"
)

# Sentence_Terminal, Unicode 15 (PropList.txt), basic plane.
_TERMINALS = (
    (0x21, 0x21), (0x2E, 0x2E), (0x3F, 0x3F), (0x589, 0x589), (0x61D, 0x61F), (0x6D4, 0x6D4),
    (0x700, 0x702), (0x7F9, 0x7F9), (0x837, 0x837), (0x839, 0x839), (0x83D, 0x83E),
    (0x964, 0x965), (0x104A, 0x104B), (0x1362, 0x1362), (0x1367, 0x1368), (0x166E, 0x166E),
    (0x1735, 0x1736), (0x17D4, 0x17D6), (0x17D9, 0x17DA),
    (0x1803, 0x1803), (0x1809, 0x1809), (0x1944, 0x1945),
    (0x1AA8, 0x1AAB), (0x1B5A, 0x1B5B), (0x1B5E, 0x1B5F), (0x1B7D, 0x1B7E), (0x1C3B, 0x1C3C),
    (0x1C7E, 0x1C7F), (0x203C, 0x203D), (0x2047, 0x2049), (0x2E2E, 0x2E2E), (0x2E3C, 0x2E3C),
    (0x2E53, 0x2E54), (0x3002, 0x3002), (0xA4FF, 0xA4FF), (0xA60E, 0xA60F), (0xA6F3, 0xA6F3),
    (0xA6F7, 0xA6F7), (0xA876, 0xA877), (0xA8CE, 0xA8CF), (0xA92F, 0xA92F), (0xA9C8, 0xA9C9),
    (0xAA5D, 0xAA5F), (0xAAF0, 0xAAF1), (0xABEB, 0xABEB), (0xFE52, 0xFE52), (0xFE56, 0xFE57),
    (0xFF01, 0xFF01), (0xFF0E, 0xFF0E), (0xFF1F, 0xFF1F), (0xFF61, 0xFF61),
)  # fmt: skip

# Scripts written without spaces: Thai, Lao, Tibetan, Myanmar, Khmer, kana, Han.
_UNSPACED = (
    (0x0E00, 0x0E4E), (0x0E80, 0x0ECD), (0x0F40, 0x0FBC), (0x1000, 0x1049), (0x1780, 0x17D3),
    (0x3005, 0x3007), (0x3041, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xA9E0, 0xA9FE), (0xAA60, 0xAA7F), (0xF900, 0xFAFF), (0xFF66, 0xFF9D),
)  # fmt: skip


@lru_cache(maxsize=1)
def character_flags() -> Flags:
    """Flags of the code points below 65,536, uint16, read-only."""
    table = np.zeros(TABLE_SIZE, dtype=np.uint16)
    category = unicodedata.ucd_3_2_0.category
    for code in range(TABLE_SIZE):
        table[code] = _flags_of_category(category(chr(code)), code)
    for first, last in _UNSPACED:
        # Vowel signs and tone marks stay with their class but never start a word of their own.
        letters = table[first : last + 1]
        letters[(letters & ALPHA) > 0] |= UNSPACED
    for first, last in _TERMINALS:
        table[first : last + 1] |= TERMINAL
    for characters, flag in ((_SPACES, SPACE), (_BREAKS, BREAK), (_QUOTES, AFFIX | QUOTE)):
        table[[ord(character) for character in characters]] |= flag
    table[[ord(character) for character in _AFFIXES]] |= AFFIX
    table[[ord(character) for character in "$+<=>^`|~"]] |= PUNCTUATION
    table.setflags(write=False)
    return table


def _flags_of_category(category: str, code: int) -> int:
    if category == "Lu" or category == "Lt":
        return ALPHA | UPPER
    if category == "Ll":
        return ALPHA | LOWER
    if category in ("Lo", "Lm", "Cn"):
        return ALPHA | UPPER | LOWER
    if category == "Nd":
        return DIGIT
    if category[0] == "P":
        return PUNCTUATION | MARK
    if category == "Sc":
        return CURRENCY
    if category == "So":
        return ICON | AFFIX
    if category == "Cc":
        return PUNCTUATION
    return 0
