"""Slow and obviously right: names of a text, the slots that hold them, likeness of two texts."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from stages.dedupe.characters import folded
from tests.stages.dedupe import oracle

ENDS = "\n\r>!?\x85\u2028\u2029…。։؟۔।！．？｡"
IGNORED = {"\u0640", *map(chr, range(0xFE00, 0xFE10))}
Names = tuple[str, ...]
Slots = dict[Names, set[Names]]


@dataclass
class Word:
    """A token, where it begins and ends in the text, and what it is."""

    token: str
    alone: bool
    start: int
    end: int
    kind: str = "ordinary"


def words(text: str) -> list[Word]:
    """The tokens of a text without tags and entities, and their places."""
    found: list[Word] = []
    inside = False
    for place, character in enumerate(text):
        for piece in folded(character):
            if unicodedata.category(piece) == "Cf" or piece in IGNORED:
                continue
            tokens = oracle.tokens(piece)
            if not tokens:
                inside = False
                continue
            ((token, alone),) = tokens
            if not inside or alone:
                found.append(Word("", alone, place, place))
            found[-1].token += token
            found[-1].end = place + 1
            inside = not alone
    return found


def is_capital(text: str, place: int) -> bool:
    return place < len(text) and unicodedata.category(text[place]) in ("Lu", "Lt")


def begins_sentence(text: str, before: Word, word: Word) -> bool:
    gap = text[before.end : word.start]
    if any(character in ENDS for character in gap):
        return True
    abbreviation = is_capital(text, before.start) and before.end - before.start <= 3
    return "." in gap and not abbreviation


def joined(text: str, word: Word, by: str) -> bool:
    if word.start < 2 or text[word.start - 1] not in by:
        return False
    return ord(text[word.start - 2]) >= 128 or text[word.start - 2].isalnum()


def kinds(text: str) -> list[Word]:
    """The words of a text, each ordinary, a name or a number."""
    found = words(text)
    for number, word in enumerate(found):
        if unicodedata.category(word.token[0]) == "Nd":
            word.kind = "number"
        elif word.alone or not is_capital(text, word.start):
            word.kind = "ordinary"
        elif is_capital(text, word.start + 1):
            word.kind = "loud"
        elif number == 0 or begins_sentence(text, found[number - 1], word):
            word.kind = "first"
        else:
            word.kind = "name"
    if not any(word.kind in ("loud", "first", "name") for word in found):
        return found
    passage: list[Word] = []
    for word in [*found, Word("", False, 0, 0)]:
        if word.kind == "loud":
            passage.append(word)
        elif word.kind != "number":
            for loud in passage:
                loud.kind = "name" if len(passage) <= 3 else "ordinary"
            passage = []
    for number in range(1, len(found)):
        if joined(text, found[number], "@"):
            first, last = number - 1, number
            while first > 0 and joined(text, found[first], ".-_+"):
                first -= 1
            while last + 1 < len(found) and joined(text, found[last + 1], ".-_+"):
                last += 1
            for word in found[first : last + 1]:
                word.kind = "name"
    for word, behind in reversed(list(zip(found, [*found[1:], None], strict=True))):
        if word.kind == "first":
            word.kind = "name" if behind and behind.kind == "name" else "ordinary"
    named = [number for number, word in enumerate(found) if word.kind == "name"]
    for one, other in pairwise(named):
        between = found[one + 1 : other]
        spans = [b.start - a.start for a, b in zip(between, found[one + 2 :], strict=False)]
        short = len(between) <= 2 and max(spans, default=0) <= 4
        if short and all(word.kind == "ordinary" for word in between):
            for word in between:
                word.kind = "name"
    return found


@lru_cache(maxsize=4096)
def slots(text: str) -> Slots:
    """For each place in the frame of ordinary words, known by three words on either side, the names
    that stand there."""
    found: Slots = defaultdict(set)
    frame = ["", "", ""]
    gaps: list[list[str]] = [[]]
    for word in kinds(text):
        if word.kind == "ordinary":
            frame.append(word.token)
            gaps.append([])
        elif word.kind == "name":
            gaps[-1].append(word.token)
    if len(frame) < 6:
        return {}
    frame += ["", "", ""]
    for number, names in enumerate(gaps):
        if 0 < len(names) <= 12:
            found[tuple(frame[number : number + 6])].add(tuple(names))
    return dict(found)


def differing(left: str, right: str) -> int:
    """Slots in which both texts have what the other has not."""
    a, b = slots(left), slots(right)
    return sum(bool(a[slot] - b[slot] and b[slot] - a[slot]) for slot in a.keys() & b.keys())


def weighed(left: str, right: str, weight: int, ngram: int = 5) -> float:
    """The Jaccard index in which a name in place of another counts several times."""
    a, b = oracle.shingles(left, ngram), oracle.shingles(right, ngram)
    return len(a & b) / (len(a | b) + 2 * (weight - 1) * ngram * differing(left, right))
