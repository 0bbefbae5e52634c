"""Every pair of documents of at least a given Jaccard index, found exactly: what is judged by.

A similarity join with prefix filtering (Chaudhuri et al. 2006; Bayardo et al. 2007). Put the
shingles of all documents in one order, the rarest first. Two sets of Jaccard index >= t share at
least t times the shingles of either, so of a set of n at least one of the first n - ceil(tn) + 1 is
shared, in both sets alike: pairs that share none of these cannot be similar, and are all that is
left out. The rest is compared in full. ``tests/benchmarks/test_pairs.py`` holds it against all
pairs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.intervals import interval
from pipeline.compile import compiled
from pipeline.text_buffers import text_buffers

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Words64 = np.ndarray[Any, np.dtype[np.uint64]]

_PAIRS_AT_ONCE = 20_000_000
_BASE = np.uint64(0x9E3779B97F4A7C15)
_FNV_BASIS = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)
_29 = np.uint64(29)


class Sets(NamedTuple):
    """Document i is the set ``values[bounds[i]:bounds[i + 1]]``: uint64, sorted, distinct."""

    values: Words64
    bounds: Ints


class Similar(NamedTuple):
    """Pairs ``left < right`` of documents, sorted, and their Jaccard index."""

    left: Ints
    right: Ints
    jaccard: Floats


def whitespace_sets(texts: pa.Array, ngram: int) -> Sets:
    """Sets of ``ngram`` words in a row, where words are what stands between white space, in lower
    case: how the peers see a text. A shorter document is one shingle."""
    return Sets(*_word_sets(*text_buffers(pc.utf8_lower(texts)), ngram))


@compiled
def _word_sets(text: Bytes, offsets: Ints, ngram: int) -> tuple[Words64, Ints]:
    bounds = np.zeros(len(offsets), np.int64)
    values = np.empty(max(1, (offsets[-1] - offsets[0]) // 2 + len(offsets)), np.uint64)
    words = np.empty(1024, np.uint64)
    filled = 0
    for row in range(len(offsets) - 1):
        count = 0
        word = _FNV_BASIS
        inside = False
        for place in range(offsets[row], offsets[row + 1] + 1):
            if place < offsets[row + 1] and text[place] > 32:
                word = (word ^ np.uint64(text[place])) * _FNV_PRIME
                inside = True
                continue
            if not inside:
                continue
            if count == len(words):
                larger = np.empty(2 * count, np.uint64)
                larger[:count] = words
                words = larger
            words[count] = (word ^ (word >> _29)) * _BASE
            count += 1
            word = _FNV_BASIS
            inside = False
        grams = max(1, count - ngram + 1) if count else 0
        found = np.empty(grams, np.uint64)
        for first in range(grams):
            gram = np.uint64(0)
            for at in range(first, min(first + ngram, count)):
                gram = (gram ^ words[at]) * _BASE
                gram ^= gram >> _29
            found[first] = gram
        found = np.unique(found)
        values[filled : filled + len(found)] = found
        filled += len(found)
        bounds[row + 1] = filled
    return values[:filled].copy(), bounds


def similar_pairs(sets: Sets, least: float) -> Similar:
    """All pairs of Jaccard index >= ``least`` (0 to 1, exclusive of 0)."""
    shingles, postings = _prefix_postings(sets, least)
    starts = np.flatnonzero(np.append(True, shingles[1:] != shingles[:-1]))
    bounds = np.append(starts, len(shingles)).astype(np.int64)
    sizes = np.diff(bounds)
    bounds, sizes = bounds[:-1][sizes > 1], sizes[sizes > 1]
    lengths = np.diff(sets.bounds)
    found: list[Ints] = [np.zeros(0, np.int64)]
    chunk = np.cumsum(sizes * (sizes - 1) // 2) // _PAIRS_AT_ONCE
    cuts = np.flatnonzero(np.diff(chunk)) + 1
    for first, last in zip(np.append(0, cuts), np.append(cuts, len(sizes)), strict=True):
        some = slice(int(first), int(last))
        packed = np.unique(_together(postings, bounds[some], sizes[some], lengths, least))
        left, right = packed >> 32, packed & 0xFFFFFFFF
        alike = _jaccards(sets.values, sets.bounds, left, right) >= least
        found.append(packed[alike])
    pairs = np.unique(np.concatenate(found))
    left, right = pairs >> 32, pairs & 0xFFFFFFFF
    return Similar(left, right, _jaccards(sets.values, sets.bounds, left, right))


def _prefix_postings(sets: Sets, least: float) -> tuple[Ints, Ints]:
    """The shingles (as ranks of rarity) in documents' prefixes that another document has too, and
    the documents that have them (int64), sorted by shingle, then document."""
    _, inverse, counts = np.unique(sets.values, return_inverse=True, return_counts=True)
    rarity = np.empty(len(counts), np.int64)
    rarity[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    ranks = rarity[inverse]
    shared = counts[inverse] > 1
    documents = np.repeat(np.arange(len(sets.bounds) - 1), np.diff(sets.bounds))
    order = np.lexsort((ranks, documents))
    place = np.arange(len(ranks)) - np.repeat(sets.bounds[:-1], np.diff(sets.bounds))
    lengths = np.diff(sets.bounds)
    prefix = lengths - np.ceil(least * lengths - 1e-9).astype(np.int64) + 1
    within = (place < prefix[documents]) & shared[order]
    ranks, documents = ranks[order][within], documents[within]
    order = np.lexsort((documents, ranks))
    return ranks[order], documents[order]


@compiled
def _together(postings: Ints, starts: Ints, sizes: Ints, lengths: Ints, least: float) -> Ints:
    """Pairs (left << 32 | right, repeats included) that share a shingle and may be similar by their
    lengths."""
    pairs = np.empty((sizes * (sizes - 1) // 2).sum(), np.int64)
    filled = 0
    for group in range(len(starts)):
        for first in range(starts[group], starts[group] + sizes[group]):
            for second in range(first + 1, starts[group] + sizes[group]):
                a = postings[first]
                b = postings[second]
                if min(lengths[a], lengths[b]) >= least * max(lengths[a], lengths[b]) - 1e-9:
                    pairs[filled] = a << 32 | b
                    filled += 1
    return pairs[:filled]


@compiled
def _jaccards(values: Words64, bounds: Ints, left: Ints, right: Ints) -> Floats:
    result = np.empty(len(left), np.float64)
    for pair in range(len(left)):
        a, a_end = bounds[left[pair]], bounds[left[pair] + 1]
        b, b_end = bounds[right[pair]], bounds[right[pair] + 1]
        total = a_end - a + b_end - b
        both = 0
        while a < a_end and b < b_end:
            x = values[a]
            y = values[b]
            both += x == y
            a += x <= y
            b += y <= x
        result[pair] = both / (total - both) if total > both else 0.0
    return result


class Judgement(NamedTuple):
    """``recall``: share of similar ``pairs`` of which at least one document was removed.
    ``precision``: share of removed documents that are similar to a document that was kept."""

    recall: float
    precision: float
    pairs: int

    @property
    def recall_between(self) -> tuple[float, float]:
        """The 95 % interval of the recall: what chance in the hash functions leaves open, with so
        many pairs."""
        return interval(self.recall, self.pairs)


def judge(similar: Similar, removed: Flags) -> Judgement:
    """Judges the documents that a contender removed (bool, one a document; pairs that reach beyond
    them are left out)."""
    within = similar.right < len(removed)
    left, right = similar.left[within], similar.right[within]
    resolved = removed[left] | removed[right]
    witnessed = np.zeros(len(removed), bool)
    witnessed[left[~removed[right]]] = True
    witnessed[right[~removed[left]]] = True
    total = int(removed.sum())
    return Judgement(
        float(resolved.mean()) if len(resolved) else 1.0,
        float((removed & witnessed).sum() / total) if total else 1.0,
        len(resolved),
    )
