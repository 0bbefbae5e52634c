"""The test side: which items of benchmarks stand in a corpus, by the strict n-gram test.

Qwen2 (arXiv 2407.10671, section 5.2.6) calls a test item contaminated when any 13-gram of it stands
in the training data. It takes many an item for what is a quotation, a template or chance; that is
what makes the rest a test set that nobody has to argue about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from stages.decontaminate.benchmark import Sequence as BenchmarkSequence
from stages.decontaminate.gate import rolling
from stages.decontaminate.hits import Booleans
from stages.words import I64, U64, Words, hash_words

STRICT_N = 13
"""Words of the n-grams of Qwen2's strict test."""
SHORTEST = 5
"""Items whose longest text has fewer words cannot be tested: they stand everywhere."""

_ROOM = 8
"""Places in the table that turns most n-grams away, for each n-gram that it must not."""


@dataclass(frozen=True)
class Item:
    """A benchmark item. ``words`` is n of the n-grams that it is looked for by: ``STRICT_N``, fewer
    when its longest text has fewer, 0 when it is too short to test."""

    benchmark: str
    name: str
    words: int


@dataclass(frozen=True)
class Finding:
    """An item that stands in a text: its number, the text's row, and the n-gram as it is there."""

    item: int
    row: int
    text: str


@dataclass(frozen=True)
class _Grams:
    """Distinct n-grams, sorted; number g is of the items ``items[offsets[g]:offsets[g + 1]]``.
    ``table`` says which low bits occur among them."""

    n: int
    hashes: U64
    offsets: I64
    items: I64
    table: Booleans

    @classmethod
    def of(cls, n: int, grams: U64, owners: I64) -> _Grams:
        """From pairs of n-gram and item, in any order."""
        order = np.lexsort((owners, grams))
        grams, owners = grams[order], owners[order]
        new = np.ones(len(grams), bool)
        new[1:] = (grams[1:] != grams[:-1]) | (owners[1:] != owners[:-1])
        grams, owners = grams[new], owners[new]
        distinct, first = np.unique(grams, return_index=True)
        table = np.zeros(1 << max(6, (_ROOM * len(distinct)).bit_length()), bool)
        table[_low_bits(distinct, table)] = True
        return cls(n, distinct, np.append(first, len(grams)).astype(np.int64), owners, table)

    def find(self, grams: U64) -> tuple[I64, I64]:
        """Which of the given n-grams are among these: their positions there, and numbers here."""
        likely = np.flatnonzero(self.table[_low_bits(grams, self.table)])
        numbers = np.searchsorted(self.hashes, grams[likely])
        numbers[numbers == len(self.hashes)] = 0
        there = self.hashes[numbers] == grams[likely] if len(self.hashes) else likely < 0
        return likely[there], numbers[there]


class ContainedItems:
    """The items of benchmarks, and which of them were found in the texts looked at so far."""

    def __init__(self, sequences: Sequence[BenchmarkSequence]) -> None:
        numbers: dict[tuple[str, str], int] = {}
        of_item = np.array(
            [numbers.setdefault((s.benchmark, s.item), len(numbers)) for s in sequences], np.int64
        )
        words = hash_words(pa.array([s.text for s in sequences], pa.large_string()))
        longest = np.zeros(len(numbers), np.int64)
        np.maximum.at(longest, of_item, np.diff(words.offsets))
        n_of = np.where(longest < SHORTEST, 0, np.minimum(longest, STRICT_N))
        self.items = [Item(*key, int(n)) for key, n in zip(numbers, n_of, strict=True)]
        self.found = np.zeros(len(numbers), bool)
        self._grams = {
            int(n): _item_grams(words, of_item, n_of, int(n)) for n in np.unique(n_of) if n > 0
        }
        short = n_of[of_item]
        heads, places = _all_grams(words, SHORTEST)
        begins = np.isin(places, words.offsets[:-1][(short > 0) & (short < STRICT_N)])
        self._heads = _Grams.of(SHORTEST, heads[begins], np.zeros(int(begins.sum()), np.int64))

    def look(self, texts: pa.ChunkedArray | pa.Array) -> list[Finding]:
        """Looks for the items in a column of texts; returns those that no text before held, each
        with its first place. About 20 bytes of memory a byte of text."""
        words = hash_words(texts)
        heads, places = _all_grams(words, SHORTEST)
        begins = places[self._heads.find(heads)[0]]
        findings = []
        for n, grams in self._grams.items():
            hashes, places = _all_grams(words, n) if n == STRICT_N else _grams_at(words, n, begins)
            positions, hits = grams.find(hashes)
            hits, first = np.unique(hits, return_index=True)
            for place, hit in zip(places[positions[first]], hits, strict=True):
                owners = grams.items[grams.offsets[hit] : grams.offsets[hit + 1]]
                for item in owners[~self.found[owners]]:
                    findings.append((int(item), int(place), n))
        return self._first(texts, words, findings)

    def _first(
        self, texts: pa.ChunkedArray | pa.Array, words: Words, found: list[tuple[int, int, int]]
    ) -> list[Finding]:
        """Marks the items as found; the first place of each, in the order of places."""
        findings = []
        for item, place, n in sorted(found, key=lambda one: (one[1], one[0])):
            if self.found[item]:
                continue
            self.found[item] = True
            row = int(np.searchsorted(words.offsets, place, side="right")) - 1
            data = str(texts[row].as_py()).encode()
            span = data[words.starts[place] : words.ends[place + n - 1]]
            findings.append(Finding(item, row, span.decode(errors="replace")))
        return findings


def _item_grams(words: Words, of_item: I64, n_of: I64, n: int) -> _Grams:
    """The n-grams of all texts of the items that are looked for by this n."""
    hashes, places = _all_grams(words, n)
    items = np.repeat(of_item, np.diff(words.offsets))[places]
    own = n_of[items] == n
    return _Grams.of(n, hashes[own], items[own])


def _all_grams(words: Words, n: int) -> tuple[U64, I64]:
    """The n-grams of all rows: hashes, and the word that each begins with."""
    hashes = _rolled(words.hashes, n)
    ends = np.repeat(words.offsets[1:], np.diff(words.offsets))
    places = np.arange(len(hashes))
    within = places + n <= ends[: len(hashes)]
    return hashes[within], places[within]


def _grams_at(words: Words, n: int, places: I64) -> tuple[U64, I64]:
    """The n-grams that begin with the given words, where their rows go on so far."""
    rows = np.searchsorted(words.offsets, places, side="right") - 1
    places = places[places + n <= words.offsets[rows + 1]]
    if not len(places):
        return np.zeros(0, np.uint64), places
    flat = words.hashes[(places[:, None] + np.arange(n)).reshape(-1)]
    return _rolled(flat, n)[::n], places


def _rolled(hashes: U64, n: int) -> U64:
    grams = np.empty(max(0, len(hashes) - n + 1), np.uint64)
    if len(grams):
        rolling(hashes, len(hashes), n, grams)
    return grams


def _low_bits(grams: U64, table: Booleans) -> I64:
    # the lowest bit of an n-gram is always 1
    return ((grams >> np.uint64(1)) & np.uint64(len(table) - 1)).astype(np.int64)
