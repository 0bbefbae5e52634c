"""Choosing documents at random, the same ones everywhere: a seeded hash of the document's id."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

U64 = np.ndarray[Any, np.dtype[np.uint64]]
F64 = np.ndarray[Any, np.dtype[np.float64]]

# The finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
# generators", OOPSLA 2014): a bijection of 64-bit values.
_GAMMA = 0x9E3779B97F4A7C15
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_MASK = (1 << 64) - 1


def hash_ids(ids: pa.Array | pa.ChunkedArray, seed: int) -> U64:
    """A 64-bit hash of every id (fixed binary 16) under a seed, as (rows,) uint64.

    It depends on the id and the seed alone, so a choice made by it depends neither on the other
    documents nor on parts or workers. Raises ValueError when an id is null.
    """
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.combine_chunks() if ids.num_chunks != 1 else ids.chunk(0)
    if ids.null_count:
        raise ValueError("the column of ids has null rows")
    raw = np.frombuffer(ids.buffers()[1] or b"", "<u8")
    words = raw[2 * ids.offset : 2 * (ids.offset + len(ids))].reshape(-1, 2).astype(np.uint64)
    start = np.uint64((seed + 1) * _GAMMA & _MASK)
    mixed: U64 = _mix(_mix(words[:, 0] ^ start) ^ words[:, 1])
    return mixed


def unit_interval(hashes: U64) -> F64:
    """Hashes as numbers in [0, 1), from their 53 highest bits."""
    return (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(value: U64) -> U64:
    value = (value ^ (value >> np.uint64(30))) * _MIX_1
    value = (value ^ (value >> np.uint64(27))) * _MIX_2
    mixed: U64 = value ^ (value >> np.uint64(31))
    return mixed
