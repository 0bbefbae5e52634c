"""How two texts differ, word by word: what to read before believing that they are duplicates."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from typing import Literal

from rapidfuzz.distance import LCSseq
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from tamis.printable import one_line, without_colours

Change = Literal["same", "removed", "added"]

MOST_WORDS = 20_000
"""Words of each text that are aligned, after the common beginning and end: about 0.1 s and 50 MB
(the alignment keeps a bit for every pair of words)."""

_CONTEXT = 8
"""Words that are the same shown beside a change."""
_CHANGED = 60
"""Words of one change that are shown; of longer ones the beginning and the end."""
_STRAY = 2
"""Words that two rewritten stretches share by chance: up to so many between two changes that are at
least as long are shown as changed, or nobody can read it."""

_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_SPACELESS}]|[^\s{_SPACELESS}]+")
"""A run of what is not white space; in scripts without spaces (Thai, Lao, Burmese, Khmer, Japanese,
Chinese) a character."""


@dataclass(frozen=True)
class Piece:
    """A stretch of the first text (``same``, ``removed``) or of the second (``added``)."""

    change: Change
    words: int
    text: str


@dataclass(frozen=True)
class Differences:
    """Pieces in the order of reading. ``words`` counts each text's; ``uncompared`` those of both
    beyond ``MOST_WORDS``, which are in no piece."""

    pieces: list[Piece]
    words: tuple[int, int]
    uncompared: int

    @property
    def changed(self) -> tuple[int, int]:
        """Words removed and added."""
        removed = sum(piece.words for piece in self.pieces if piece.change == "removed")
        return removed, sum(piece.words for piece in self.pieces if piece.change == "added")


@dataclass(frozen=True)
class _Block:
    """Words ``old`` of the first text stand where ``new`` of the second do."""

    same: bool
    old: range
    new: range

    @property
    def size(self) -> int:
        return max(len(self.old), len(self.new))


def differences(before: str, after: str) -> Differences:
    """What has to be removed from ``before`` and added to get ``after``, by a longest common
    subsequence of their words. White space does not matter, all else does."""
    old = [match.span() for match in _WORD.finditer(before)]
    new = [match.span() for match in _WORD.finditer(after)]
    numbers: dict[str, int] = {}
    first, second = (
        array("I", (numbers.setdefault(text[a:b], len(numbers)) for a, b in spans))
        for text, spans in ((before, old), (after, new))
    )
    blocks, uncompared = _blocks(first, second)
    pieces = []
    for block in _readable(blocks):
        if block.same:
            pieces.append(_piece("same", before, old, block.old))
            continue
        if block.old:
            pieces.append(_piece("removed", before, old, block.old))
        if block.new:
            pieces.append(_piece("added", after, new, block.new))
    return Differences(pieces, (len(old), len(new)), uncompared)


def _piece(change: Change, text: str, spans: list[tuple[int, int]], words: range) -> Piece:
    return Piece(change, len(words), text[spans[words[0]][0] : spans[words[-1]][1]])


def _blocks(first: array[int], second: array[int]) -> tuple[list[_Block], int]:
    """Blocks, same and changed in turn, and how many words are in none of them."""
    shorter = min(len(first), len(second))
    head = next((i for i in range(shorter) if first[i] != second[i]), shorter)
    rest = shorter - head
    tail = next((i for i in range(rest) if first[-1 - i] != second[-1 - i]), rest)
    old_end, new_end = len(first) - tail, len(second) - tail
    old = first[head : min(old_end, head + MOST_WORDS)]
    new = second[head : min(new_end, head + MOST_WORDS)]
    blocks = [_Block(True, range(head), range(head))]
    at = (head, head)
    for block in LCSseq.opcodes(old, new).as_matching_blocks():
        start = (block.a + head, block.b + head)
        blocks.append(_Block(False, range(at[0], start[0]), range(at[1], start[1])))
        at = (start[0] + block.size, start[1] + block.size)
        blocks.append(_Block(True, range(start[0], at[0]), range(start[1], at[1])))
    blocks.append(_Block(True, range(old_end, len(first)), range(new_end, len(second))))
    uncompared = old_end - head - len(old) + new_end - head - len(new)
    return [block for block in blocks if block.size], uncompared


def _readable(blocks: list[_Block]) -> list[_Block]:
    """The blocks with neighbours of one sort joined, and strays shown as changed."""
    joined: list[_Block] = []
    for number, block in enumerate(blocks):
        same = block.same and not (
            block.size <= _STRAY
            and 0 < number < len(blocks) - 1
            and min(blocks[number - 1].size, blocks[number + 1].size) >= max(2, block.size)
            and not (blocks[number - 1].same or blocks[number + 1].same)
        )
        if joined and joined[-1].same == same:
            last = joined.pop()
            old = range(last.old.start, block.old.stop)
            joined.append(_Block(same, old, range(last.new.start, block.new.stop)))
        else:
            joined.append(_Block(same, block.old, block.new))
    return joined


def show_differences(console: Console, before: str, after: str, indent: int) -> None:
    """Prints how a dropped text differs from its witness's, and a line that says how much."""
    found = differences(before, after)
    removed, added = found.changed
    if removed or added:
        facts = f"{removed:,} of its {found.words[0]:,} words only here, {added:,} only in the kept"
    else:
        facts = f"the same {found.words[0]:,} words"
    text = differences_text(found, marked=without_colours(console))
    console.print(Padding(Text(facts, "dim"), (0, 0, 0, indent), expand=False))
    if removed or added:
        console.print(Padding(text, (0, 0, 0, indent), expand=False))


def differences_text(found: Differences, marked: bool) -> Text:
    """The pieces as one text: removed words in red and added ones in green, or, where there are no
    colours (``marked``), in ``[-…-]`` and ``{+…+}``. Long stretches are left out, with their size.
    """
    text = Text()
    for number, piece in enumerate(found.pieces):
        if number:
            text.append(" ")
        if piece.change == "same":
            first, last = number == 0, number == len(found.pieces) - 1
            _append_same(text, piece, 0 if first else _CONTEXT, 0 if last else _CONTEXT)
            continue
        words, left_out = _ends(piece.text, _CHANGED // 2, _CHANGED // 2)
        sign, style = ("-", "red") if piece.change == "removed" else ("+", "green")
        opened, closed = ("[", "]") if piece.change == "removed" else ("{", "}")
        shown = f" … ({left_out:,} more words) … ".join(words) if left_out else words[0]
        if marked:
            text.append(f"{opened}{sign}{shown}{sign}{closed}")
        else:
            text.append(shown, style=f"{style} strike" if sign == "-" else style)
    if found.uncompared:
        text.append(f" (and {found.uncompared:,} words of the two that were not compared)", "dim")
    return text


def _append_same(text: Text, piece: Piece, before: int, after: int) -> None:
    words, left_out = _ends(piece.text, before, after)
    if not left_out:
        text.append(words[0], "dim")
        return
    noun = "the same word" if left_out == 1 else f"the same {left_out:,} words"
    text.append(" ".join(part for part in (words[0], f"… ({noun}) …", words[1]) if part), "dim")


def _ends(text: str, first: int, last: int) -> tuple[list[str], int]:
    """The first and last words of a text, each part on one line, and how many stand between; a text
    of hardly more words is left whole."""
    spans = [match.span() for match in _WORD.finditer(text)]
    left_out = len(spans) - first - last
    if left_out <= _CONTEXT // 2:
        return [_line(text)], 0
    head = text[: spans[first - 1][1]] if first else ""
    tail = text[spans[len(spans) - last][0] :] if last else ""
    return [_line(head), _line(tail)], left_out


def _line(text: str) -> str:
    return one_line(text, len(text))
