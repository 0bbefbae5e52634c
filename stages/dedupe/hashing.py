"""128-bit hashes of documents: of their bytes, or of their words."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.compile import compiled
from pipeline.text_buffers import text_buffers
from stages.dedupe.arrays import Bytes, Ints, Words64
from stages.dedupe.letters import mix
from stages.dedupe.tokens import Tables, token_tables, tokenize

# MurmurHash3_x64_128 (Appleby 2011, public domain): constants of the algorithm
_C1 = np.uint64(0x87C37B91114253D5)
_C2 = np.uint64(0x4CF5AD432745937F)
_FIVE = np.uint64(5)
_ADD_1 = np.uint64(0x52DCE729)
_ADD_2 = np.uint64(0x38495AB5)
_64 = np.uint64(64)
_8 = np.uint64(8)
_ZERO = np.uint64(0)


@compiled
def _rotate(value: np.uint64, bits: int) -> np.uint64:
    left = np.uint64(bits)
    return (value << left) | (value >> (_64 - left))


@compiled
def _word(data: Bytes, place: int) -> np.uint64:
    word = _ZERO
    for byte in range(8):
        word |= np.uint64(data[place + byte]) << np.uint64(8 * byte)
    return word


@compiled
def _scramble_1(word: np.uint64) -> np.uint64:
    return _rotate(word * _C1, 31) * _C2


@compiled
def _scramble_2(word: np.uint64) -> np.uint64:
    return _rotate(word * _C2, 33) * _C1


@compiled
def _round(
    h1: np.uint64, h2: np.uint64, k1: np.uint64, k2: np.uint64
) -> tuple[np.uint64, np.uint64]:
    h1 = (_rotate(h1 ^ _scramble_1(k1), 27) + h2) * _FIVE + _ADD_1
    h2 = (_rotate(h2 ^ _scramble_2(k2), 31) + h1) * _FIVE + _ADD_2
    return h1, h2


@compiled
def _finish(h1: np.uint64, h2: np.uint64, length: int) -> tuple[np.uint64, np.uint64]:
    h1 ^= np.uint64(length)
    h2 ^= np.uint64(length)
    h1 += h2
    h2 += h1
    h1 = mix(h1)
    h2 = mix(h2)
    h1 += h2
    h2 += h1
    return h1, h2


@compiled
def _hash_bytes(data: Bytes, offsets: Ints) -> Words64:
    result = np.empty((len(offsets) - 1, 2), np.uint64)
    for row in range(len(offsets) - 1):
        place = offsets[row]
        end = offsets[row + 1]
        length = end - place
        h1 = _ZERO
        h2 = _ZERO
        while place + 16 <= end:
            h1, h2 = _round(h1, h2, _word(data, place), _word(data, place + 8))
            place += 16
        k1 = _ZERO
        k2 = _ZERO
        for byte in range(end - place):
            value = np.uint64(data[place + byte])
            if byte < 8:
                k1 |= value << np.uint64(8 * byte)
            else:
                k2 |= value << np.uint64(8 * (byte - 8))
        h1 ^= _scramble_1(k1)
        h2 ^= _scramble_2(k2)
        result[row, 0], result[row, 1] = _finish(h1, h2, length)
    return result


@compiled
def _hash_tokens(data: Bytes, offsets: Ints, tables: Tables) -> tuple[Words64, Ints]:
    rows = len(offsets) - 1
    result = np.empty((rows, 2), np.uint64)
    counts = np.empty(rows, np.int64)
    tokens = np.empty(4096, np.uint64)
    for row in range(rows):
        tokens, count = tokenize(data, offsets[row], offsets[row + 1], tables, tokens)
        h1 = _ZERO
        h2 = _ZERO
        for index in range(count):
            h1, h2 = _round(h1, h2, tokens[index], tokens[index])
        result[row, 0], result[row, 1] = _finish(h1, h2, count)
        counts[row] = count
    return result, counts


def hash_texts(text: pa.ChunkedArray | pa.Array) -> tuple[Words64, Ints]:
    """MurmurHash3_x64_128 (seed 0) of the UTF-8 bytes of documents: uint64, rows x 2; and their
    lengths in bytes (int64)."""
    data, offsets = text_buffers(text)
    return _hash_bytes(data, offsets), np.diff(offsets)


def hash_words(text: pa.ChunkedArray | pa.Array) -> tuple[Words64, Ints]:
    """The same over the tokens of documents, so that case, width, punctuation, spaces and markup do
    not matter: uint64, rows x 2; and their numbers of tokens (int64). A token's own hash has 64
    bits; the chance that any of n distinct words collide is n^2 / 2^64."""
    data, offsets = text_buffers(text)
    return _hash_tokens(data, offsets, token_tables())
