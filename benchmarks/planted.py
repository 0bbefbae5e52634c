"""Documents in which near-duplicates are planted, with a Jaccard index that is known.

    python -m benchmarks.planted --documents 1000000 --folder FOLDER [--words 120 220] [--prose]

A document is a sequence of words. A fifth of the documents are copies of another in which k words
are replaced. Replaced words stand at least five apart and four from either end, so each takes five
of the n word 5-grams away and brings five new ones: the Jaccard index of original and copy is
(n - 5k) / (n + 5k). Every document knows which of its places were edited (one bit a place), so the
index of any two of a cluster follows from their bits, and no truth is kept on disk or found by
comparing.

Everything about document i follows from the seed and i, so documents are made in any order and in
constant memory. That 5-grams repeat by chance can be neglected with the words used by default (less
than one document in a million); with ``prose``, lines of the sample, they do repeat, and truth has
to be measured (``benchmarks.pairs``).
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks.parts import documents_table, write_part
from benchmarks.vocabulary import Bytes, Vocabulary, own_vocabulary, sample_vocabulary
from pipeline.compile import compiled
from pipeline.corpus import Part

Ints = np.ndarray[Any, np.dtype[np.int64]]
Words64 = np.ndarray[Any, np.dtype[np.uint64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]

NGRAM = 5
"""Words in a shingle: what the planted Jaccard index is about."""
CLUSTER_SIZES = (2,) * 10 + (3,) * 3 + (5,)
"""Clusters in every 100 documents; the other 66 are alone. 20 are copies of another."""
BLOCK = 100
PLACES = 64
"""Places of a document that copies may edit, at most: one bit each."""
SHORTEST = 30

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # splitmix64 (Steele et al. 2014)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_64 = np.uint64(64)
_ONE = np.uint64(1)


def _layout() -> tuple[Ints, Ints]:
    """For each document of a block: the number of its cluster, and its own in the cluster."""
    sizes = [*CLUSTER_SIZES, *(1,) * (BLOCK - sum(CLUSTER_SIZES))]
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    member = np.concatenate([np.arange(size) for size in sizes])
    return cluster.astype(np.int64), member.astype(np.int64)


_CLUSTER, _MEMBER = _layout()
_CLUSTERS = int(_CLUSTER[-1]) + 1


@compiled
def _random(seed: np.uint64, index: int) -> np.uint64:
    """Number ``index`` of the splitmix64 stream that starts at ``seed``."""
    value = seed + np.uint64(index + 1) * _GOLDEN
    value = (value ^ (value >> np.uint64(30))) * _MIX_1
    value = (value ^ (value >> np.uint64(27))) * _MIX_2
    return value ^ (value >> np.uint64(31))


@compiled
def _length(stream: np.uint64, shortest: int, longest: int) -> int:
    return shortest + int(_random(stream, 0) % np.uint64(longest - shortest + 1))


@compiled
def _places(length: int) -> tuple[int, int]:
    """How many places may be edited, and how far apart they are (at least 5; the first is 4)."""
    count = min(PLACES, (length - 9) // NGRAM + 1)
    return count, (length - 9) // (count - 1)


@compiled
def _edits(stream: np.uint64, member: int, length: int) -> np.uint64:
    """The places that a member edits, as bits: none in the original; in a copy any number down to
    a Jaccard index of 0.5 with it."""
    bits = np.uint64(0)
    if member == 0:
        return bits
    own = _random(stream, member)
    count, _ = _places(length)
    most = (length - NGRAM + 1) // (3 * NGRAM)
    left = np.int64(_random(own, 0) % np.uint64(most + 1))
    drawn = 1
    while left > 0:
        bit = _ONE << (_random(own, drawn) % np.uint64(count))
        drawn += 1
        if not bits & bit:
            bits |= bit
            left -= 1
    return bits


@compiled
def _describe(
    clusters: Ints, members: Ints, seed: int, shortest: int, longest: int
) -> tuple[Ints, Words64]:
    lengths = np.empty(len(clusters), np.int64)
    edits = np.empty(len(clusters), np.uint64)
    for row in range(len(clusters)):
        stream = _random(np.uint64(seed), clusters[row])
        lengths[row] = _length(stream, shortest, longest)
        edits[row] = _edits(stream, members[row], lengths[row])
    return lengths, edits


@compiled
def _write(
    clusters: Ints, members: Ints, seed: int, shortest: int, longest: int, vocabulary: Vocabulary
) -> tuple[Bytes, Ints]:
    """The UTF-8 bytes of documents and their offsets."""
    longest_word = np.diff(vocabulary.word_bounds).max()
    text = np.empty(1 << 20, np.uint8)
    offsets = np.zeros(len(clusters) + 1, np.int64)
    filled = 0
    for row in range(len(clusters)):
        stream = _random(np.uint64(seed), clusters[row])
        length = _length(stream, shortest, longest)
        if filled + length * (longest_word + 1) > len(text):
            larger = np.empty(2 * len(text) + length * (longest_word + 1), np.uint8)
            larger[:filled] = text[:filled]
            text = larger
        filled = _write_document(text, filled, stream, members[row], length, vocabulary)
        offsets[row + 1] = filled
    return text[:filled].copy(), offsets


@compiled
def _write_document(
    text: Bytes, filled: int, stream: np.uint64, member: int, length: int, vocabulary: Vocabulary
) -> int:
    """Writes a document behind the bytes that are ``filled``; returns where it ends.

    Words are parted by a space, lines of several words by a line feed.
    """
    letters, word_bounds, words, line_bounds, drawn = vocabulary
    count = len(word_bounds) - 1
    shift = _64 - np.uint64(round(math.log2(len(drawn))))
    left = _edits(stream, member, length)
    _, apart = _places(length)
    next_place = NGRAM - 1
    # another word for every copy, so that two copies that edit one place differ there too
    change = member * (count // 8)
    place = 0
    line = 8  # the first numbers of the stream are the length and the members'
    while place < length:
        number = drawn[np.int64(_random(stream, line) >> shift)]
        line += 1
        for at in range(line_bounds[number], line_bounds[number + 1]):
            word = words[at]
            if place == next_place:
                if left & _ONE:
                    word = (word + change) % count
                left >>= _ONE
                next_place += apart
            for byte in range(word_bounds[word], word_bounds[word + 1]):
                text[filled] = letters[byte]
                filled += 1
            place += 1
            if place == length:
                break
            text[filled] = 32
            filled += 1
        if line_bounds[number + 1] - line_bounds[number] > 1 and place < length:
            text[filled - 1] = 10
    return filled


@compiled
def _ids(numbers: Ints, seed: int) -> Words64:
    ids = np.empty((len(numbers), 2), np.uint64)
    for row in range(len(numbers)):
        ids[row, 0] = _random(np.uint64(seed), numbers[row])
        ids[row, 1] = _random(ids[row, 0], 0)
    return ids


@compiled
def _indices(lengths: Ints, left: Words64, right: Words64) -> Floats:
    result = np.empty(len(lengths), np.float64)
    for row in range(len(lengths)):
        bits = left[row] | right[row]
        edited = 0
        while bits:
            bits &= bits - _ONE
            edited += 1
        shingles = lengths[row] - NGRAM + 1
        result[row] = (shingles - NGRAM * edited) / (shingles + NGRAM * edited)
    return result


class Pairs(NamedTuple):
    """Pairs of document numbers (int64) and their Jaccard index (float64)."""

    left: Ints
    right: Ints
    jaccard: Floats


@dataclass(frozen=True)
class Planted:
    """A corpus of ``documents`` (at most 2^31) with ``shortest`` to ``longest`` words each, whose
    documents are made when asked for."""

    documents: int
    vocabulary: Vocabulary
    shortest: int = 120
    longest: int = 220
    seed: int = 1

    def __post_init__(self) -> None:
        if not SHORTEST <= self.shortest <= self.longest:
            raise ValueError(
                f"words: {self.shortest} to {self.longest} cannot be planted. Set two numbers of"
                f" at least {SHORTEST}, the smaller first."
            )
        if not 0 < self.documents <= 1 << 31:
            raise ValueError(f"documents: {self.documents} is not between 1 and 2^31.")

    @property
    def _stride(self) -> int:
        """Coprime with the number of documents, near its golden section: neighbours in a cluster
        come to lie far apart."""
        stride = max(1, int(self.documents * 0.6180339887))
        while math.gcd(stride, self.documents) > 1:
            stride += 1
        return stride

    def _members(self, numbers: Ints) -> tuple[Ints, Ints]:
        """Each document's cluster and its number in the cluster (0: the original)."""
        places = numbers * self._stride % self.documents
        block, place = np.divmod(places, BLOCK)
        return block * _CLUSTERS + _CLUSTER[place], _MEMBER[place]

    def texts(self, first: int, last: int) -> pa.Array:
        """Documents ``first`` to ``last`` (exclusive) as large strings."""
        numbers = np.arange(first, last, dtype=np.int64)
        members = self._members(numbers)
        text, offsets = _write(*members, self.seed, self.shortest, self.longest, self.vocabulary)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
        return pa.Array.from_buffers(pa.large_string(), len(numbers), buffers)

    def ids(self, first: int, last: int) -> pa.Array:
        """Document ids: 128 bits, all different."""
        words = _ids(np.arange(first, last, dtype=np.int64), self.seed)
        return pa.Array.from_buffers(pa.binary(16), last - first, [None, pa.py_buffer(words)])

    def table(self, first: int, last: int) -> pa.Table:
        """Documents as a part holds them; the locator is the document's number."""
        texts = self.texts(first, last)
        return documents_table(self.ids(first, last), texts, first)

    def pairs(self) -> Pairs:
        """All pairs within clusters: about 29 in 100 documents, the Jaccard index 0.2 to 1."""
        left, right = np.triu_indices(BLOCK, 1)
        together = _CLUSTER[left] == _CLUSTER[right]
        blocks = np.arange(0, self.documents, BLOCK, dtype=np.int64)[:, None]
        a, b = ((blocks + side[together]).reshape(-1) for side in (left, right))
        whole = b < self.documents
        back = pow(self._stride, -1, self.documents)
        numbers = [side[whole] * back % self.documents for side in (a, b)]
        edits = []
        for side in numbers:
            lengths, bits = _describe(*self._members(side), self.seed, self.shortest, self.longest)
            edits.append(bits)
        return Pairs(numbers[0], numbers[1], _indices(lengths, edits[0], edits[1]))


def write_parts(
    planted: Planted, root: Path, part_rows: int, folder: str = "documents"
) -> list[Part]:
    """Writes all documents as parts of ``part_rows``; only one part is held in memory."""
    parts = []
    for index, first in enumerate(range(0, planted.documents, part_rows)):
        table = planted.table(first, min(first + part_rows, planted.documents))
        parts.append(write_part(table, root, index, folder))
    return parts


def main() -> None:
    """Writes documents parts and says how large they are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--words", type=int, nargs=2, default=(120, 220))
    parser.add_argument("--part-rows", type=int, default=100_000)
    parser.add_argument("--prose", action="store_true", help="lines of data/sample")
    given = parser.parse_args()
    vocabulary = sample_vocabulary() if given.prose else own_vocabulary()
    parts = write_parts(
        Planted(given.documents, vocabulary, *given.words), given.folder, given.part_rows
    )
    size = sum(part.text_bytes for part in parts)
    print(f"{given.documents:,} documents, {size / 1e6:,.0f} MB, {len(parts)} parts")


if __name__ == "__main__":
    main()
