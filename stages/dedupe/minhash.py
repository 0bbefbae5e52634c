"""MinHash signatures and band keys (Broder 1997; Indyk and Motwani 1998; FineWeb 2406.17557)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyarrow as pa

from pipeline.compile import compiled
from pipeline.text_buffers import every_row, text_buffers
from stages.dedupe.arrays import Bytes, Ints, Words32, Words64
from stages.dedupe.letters import mix
from stages.dedupe.shingles import shingle
from stages.dedupe.tokens import Tables, token_tables, tokenize

_HIGH = np.uint64(32)
_LARGEST = np.uint32(0xFFFFFFFF)
_GOLDEN = 0x9E3779B97F4A7C15


@lru_cache(maxsize=8)
def permutations(hashes: int, seed: int) -> tuple[Words32, Words32]:
    """Multipliers (odd) and addends, uint32, of ``hashes`` functions h -> h * a + b modulo 2^32.

    From splitmix64 (Steele et al. 2014), so the same on every machine and numpy version.
    """
    words = np.array([_splitmix(seed, index) for index in range(2 * hashes)], np.uint64)
    halves = (words >> _HIGH).astype(np.uint32)
    return halves[:hashes] | np.uint32(1), halves[hashes:]


def _splitmix(seed: int, index: int) -> int:
    mask = 0xFFFFFFFFFFFFFFFF
    value = (seed * 0xD1342543DE82EF95 + (index + 1) * _GOLDEN) & mask
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & mask
    value = (value ^ value >> 27) * 0x94D049BB133111EB & mask
    return value ^ value >> 31


@compiled
def _minima(
    shingles: Words64, count: int, multipliers: Words32, addends: Words32, signature: Words32
) -> None:
    """The least hash of a document's shingles under every function. Eight shingles at a time under
    one function after the other: a loop that the compiler turns into vector instructions, in which
    what it loads and stores is spread over eight."""
    signature[:] = _LARGEST
    for start in range(0, count - 7, 8):
        _lower_by_eight(shingles[start : start + 8], multipliers, addends, signature)
    for index in range(count - count % 8, count):
        shingle = np.uint32(shingles[index] >> _HIGH)
        for k in range(np.uint64(len(signature))):
            hashed = np.uint32(shingle * multipliers[k] + addends[k])
            signature[k] = min(signature[k], hashed)


@compiled
def _lower_by_eight(
    shingles: Words64, multipliers: Words32, addends: Words32, signature: Words32
) -> None:
    a, b = np.uint32(shingles[0] >> _HIGH), np.uint32(shingles[1] >> _HIGH)
    c, d = np.uint32(shingles[2] >> _HIGH), np.uint32(shingles[3] >> _HIGH)
    e, f = np.uint32(shingles[4] >> _HIGH), np.uint32(shingles[5] >> _HIGH)
    g, h = np.uint32(shingles[6] >> _HIGH), np.uint32(shingles[7] >> _HIGH)
    for k in range(np.uint64(len(signature))):
        times = multipliers[k]
        plus = addends[k]
        least = min(np.uint32(a * times + plus), np.uint32(b * times + plus))
        least = min(least, np.uint32(c * times + plus), np.uint32(d * times + plus))
        least = min(least, np.uint32(e * times + plus), np.uint32(f * times + plus))
        least = min(least, np.uint32(g * times + plus), np.uint32(h * times + plus))
        signature[k] = min(signature[k], least)


@compiled
def _signatures(
    data: Bytes,
    offsets: Ints,
    rows: Ints,
    tables: Tables,
    ngram: int,
    char_ngram: int,
    multipliers: Words32,
    addends: Words32,
) -> tuple[Words32, Ints]:
    result = np.empty((len(rows), len(multipliers)), np.uint32)
    counts = np.empty(len(rows), np.int64)
    tokens = np.empty(4096, np.uint64)
    shingles = np.empty(4096, np.uint64)
    for document in range(len(rows)):
        row = rows[document]
        tokens, count = tokenize(data, offsets[row], offsets[row + 1], tables, tokens)
        if count > len(shingles):
            shingles = np.empty(2 * count, np.uint64)
        found = shingle(tokens, count, ngram, char_ngram, shingles)
        _minima(shingles, found, multipliers, addends, result[document])
        counts[document] = count
    return result, counts


def signatures(
    text: pa.ChunkedArray | pa.Array,
    hashes: int,
    ngram: int,
    char_ngram: int,
    seed: int,
    rows: Ints | None = None,
) -> tuple[Words32, Ints]:
    """MinHash signatures (uint32, documents x hashes) and token counts (int64) of documents.

    Two documents agree in each place with a probability equal to the Jaccard index of their
    shingle sets. A document without tokens (count 0) has no signature: its row means nothing.
    ``rows`` (int64) are those of the column that are asked for, all if left out.
    """
    data, offsets = text_buffers(text)
    chosen = every_row(offsets) if rows is None else rows
    functions = permutations(hashes, seed)
    return _signatures(data, offsets, chosen, token_tables(), ngram, char_ngram, *functions)


@compiled
def band_keys(signature: Words32, bands: int, rows: int) -> Words64:
    """Keys (uint64, documents x bands): one a band of ``rows`` places of the signature, mixed with
    the band's number, so that all bands share one key space."""
    documents = len(signature)
    keys = np.empty((documents, bands), np.uint64)
    for document in range(documents):
        for band in range(bands):
            key = mix(np.uint64(band + 1) * np.uint64(_GOLDEN))
            for row in range(rows):
                key = mix(key ^ np.uint64(signature[document, band * rows + row]))
            keys[document, band] = key
    return keys


def collision_probability(similarity: float, bands: int, rows: int) -> float:
    """1 - (1 - s^rows)^bands: how likely a pair of Jaccard index s becomes a candidate."""
    return float(1.0 - (1.0 - similarity**rows) ** bands)


@lru_cache(maxsize=64)
def optimal_shape(threshold: float, hashes: int) -> tuple[int, int]:
    """Bands and rows, of at most ``hashes`` in all, that weigh missed pairs above ``threshold`` and
    needless ones below it alike: datasketch's routine."""
    from datasketch import MinHashLSH

    try:
        index = MinHashLSH(threshold=threshold, num_perm=hashes)
    except ValueError as error:
        raise ValueError(
            f"threshold: {threshold} cannot be met with hashes: {hashes} ({error})."
            " Set hashes: 128 or more, or a lower threshold."
        ) from error
    return int(index.b), int(index.r)
