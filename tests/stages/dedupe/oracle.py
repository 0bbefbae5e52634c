"""Slow and obviously right: tokens, shingles, Jaccard, survivors."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise

from stages.dedupe.characters import folded
from tests.stages.dedupe.driver import Text

Token = tuple[str, bool]


def tokens(text: str) -> list[Token]:
    """Words, and characters of scripts without spaces (True), of a text without tags."""
    found: list[Token] = []
    word = ""
    for character in "".join(map(folded, text)) + " ":
        category = unicodedata.category(character)
        if category == "Cf" or character == "\u0640" or "\ufe00" <= character <= "\ufe0f":
            continue
        name = unicodedata.name(character, "")
        alone = name.startswith(
            ("CJK", "HIRAGANA", "KATAKANA", "COMBINING KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
        )
        if category[0] in "LMN" and not alone:
            word += character
            continue
        if word:
            found.append((word, False))
            word = ""
        if category[0] in "LMN":
            found.append((character, True))
    return found


@lru_cache(maxsize=4096)
def shingles(text: str, ngram: int = 5, char_ngram: int = 8) -> frozenset[tuple[str, ...]]:
    """The set of shingles of a text."""
    sequence = tokens(text)
    words = tuple(token for token, _ in sequence)
    found: set[tuple[str, ...]] = set()
    for end, (_, alone) in enumerate(sequence, 1):
        length = char_ngram if alone else ngram
        if end >= length:
            found.add(words[end - length : end])
    if not found and words:
        found.add(("whole", *words))
    return frozenset(found)


def jaccard(left: str, right: str) -> float:
    """True Jaccard index of two texts."""
    a, b = shingles(left), shingles(right)
    return len(a & b) / len(a | b) if a or b else 0.0


def order(texts: Sequence[Text]) -> list[Text]:
    """Longest first, then by id."""
    return sorted(texts, key=lambda text: (-len(text.text.encode()), text.id))


def similar_pairs(
    texts: Sequence[Text], alike: Callable[[Text, Text], bool]
) -> set[tuple[bytes, bytes]]:
    """All pairs that count as the same, both ways round."""
    found = set()
    for index, left in enumerate(texts):
        for right in texts[:index]:
            if alike(left, right):
                found |= {(left.id, right.id), (right.id, left.id)}
    return found


def kept_direct(texts: Sequence[Text], pairs: set[tuple[bytes, bytes]]) -> set[bytes]:
    """In order, a document is kept if no kept one is similar to it."""
    kept: list[bytes] = []
    for text in order(texts):
        if not any((text.id, other) in pairs for other in kept):
            kept.append(text.id)
    return set(kept)


def clusters(texts: Sequence[Text], pairs: set[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The first document of each document's component, by walking the graph."""
    first: dict[bytes, bytes] = {}
    for text in order(texts):
        waiting = [text.id]
        while waiting:
            name = waiting.pop()
            if name not in first:
                first[name] = text.id
                waiting += [right for left, right in pairs if left == name]
    return first


def kept_single(texts: Sequence[Text], pairs: set[tuple[bytes, bytes]]) -> set[bytes]:
    """One document a component."""
    return set(clusters(texts, pairs).values())


def in_order(names: Sequence[bytes], texts: Sequence[Text]) -> bool:
    """Whether ids stand in the survivor order."""
    place = {text.id: index for index, text in enumerate(order(texts))}
    return all(place[a] < place[b] for a, b in pairwise(names))
