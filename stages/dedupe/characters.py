"""What every character counts as when texts are compared: a table over code points.

Texts are compared under NFKC and casefold (UAX #15; Unicode 3.13, caseless matching). Punctuation,
symbols and spaces part words and do not matter otherwise; letters, marks and **digits** do: two
texts of one template that differ in their numbers differ. Scripts written without spaces between
words go by character; the character decides, not a language label.

Documents are in NFC, so mapping code point by code point is NFKC, but for marks that a
compatibility character leaves behind. Half-width kana is the one case seen in practice: kana are
therefore decomposed, which makes both spellings of a voiced syllable equal.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np

from stages.dedupe.arrays import Flags, Words32

SEPARATOR = 0
"""Ends a word: spaces, punctuation, symbols, control characters."""
IGNORED = 1
"""Neither ends a word nor is part of it: format characters, variation selectors, tatweel."""
CHARACTER = 1 << 31
"""Flag: a character of a script without spaces, a token of its own. The rest is the code point."""
EXPANDED = 1 << 30
"""Flag: several characters. Bits 5 to 28: offset into ``expansions``; bits 0-4: how many."""

DIGIT = 1 << 29
"""Flag: a decimal digit of any script (category Nd)."""

TABLE_SIZE = 0x20000
"""Code points with an entry. Those above are Han (to 0x3FFFF), or format characters."""

UNICODE_VERSION = unicodedata.unidata_version
"""Part of a sketch's fingerprint: newer tables know more letters."""

_WITHOUT_SPACES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x1B00, 0x1B7F),  # Balinese
    (0x2E80, 0x2FDF),  # Han radicals
    (0x3005, 0x3007),  # Han iteration mark, closing mark, zero
    (0x3021, 0x3029),  # Hangzhou numerals
    (0x3040, 0x312F),  # Hiragana, Katakana, Bopomofo
    (0x31A0, 0x31FF),  # Bopomofo and Katakana extensions
    (0x3400, 0x4DBF),  # Han extension A
    (0x4E00, 0x9FFF),  # Han
    (0xA000, 0xA4CF),  # Yi
    (0xA980, 0xA9FF),  # Javanese, Myanmar extension B
    (0xAA60, 0xAA7F),  # Myanmar extension A
    (0xF900, 0xFAFF),  # Han compatibility
    (0x16FE0, 0x18D8F),  # Tangut, Khitan
    (0x1AFF0, 0x1B2FF),  # Kana supplements, Nushu
)
"""Blocks of scripts without spaces between words, first and last code point (Unicode 15)."""

_KANA = ((0x3040, 0x30FF), (0xFF65, 0xFF9F))
_IGNORED = frozenset((0x0640, *range(0xFE00, 0xFE10), 0x180B, 0x180C, 0x180D))
"""Arabic tatweel; variation selectors."""


@lru_cache(maxsize=1)
def character_table() -> tuple[Words32, Words32]:
    """``(table, expansions)``, both uint32: what each code point counts as (``SEPARATOR``,
    ``IGNORED``, a folded code point, ``CHARACTER`` | code point, or ``EXPANDED`` | place), and the
    entries of those that fold to several. Built once a process, in about 0.1 s."""
    table = np.zeros(TABLE_SIZE, np.uint32)
    expansions: list[int] = []
    for code in range(TABLE_SIZE):
        if 0x4E00 <= code < 0xA000 or 0x3400 <= code < 0x4DC0:
            table[code] = CHARACTER | code
            continue
        category = unicodedata.category(chr(code))
        if category in ("Cn", "Co", "Cs", "Cc", "Zs", "Zl", "Zp"):
            continue
        entries = [_count(ord(character)) for character in folded(chr(code))]
        if len(entries) == 1:
            table[code] = entries[0]
        elif any(entry > IGNORED for entry in entries):
            table[code] = EXPANDED | len(expansions) << 5 | len(entries)
            expansions += entries
    return table, np.array(expansions, np.uint32)


@lru_cache(maxsize=1)
def capital_table() -> Flags:
    """For each code point below ``TABLE_SIZE`` whether it is a capital (categories Lu and Lt)."""
    categories = (unicodedata.category(chr(code)) for code in range(TABLE_SIZE))
    return np.array([category in ("Lu", "Lt") for category in categories])


def folded(text: str) -> str:
    """NFKC and casefold of a text, kana decomposed: the definition that the table follows."""
    form = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(
        unicodedata.normalize("NFKD", character) if _within(ord(character), _KANA) else character
        for character in form
    )


def _count(code: int) -> int:
    """What one folded code point counts as."""
    category = unicodedata.category(chr(code))
    if code in _IGNORED or category == "Cf":
        return IGNORED
    if category[0] not in "LMN":
        return SEPARATOR
    counted = code | DIGIT if category == "Nd" else code
    alone = _within(code, _WITHOUT_SPACES) or code >= TABLE_SIZE
    return CHARACTER | counted if alone else counted


def _within(code: int, blocks: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= code <= last for first, last in blocks)


HTML_ELEMENTS: str = (
    "a abbr address article aside audio b blockquote body br button canvas caption center cite code"
    " col colgroup dd del details dfn div dl dt em embed fieldset figcaption figure font footer"
    " form h1 h2 h3 h4 h5 h6 head header hr html i iframe img input ins kbd label legend li link"
    " main map mark meta nav noscript object ol optgroup option p param picture pre q rp rt ruby s"
    " samp script section select small source span strike strong style sub summary sup svg table"
    " tbody td template textarea tfoot th thead time title tr track tt u ul var video wbr"
)
"""Elements (HTML living standard, and those of HTML 4 still met) whose tags do not matter. A ``<``
before any other word is an operator or a bracket, as in code."""
