"""The rule of decontamination by brute force: dictionaries, slices and rapidfuzz's LCS.

Nothing of it is shared with ``stages.decontaminate`` but what a word is. It is slow and needs
memory: an entry for every n-gram of every benchmark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import pyarrow as pa
from rapidfuzz.distance import LCSseq

from stages.decontaminate import benchmark as reading
from stages.words import hash_words

Gram = bytes
Match = tuple[str, str, str]
"""Benchmark, item and part of the item."""

SHORT, ALONE, WHOLE, COMMON = 5, 8, 13, 10
MIN_LCS, MIN_RATIO = 13, 0.6


class Text:
    """The words of a text: numbers that stand for them, and the text between them."""

    def __init__(self, text: str) -> None:
        words = hash_words(pa.array([text], pa.large_string()))
        self.raw = text.encode()
        self.hashes = words.hashes
        self.starts, self.ends = words.starts.tolist(), words.ends.tolist()

    def grams(self, n: int) -> list[Gram]:
        """The n-grams in order."""
        content = self.hashes.tobytes()
        return [content[8 * at : 8 * (at + n)] for at in range(len(self.hashes) - n + 1)]

    def word(self, at: int) -> str:
        return self.raw[self.starts[at] : self.ends[at]].decode()

    def parted(self, at: int) -> bool:
        """Whether more than spaces and commas stands before word ``at``, or no word does."""
        if at in (0, len(self.starts)):
            return True
        return bool(self.raw[self.ends[at - 1] : self.starts[at]].strip(b" ,\t"))


class Oracle:
    """The paper's rule: 13-grams, the LCS in |s_e| words on both sides, both of its numbers."""

    def __init__(self, sequences: Sequence[reading.Sequence], n: int = 13) -> None:
        self.n = n
        self.names: list[Match] = []
        self.words: list[list[int]] = []
        self.gates: dict[Gram, list[int]] = {}
        self.whole: dict[Gram, int] = {}
        texts: dict[Gram, Text] = {}
        items: list[tuple[str, str]] = []
        for sequence in sequences:
            text = Text(sequence.text)
            key = text.hashes.tobytes()
            if not key or key in texts:
                continue
            texts[key] = text
            number = len(self.names)
            items.append((sequence.benchmark, sequence.item))
            self.names.append((*items[-1], sequence.name))
            self.words.append(text.hashes.tolist())
            if SHORT <= len(text.hashes) < WHOLE:
                self.whole[key] = number
            elif len(text.hashes) >= WHOLE:
                for at, gram in enumerate(text.grams(n)):
                    owners = self.gates.setdefault(gram, [])
                    if (not owners or owners[-1] != number) and not _counts(text, at, n):
                        owners.append(number)
        for gram, owners in self.gates.items():
            if len({items[owner] for owner in owners}) >= COMMON:
                self.gates[gram] = []
        standing: dict[Gram, set[tuple[str, str]]] = {}
        for number, text in enumerate(texts.values()):
            for size in range(SHORT, WHOLE):
                for gram in text.grams(size):
                    if gram in self.whole:
                        standing.setdefault(gram, set()).add(items[number])
        self.whole = {
            gram: number for gram, number in self.whole.items() if len(standing[gram]) < COMMON
        }

    def matches(self, document: str) -> set[Match]:
        """The sequences for which the rule removes a document."""
        text = Text(document)
        count = len(text.hashes)
        found = set()
        for size in range(SHORT, WHOLE):
            for at, gram in enumerate(text.grams(size)):
                alone = text.parted(at) and text.parted(at + size)
                if gram in self.whole and (size >= ALONE or alone):
                    found.add(self.whole[gram])
        hits: dict[int, list[int]] = {}
        for at, gram in enumerate(text.grams(self.n)):
            for number in self.gates.get(gram, ()):
                hits.setdefault(number, []).append(at)
        words = text.hashes.tolist()
        for number, places in hits.items():
            item = self.words[number]
            for near in _windows(places, len(item)):
                window = words[max(0, near[0] - len(item)) : near[-1] + self.n + len(item)]
                length = LCSseq.similarity(window, item)
                if length >= MIN_LCS and length >= MIN_RATIO * min(count, len(item)) - 1e-9:
                    found.add(number)
        return {self.names[number] for number in found}


def _windows(places: list[int], size: int) -> Iterable[list[int]]:
    while places:
        near = [place for place in places if place - places[0] <= size]
        places = places[len(near) :]
        yield near


def _counts(text: Text, at: int, n: int) -> bool:
    """Whether an n-gram is of numbers that go up or down by at most one: page numbers."""
    words = [text.word(place) for place in range(at, at + n)]
    if not all(word.isascii() and word.isdigit() and len(word) <= 9 for word in words):
        return False
    return all(abs(int(a) - int(b)) <= 1 for a, b in pairwise(words))
