"""Words and marks: a tokenizer after the rules of spaCy's English, over decoded characters.

Published thresholds on words were set with a tokenizer that counts punctuation marks as words
(datatrove uses spaCy); with words split at white space a quarter of web pages get another verdict.
Prefixes, suffixes, infixes, contractions, abbreviations and addresses follow spaCy's documented
rules; its emoticons and rarer exceptions are left out. Letters of scripts without spaces between
words (Han, kana, Thai, Lao, Khmer, Myanmar, Tibetan) are words of their own.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from pipeline.compile import compiled
from stages.heuristics.characters import (
    AFFIX,
    ALPHA,
    CURRENCY,
    DIGIT,
    ICON,
    LOWER,
    QUOTE,
    SPACE,
    UNSPACED,
    UPPER,
)

Codes = np.ndarray[Any, np.dtype[np.int32]]
Flags = np.ndarray[Any, np.dtype[np.uint16]]
Bounds = np.ndarray[Any, np.dtype[np.int32]]
Hashes = np.ndarray[Any, np.dtype[np.uint64]]

DOT, COMMA, DASH, PLUS, APOSTROPHE, QUOTE_RIGHT = 0x2E, 0x2C, 0x2D, 0x2B, 0x27, 0x2019
ELLIPSIS, EN_DASH, EM_DASH, TILDE = 0x2026, 0x2013, 0x2014, 0x7E

_ABBREVIATIONS_TEXT = (
    "Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. I.e. I.E. Inc. Jr. Ltd. Md."
    " Messrs. Mo. Mont. Mr. Mrs. Ms. p.m. a.m. P.M. A.M. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s."
    " Ala. Apr. Ariz. Ark. Aug. Calif. Colo. Conn. Dec. Del. Feb. Fla. Ga. Ia. Id. Ill. Ind. Jan."
    " Jul. Jun. Kan. Kans. Ky. La. Mar. Mass. Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb."
    " Nebr. Nev. Nov. Oct. Okla. Ore. Pa. S.C. Sep. Sept. Tenn. Va. Wash. Wis."
)
_UNITS_TEXT = (
    "km m dm cm mm nm yd in ft kg g mg t lb oz kmh mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K"
    " ha"
)


@compiled
def hash_of(codes: Codes, start: int, end: int) -> np.uint64:
    """64-bit hash of the characters from ``start`` to ``end``."""
    value = np.uint64(0x9E3779B97F4A7C15)
    for position in range(start, end):
        value = (value ^ np.uint64(codes[position])) * np.uint64(0xFF51AFD7ED558CCD)
    return value ^ (value >> np.uint64(32))


def hashes_of(words: list[str]) -> Hashes:
    """Hashes of words, sorted."""
    return np.array(
        sorted(
            int(hash_of(np.array([ord(letter) for letter in word], np.int32), 0, len(word)))
            for word in words
        ),
        dtype=np.uint64,
    )


@lru_cache(maxsize=1)
def abbreviation_hashes() -> Hashes:
    """Hashes of the abbreviations that keep their full stop."""
    return hashes_of(_ABBREVIATIONS_TEXT.split())


@lru_cache(maxsize=1)
def unit_hashes() -> Hashes:
    """Hashes of the units that are split off a number."""
    return hashes_of(_UNITS_TEXT.split())


@compiled
def contains(sorted_hashes: Hashes, value: np.uint64) -> bool:
    """Whether a sorted array holds the value."""
    place = np.searchsorted(sorted_hashes, value)
    return bool(place < len(sorted_hashes) and sorted_hashes[place] == value)


@compiled
def _parts(flags: Flags, codes: Codes, position: int) -> bool:
    """Whether the mark after a word of letters is a word of its own."""
    if codes[position] == DOT:
        return bool(flags[position - 1] & LOWER)
    return bool(flags[position] & AFFIX) and codes[position] not in (0x25, 0x3D, 0xA7)


@compiled
def find_words(
    codes: Codes,
    flags: Flags,
    length: int,
    abbreviations: Hashes,
    units: Hashes,
    starts: Bounds,
    ends: Bounds,
    suffixes: Bounds,
) -> int:
    """Fills ``starts`` and ``ends`` with the words of a text in order; returns their number.

    ``codes`` and ``flags`` describe ``length`` characters; the three work arrays have room for
    ``length`` entries.
    """
    count = 0
    position = 0
    while position < length:
        flag = flags[position]
        if flag & SPACE:
            position += 1
            continue
        end = position + 1
        if flag & UNSPACED:
            # Marks (vowel signs, tones) belong to the letter before them.
            while end < length and flags[end] == 0 and codes[end] >= 0x80:
                end += 1
            starts[count] = position
            ends[count] = end
            count += 1
            position = end
            continue
        letters = position
        while letters < length and flags[letters] & (ALPHA | UNSPACED) == ALPHA:
            letters += 1
        end = letters
        while end < length and not flags[end] & (SPACE | UNSPACED):
            end += 1
        if letters == end:
            starts[count] = position
            ends[count] = end
            count += 1
        elif letters == end - 1 and letters > position + 7 and _parts(flags, codes, letters):
            # The commonest case without a call: a long word and one mark.
            starts[count] = position
            ends[count] = letters
            starts[count + 1] = letters
            ends[count + 1] = end
            count += 2
        else:
            count = _split(
                codes, flags, position, end, abbreviations, units, starts, ends, suffixes, count
            )
        position = end
    return count


@compiled
def _split(
    codes: Codes,
    flags: Flags,
    low: int,
    high: int,
    abbreviations: Hashes,
    units: Hashes,
    starts: Bounds,
    ends: Bounds,
    suffixes: Bounds,
    count: int,
) -> int:
    """Splits one run of characters without white space; returns the new number of words."""
    stripped = 0
    first_high = high
    while low < high:
        if _is_abbreviation(codes, low, high, abbreviations):
            break
        prefix = _prefix(codes, flags, low, high)
        if prefix > 0:
            starts[count] = low
            ends[count] = low + prefix
            count += 1
            low += prefix
            if low >= high or _is_abbreviation(codes, low, high, abbreviations):
                break
        suffix = _suffix(codes, flags, low, high, units)
        if suffix > 0:
            high -= suffix
            suffixes[stripped] = high
            stripped += 1
        if prefix == 0 and suffix == 0:
            break
    if low < high:
        count = _split_middle(codes, flags, low, high, abbreviations, starts, ends, count)
    for index in range(stripped - 1, -1, -1):
        starts[count] = suffixes[index]
        ends[count] = suffixes[index - 1] if index > 0 else first_high
        count += 1
    return count


@compiled
def _is_abbreviation(codes: Codes, low: int, high: int, abbreviations: Hashes) -> bool:
    """Whether the run is a known abbreviation, or one small letter with a full stop."""
    if codes[high - 1] != DOT or high - low > 7 or high - low < 2:
        return False
    if high - low == 2 and codes[low] >= 0x61 and codes[low] <= 0x7A:
        return True
    return contains(abbreviations, hash_of(codes, low, high))


@compiled
def _prefix(codes: Codes, flags: Flags, low: int, high: int) -> int:
    """Length of what is split off the front: a mark, dots, a currency sign; 0 for nothing."""
    code = codes[low]
    if flags[low] & (AFFIX | CURRENCY):
        return 1
    if code == DOT:
        end = low + 1
        while end < high and codes[end] == DOT:
            end += 1
        return end - low if end - low > 1 else 0
    if code == PLUS and not (low + 1 < high and flags[low + 1] & DIGIT):
        return 1
    return 0


@compiled
def _suffix(codes: Codes, flags: Flags, low: int, high: int, units: Hashes) -> int:
    """Length of what is split off the end: marks, dots, ``'s``, units after a number; or 0."""
    last = high - 1
    code = codes[last]
    flag = flags[last]
    before = flags[last - 1] if last > low else np.uint16(0)
    before_code = codes[last - 1] if last > low else np.int32(0)
    if code == 0x25 or code == 0x3D:  # % and =: prefixes, and % a unit after a number
        return 1 if code == 0x25 and before & DIGIT else 0
    if flag & AFFIX and code != 0xA7:
        return 1
    if code == DOT:
        start = last
        while start > low and codes[start - 1] == DOT:
            start -= 1
        if start < last:
            return high - start
        if before & (LOWER | DIGIT | AFFIX) or before_code in (DASH, PLUS):
            return 1
        if before & UPPER and last - 2 >= low and flags[last - 2] & UPPER:
            return 1
        return 0
    if code in (0x73, 0x53) and before_code in (APOSTROPHE, QUOTE_RIGHT):
        return 2
    if before & DIGIT and (code == PLUS or flag & CURRENCY):
        return 1
    if flag & ALPHA and code < 0x80:
        start = last
        while start > low and high - start < 4 and flags[start - 1] & ALPHA:
            start -= 1
        if (
            start > low
            and flags[start - 1] & DIGIT
            and contains(units, hash_of(codes, start, high))
        ):
            return high - start
    return 0


@compiled
def _split_middle(
    codes: Codes,
    flags: Flags,
    low: int,
    high: int,
    abbreviations: Hashes,
    starts: Bounds,
    ends: Bounds,
    count: int,
) -> int:
    """Splits what is left between prefixes and suffixes: contractions, addresses, infixes."""
    cut = high
    if not _is_abbreviation(codes, low, high, abbreviations):
        cut = _contraction(codes, flags, low, high)
        if cut == high and not _is_address(codes, flags, low, high):
            return _split_infixes(codes, flags, low, high, starts, ends, count)
    starts[count] = low
    ends[count] = cut
    count += 1
    if cut < high:
        starts[count] = cut
        ends[count] = high
        count += 1
    return count


@compiled
def _contraction(codes: Codes, flags: Flags, low: int, high: int) -> int:
    """Where ``n't``, ``'ll``, ``'ve``, ``'re``, ``'d`` or ``'m`` begins; ``high`` for nowhere."""
    cut = high
    for position in range(max(low + 1, high - 3), high - 1):
        if codes[position] == APOSTROPHE or codes[position] == QUOTE_RIGHT:
            tail = high - position - 1
            first = codes[position + 1] | 0x20
            second = codes[high - 1] | 0x20
            if tail == 1 and first == 0x74 and (codes[position - 1] | 0x20) == 0x6E:
                cut = position - 1
            elif (tail == 1 and first in (0x64, 0x6D)) or (
                tail == 2
                and (
                    (first == 0x6C and second == 0x6C) or (first in (0x76, 0x72) and second == 0x65)
                )
            ):
                cut = position
            break
    if cut <= low:
        return high
    for position in range(low, cut):
        if not flags[position] & ALPHA:
            return high
    return cut


@compiled
def _is_address(codes: Codes, flags: Flags, low: int, high: int) -> bool:
    """Whether the run is a URL, a host name or a mail address, which stay whole."""
    host = low
    dots = 0
    for position in range(low, high):
        code = codes[position]
        if code == DOT:
            dots += 1
        elif code == 0x40 or (
            code == 0x3A
            and position + 2 < high
            and codes[position + 1] == 0x2F
            and codes[position + 2] == 0x2F
            and position - low >= 2
        ):
            host = position + (1 if code == 0x40 else 3)
            dots = 0
        elif code == 0x2F and position >= host and dots > 0:
            break
    if dots == 0:
        return False
    last_dot = -1
    end = host
    while end < high:
        code = codes[end]
        if code == 0x2F or code == 0x3F or code == 0x23 or code == 0x3A:
            break
        if code == DOT:
            if end == host or codes[end - 1] == DOT:
                return False
            last_dot = end
        elif not (flags[end] & (ALPHA | DIGIT) or code == DASH or code == 0x5F):
            return False
        end += 1
    if last_dot < 0 or end - last_dot < 3:
        return False
    for position in range(last_dot + 1, end):
        if not flags[position] & LOWER:
            return False
    if end < high and codes[end] == 0x3A:
        digits = 0
        end += 1
        while end < high and flags[end] & DIGIT:
            end += 1
            digits += 1
        if digits < 2 or digits > 5:
            return False
        return end == high or codes[end] == 0x2F or codes[end] == 0x3F or codes[end] == 0x23
    return True


@compiled
def _split_infixes(
    codes: Codes, flags: Flags, low: int, high: int, starts: Bounds, ends: Bounds, count: int
) -> int:
    """Splits at marks between letters and digits."""
    begun = low
    position = low
    while position < high:
        if flags[position] & ALPHA:
            position += 1
            continue
        width = _infix(codes, flags, position, low, high)
        if width == 0:
            position += 1
            continue
        if position > begun:
            starts[count] = begun
            ends[count] = position
            count += 1
        starts[count] = position
        ends[count] = position + width
        count += 1
        position += width
        begun = position
    if begun < high:
        starts[count] = begun
        ends[count] = high
        count += 1
    return count


@compiled
def _infix(codes: Codes, flags: Flags, position: int, low: int, high: int) -> int:
    """Length of the mark at ``position`` when it parts words there; 0 when it does not."""
    code = codes[position]
    if flags[position] & ICON or code == ELLIPSIS:
        return 1
    if code == DOT and position + 1 < high and codes[position + 1] == DOT:
        end = position + 1
        while end < high and codes[end] == DOT:
            end += 1
        return end - position
    if position == low or position + 1 >= high:
        return 0
    before = flags[position - 1]
    after = flags[position + 1]
    if code == DOT:
        return 1 if before & (LOWER | QUOTE) and after & (UPPER | QUOTE) else 0
    if code == COMMA:
        return 1 if before & ALPHA and after & ALPHA else 0
    between_numbers = before & DIGIT and (after & DIGIT or codes[position + 1] == DASH)
    if between_numbers and code in (PLUS, DASH, 0x2A, 0x5E):
        return 1
    if not before & (ALPHA | DIGIT):
        return 0
    if code in (DASH, EN_DASH, EM_DASH, TILDE):
        if after & ALPHA:
            return 1
        end = position
        while end < high and codes[end] == code:
            end += 1
        width = end - position
        longest = 3 if code == DASH else (2 if code == EM_DASH else 1)
        return width if width <= longest and end < high and flags[end] & ALPHA else 0
    if (code == 0x3A or code == 0x2F or (code >= 0x3C and code <= 0x3E)) and after & ALPHA:
        return 1
    return 0
