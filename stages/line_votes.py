"""What each line of a text looks like: the votes that a document's kind is told from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.compile import compiled
from pipeline.text_buffers import text_buffers

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Offsets = np.ndarray[Any, np.dtype[np.int64]]
Matrix = np.ndarray[Any, np.dtype[np.float64]]
Words = np.ndarray[Any, np.dtype[np.uint64]]
State = np.ndarray[Any, np.dtype[np.int64]]

STATISTICS = (
    "prose_share",
    "code_share",
    "math_share",
    "list_share",
    "markup_share",
    "short_share",
    "latex_density",
)

PROSE, CODE, MATH, LIST, MARKUP, SHORT, COMMENT = range(7)

# State that goes from line to line: LaTeX marks, tokens, and the open block comment or string.
_MARKS, _TOKENS, _BLOCK = range(3)
_NO_BLOCK, _C_BLOCK, _DOUBLE_QUOTED, _SINGLE_QUOTED = range(4)

# Classes of bytes.
_LETTER, _DIGIT, _BLANK, _SYMBOL, _POINT, _OTHER = 1, 2, 4, 8, 16, 32


def _byte_classes() -> Bytes:
    classes = np.full(256, _LETTER, np.uint8)
    classes[:128] = _OTHER
    for byte in b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ":
        classes[byte] = _LETTER
    for byte in b"0123456789":
        classes[byte] = _DIGIT
    for byte in b" \t\r\v\f":
        classes[byte] = _BLANK
    for byte in b"{}[]=<>;&|*/+\\_^%$#@~`":
        classes[byte] = _SYMBOL
    for byte in b".,:!?()\"'-":
        classes[byte] = _POINT
    return classes


_CLASSES = _byte_classes()

# Words that begin a statement, padded to eight bytes each and read as one integer.
_KEYWORD_WORDS = (
    "def class import from return if for while else elif try except with raise yield assert del"
    " print public private static const let var function fn func struct enum package using export"
    " void int char float double bool switch case end begin module namespace typedef extern async"
    " await impl pub use local unsigned template interface elsif unless require"
)


def _keyword_codes(words: str) -> Words:
    return np.array(
        sorted(int.from_bytes(word.encode()[:8].ljust(8, b"\0"), "big") for word in words.split()),
        dtype=np.uint64,
    )


_KEYWORD_CODES = _keyword_codes(_KEYWORD_WORDS)
_DIRECTIVE_CODES = _keyword_codes("define include if ifdef ifndef endif else elif pragma undef")


def measure_lines(texts: pa.ChunkedArray | pa.Array) -> Matrix:
    """Shares of bytes by the class of their line, LaTeX marks a token, class of the first line.

    Float64 of shape (rows, 8): columns as in ``STATISTICS``, then the place of the first line's
    class among the shares. Comment lines count as code where other code stands, and as prose
    where it does not.
    """
    data, offsets = text_buffers(texts)
    found = np.zeros((len(texts), len(STATISTICS) + 1), np.float64)
    _measure_batch(data, offsets, _CLASSES, _KEYWORD_CODES, _DIRECTIVE_CODES, found)
    return found


@compiled
def _measure_batch(
    data: Bytes,
    offsets: Offsets,
    classes: Bytes,
    keywords: Words,
    directives: Words,
    found: Matrix,
) -> None:
    votes = np.zeros(7, np.float64)
    state = np.zeros(3, np.int64)
    for row in range(len(offsets) - 1):
        votes[:] = 0
        state[:] = 0
        opening = -1
        start = offsets[row]
        end = offsets[row + 1]
        while start < end:
            stop = start
            while stop < end and data[stop] != 0x0A:
                stop += 1
            low = start
            while low < stop and classes[data[low]] == _BLANK:
                low += 1
            high = stop
            while high > low and classes[data[high - 1]] == _BLANK:
                high -= 1
            if high > low:
                block = state[_BLOCK]
                state[_BLOCK] = _block_after(data, low, high, block)
                vote = _vote(data, low, high, classes, keywords, directives, state)
                if block != _NO_BLOCK:
                    vote = COMMENT
                votes[vote] += high - low
                if opening < 0:
                    opening = vote
                    if state[_BLOCK] != _NO_BLOCK or (vote == COMMENT and data[low] == 0x2F):
                        opening = CODE
            start = stop + 1
        total = max(votes.sum(), 1.0)
        if votes[CODE] >= 0.08 * total:
            votes[CODE] += votes[COMMENT]
        else:
            votes[PROSE] += votes[COMMENT]
        found[row, :6] = votes[:6] / total
        found[row, 6] = state[_MARKS] / max(state[_TOKENS], 1)
        found[row, 7] = max(opening, 0)


@compiled
def _vote(
    data: Bytes,
    low: int,
    high: int,
    classes: Bytes,
    keywords: Words,
    directives: Words,
    state: State,
) -> int:
    """The class of one line by itself; adds its LaTeX marks and tokens to ``state``."""
    if data[low] == 0x23 and _is_known(_first_word(data, low + 1, high), directives):
        return CODE
    tokens = 0
    plain = 0
    symbols = 0
    letters = 0
    foreign = 0
    digits = 0
    blanks = 0
    gaps = 0
    pipes = 0
    tabs = 0
    tagged = 0
    commands = 0
    dollars = 0
    operators = 0
    calls = 0
    joints = 0
    scripts = 0
    position = low
    while position < high:
        begun = position
        inner_marks = 0
        own_letters = 0
        own_digits = 0
        while position < high and classes[data[position]] != _BLANK:
            byte = data[position]
            following = data[position + 1] if position + 1 < high else np.uint8(0x20)
            kind = classes[byte]
            if kind == _LETTER:
                own_letters += 1
                foreign += byte >= 0x80
                if byte == 0xE2 and (following == 0x88 or following == 0x89):
                    operators += 1  # U+2200 to U+227F, mathematical operators
            elif kind == _DIGIT:
                own_digits += 1
            elif kind == _SYMBOL:
                symbols += 1
                inner_marks += 1
                if byte == 0x5C:
                    commands += _is_command(data, begun, position, high)
                elif byte == 0x24:
                    dollars += _is_formula_sign(data, position, high)
                elif byte == 0x7C:
                    pipes += 1
                elif byte == 0x5E or (byte == 0x5F and following == 0x7B):
                    scripts += 1
                elif byte == 0x3C:
                    tagged += _tag_width(data, position, high)
                joints += _is_joint(byte, following)
            elif byte == 0x28 and position > begun:
                before = data[position - 1]
                calls += classes[before] == _LETTER or before == 0x5F or classes[before] == _DIGIT
                inner_marks += 1
            elif byte == 0x2E and position > begun and position + 1 < high:
                inner_marks += _is_letter(following) and classes[data[position - 1]] == _LETTER
            position += 1
        tokens += 1
        letters += own_letters
        digits += own_digits
        if own_letters > 0 and own_digits == 0 and inner_marks == 0:
            plain += 1
        run = position
        while position < high and classes[data[position]] == _BLANK:
            tabs += data[position] == 0x09
            position += 1
        blanks += position - run
        gaps += position - run >= 3
    width = high - low - blanks
    state[_TOKENS] += tokens
    state[_MARKS] += commands + dollars // 2
    if tagged * 2 >= width or (data[low] == 0x3C and tagged * 4 >= width):
        return MARKUP
    if high - low >= 5 and data[low] == data[low + 1] and data[high - 1] == data[high - 2]:
        # Templates and links of wikis: {{...}}, [[...]].
        if data[low] == 0x7B and data[high - 1] == 0x7D and _is_wiki_name(data[low + 2]):
            return MARKUP
        if data[low] == 0x5B and data[high - 1] == 0x5D and _is_wiki_name(data[low + 2]):
            return MARKUP
    formula = commands >= 2 or (commands + operators >= 1 and scripts + dollars >= 1)
    if formula and (commands + operators + scripts) * 4 >= tokens:
        return MATH
    if operators >= 2 and operators * 4 >= tokens:
        return MATH
    if _is_comment(data, low, high):
        return COMMENT
    last = data[high - 1]
    keyword = _is_known(_first_word(data, low, high), keywords)
    if foreign * 2 >= width and symbols * 8 < width:
        # Scripts outside ASCII: no programming language is written in them.
        return PROSE if width >= 40 or tokens >= 5 else SHORT
    code_marks = symbols + calls + 2 * joints
    if last == 0x3B and (symbols >= 2 or calls or keyword or tokens <= 4):
        return CODE
    if last == 0x7B or (last == 0x7D and plain < 6):
        return CODE
    goes_on = last in (0x3A, 0x2C, 0x29, 0x5C) and calls + joints >= 1
    if goes_on and (plain * 2 < tokens or keyword):
        return CODE
    if keyword and (last == 0x3A or calls or symbols) and plain * 3 < tokens * 2 + 3:
        return CODE
    if keyword and tokens <= 4 and not _ends_sentence(last) and (data[low] | 0x20) == data[low]:
        return CODE
    if joints == 0 and (tabs >= 2 or gaps >= 2 or (pipes >= 2 and data[low] == 0x7C)):
        return LIST
    if _is_bullet(data, low, high, classes):
        return LIST if calls + joints < 2 else CODE
    if width <= 3 and letters == 0 and digits == 0:
        return CODE if symbols + calls > 0 or last == 0x29 else SHORT
    if plain * 10 >= tokens * 6 and (tokens >= 6 or (tokens >= 3 and _ends_sentence(last))):
        return PROSE
    if code_marks * 7 >= width or (joints + calls >= 1 and plain * 2 <= tokens):
        return CODE
    if digits * 2 >= width:
        return LIST
    if tokens >= 8 and plain * 2 >= tokens:
        return PROSE
    return SHORT


@compiled
def _is_letter(byte: np.uint8) -> bool:
    return bool((byte >= 0x61 and byte <= 0x7A) or (byte >= 0x41 and byte <= 0x5A))


@compiled
def _is_wiki_name(byte: np.uint8) -> bool:
    """Whether a wiki's template or link may begin with the byte: a letter in any script, a mark."""
    return bool(_is_letter(byte) or byte >= 0x80 or byte == 0x23 or byte == 0x3A)


@compiled
def _is_joint(byte: np.uint8, following: np.uint8) -> bool:
    """Whether two bytes are an operator that prose does not have: ``==``, ``->``, ``::`` …"""
    if following == 0x3D:
        return bool(byte in (0x3D, 0x2B, 0x2F, 0x2A, 0x7C, 0x26, 0x3C, 0x3E, 0x5E, 0x25))
    if byte == 0x26 or byte == 0x7C:
        return bool(following == byte)
    if byte == 0x3D:
        return bool(following == 0x3E or following == 0x20)
    if byte == 0x5B or byte == 0x7B:
        return bool(following == 0x5D or following == 0x7D or following == 0x22)
    return bool(byte == 0x5F and _is_letter(following))


@compiled
def _tag_width(data: Bytes, position: int, high: int) -> int:
    """Bytes of the HTML or XML tag that begins here; 0 when none does."""
    place = position + 1
    if place < high and (data[place] == 0x2F or data[place] == 0x21 or data[place] == 0x3F):
        place += 1
    if place >= high or not _is_letter(data[place]):
        return 0
    if position > 0 and (_is_letter(data[position - 1]) or data[position - 1] == 0x5F):
        return 0  # a type argument, vector<int>
    limit = min(high, position + 400)
    while place < limit:
        byte = data[place]
        if byte == 0x3E:
            return place + 1 - position
        if byte == 0x3C:
            return 0
        place += 1
    return 0


@compiled
def _is_comment(data: Bytes, low: int, high: int) -> bool:
    """Whether a line begins with the mark of a comment: ``//``, ``/*``, ``*/``, ``# ``, ``#!``."""
    first = data[low]
    second = data[low + 1] if low + 1 < high else np.uint8(0x20)
    if first == 0x2F:
        return bool(second == 0x2F or second == 0x2A)
    if first == 0x23:
        return bool(second == 0x20 or second == 0x21 or second == 0x3A)
    return bool(first == 0x2A and second == 0x2F)


@compiled
def _block_after(data: Bytes, low: int, high: int, block: int) -> int:
    """Which block comment or triple-quoted string is open after a line, given the one before."""
    for position in range(low, high - 1):
        byte = data[position]
        if byte == 0x2F and data[position + 1] == 0x2A:
            if block == _NO_BLOCK and position == low:
                block = _C_BLOCK
        elif byte == 0x2A and data[position + 1] == 0x2F:
            if block == _C_BLOCK:
                block = _NO_BLOCK
        elif byte == 0x22 or byte == 0x27:
            triple = (
                position + 2 < high and data[position + 1] == byte and data[position + 2] == byte
            )
            if triple and (position == low or data[position - 1] != byte):
                mine = _DOUBLE_QUOTED if byte == 0x22 else _SINGLE_QUOTED
                if block == _NO_BLOCK:
                    block = mine
                elif block == mine:
                    block = _NO_BLOCK
    return block


@compiled
def _is_command(data: Bytes, begun: int, position: int, high: int) -> bool:
    """Whether a backslash begins a LaTeX command, and no escape sequence or path of Windows."""
    if position + 2 >= high:
        return False
    first = data[position + 1]
    second = data[position + 2]
    if not (_is_letter(first) and _is_letter(second)):
        return False
    if first in (0x6E, 0x72, 0x74) and second < 0x61:
        return False  # a line feed or tab, then a capital
    if first in (0x78, 0x75) and (second | 0x20) <= 0x66:
        third = data[position + 3] if position + 3 < high else np.uint8(0x20)
        if (third | 0x20) <= 0x66 or third == 0x5C:
            return False  # \xff, \u00e9
    return not (begun + 1 < high and data[begun + 1] == 0x3A)  # C:\path


@compiled
def _is_formula_sign(data: Bytes, position: int, high: int) -> bool:
    """Whether a dollar sign may border a formula: no price, and no variable of PHP or a shell."""
    first = data[position + 1] if position + 1 < high else np.uint8(0x20)
    second = data[position + 2] if position + 2 < high else np.uint8(0x20)
    if (first >= 0x30 and first <= 0x39) or first == 0x7B:
        return False
    return not (_is_letter(first) and (_is_letter(second) or second == 0x5F))


@compiled
def _is_known(word: np.uint64, words: Words) -> bool:
    """Whether a sorted array holds the word."""
    place = np.searchsorted(words, word)
    return bool(place < len(words) and words[place] == word)


@compiled
def _first_word(data: Bytes, low: int, high: int) -> np.uint64:
    """The first eight bytes of the leading run of small letters, as one integer."""
    value = np.uint64(0)
    count = 0
    while count < 8 and low + count < high:
        byte = data[low + count]
        if byte < 0x61 or byte > 0x7A:
            break
        value = (value << np.uint64(8)) | np.uint64(byte)
        count += 1
    return value << np.uint64(8 * (8 - count)) if count > 0 else np.uint64(0)


@compiled
def _ends_sentence(last: np.uint8) -> bool:
    """Whether the byte is . ! ? or a quotation mark or bracket that may follow one."""
    return bool(last in (0x2E, 0x21, 0x3F, 0x22, 0x29))


@compiled
def _is_bullet(data: Bytes, low: int, high: int, classes: Bytes) -> bool:
    """Whether a line is a short item: a bullet or a number, then a few words."""
    if high - low > 100:
        return False
    place = low
    byte = data[place]
    if byte == 0x2D or byte == 0x2A or byte == 0x2B:
        place += 1
    elif byte == 0xE2 and place + 2 < high and data[place + 1] == 0x80 and data[place + 2] == 0xA2:
        place += 3
    else:
        while place < high and classes[data[place]] == _DIGIT:
            place += 1
        if place == low or place - low > 3 or place >= high:
            return False
        if data[place] != 0x2E and data[place] != 0x29:
            return False
        place += 1
    return bool(place < high and classes[data[place]] == _BLANK)
