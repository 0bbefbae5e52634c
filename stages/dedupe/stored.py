"""Arrays between rounds on disk: ``.npy`` files with a checksum for every 4 kB behind the array.

What is read is checked, and no more than that: a task that looks for its range of keys in thousands
of files reads a few pages of each. ``numpy.load`` reads these files too, and ignores the checksums.
A checksum is a sum of products with odd numbers modulo 2^64, mixed: a changed word is always seen,
other damage but once in about 2^60 (multilinear hashing, Carter and Wegman 1979).
"""

from __future__ import annotations

import io
import math
import mmap
import re
from hashlib import blake2b, shake_256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from pipeline.compile import compiled
from stages.dedupe.arrays import Flags, Ints, Words64
from stages.dedupe.letters import mix

Array = np.ndarray[Any, Any]

_BLOCK = 512
"""Words of 8 bytes under one checksum."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = np.frombuffer(shake_256(b"factors").digest(8 * _BLOCK), "<u8") | np.uint64(1)
_SOUND = -1
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<|][uifb][0-9]+)', 'fortran_order': False,"
    rb" 'shape': \(([0-9, ]*)\), \} *\n",
    re.DOTALL,
)


def save(path: Path, array: Array) -> None:
    """Writes an array (not of objects) with its checksums."""
    array = np.ascontiguousarray(array)
    header = io.BytesIO()
    npy.write_array_header_1_0(header, npy.header_data_from_array_1_0(array))
    if array.itemsize == 8:
        words = array.reshape(-1).view(np.uint64)
    else:  # filled up to whole words
        words = np.zeros(-(-array.nbytes // 8), np.uint64)
        words.view(np.uint8)[: array.nbytes] = array.reshape(-1).view(np.uint8)
    sums = _checksums(words, _FACTORS, _seed(header.getvalue()))
    with path.open("wb") as file:
        for piece in (header.getbuffer(), words.data, sums.data):
            file.write(piece)


class Stored:
    """An array that ``save`` wrote, mapped. Rows are checked as they are asked for, by
    ``stored[first:last]`` or ``stored[numbers]``, once each.

    Raises ValueError, with the file and the cure, when they are not what was written.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            shape, dtype, start = _read_header(content)
            self.array: Array = np.frombuffer(content, dtype, math.prod(shape), start)
            """The array as it lies there, unchecked."""
        except (OSError, ValueError, TypeError) as error:
            raise _damaged(path, str(error)) from error
        self._path = path
        self.array = self.array.reshape(shape)
        words = -(-self.array.nbytes // 8)
        blocks = -(-words // _BLOCK)
        if len(content) != start + 8 * (words + blocks):
            raise _damaged(path, f"it has {len(content)} bytes")
        self._words: Words64 = np.frombuffer(content, np.uint64, words, start)
        self._sums: Words64 = np.frombuffer(content, np.uint64, blocks, start + 8 * words)
        self._seed = _seed(content[:start])
        self._seen: Flags = np.zeros(blocks, bool)
        self._row_bytes = self.array.nbytes // max(1, len(self.array))

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: slice | Ints) -> Array:
        if isinstance(rows, slice):
            first, last, step = rows.indices(len(self))
            if step == 1:
                self.check_runs(np.array([first]), np.array([max(first, last)]))
                return self.array[rows]
            rows = np.arange(first, last, step)
        self.check_runs(rows, rows + 1)
        found: Array = self.array[rows]
        return found

    def place(self, value: int) -> int:
        """How many of the values, which are sorted numbers, are less than ``value``."""
        place, bad = _place(*self._checked, self.array, self.array.dtype.type(value))
        self._raise(bad)
        return place

    def check_runs(self, firsts: Ints, lasts: Ints) -> None:
        """Checks the rows of many runs ``[first, last)``, to be read from ``array``."""
        runs = (firsts * self._row_bytes, lasts * self._row_bytes)
        self._raise(_first_damaged(*self._checked, *runs))

    @property
    def _checked(self) -> tuple[Words64, Words64, Words64, np.uint64, Flags]:
        return self._words, self._sums, _FACTORS, self._seed, self._seen

    def _raise(self, block: int) -> None:
        if block != _SOUND:
            raise _damaged(self._path, f"other bytes than were written, about {block * 8 * _BLOCK}")


def load(path: Path) -> Stored:
    """The array in a file that ``save`` wrote. Raises ValueError, with the file and the cure, when
    it is missing, cut off or no array."""
    return Stored(path)


def _read_header(content: mmap.mmap) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape, type and place of the array. numpy's own reader evaluates Python, and takes longer."""
    found = _HEADER.match(content)
    if found is None:
        raise ValueError("it does not begin as arrays do")
    dtype, shape = (group.decode() for group in found.groups())
    return tuple(map(int, shape.replace(",", " ").split())), np.dtype(dtype), found.end()


def _damaged(path: Path, why: str) -> ValueError:
    return ValueError(f"{path} is damaged or missing ({why}). Remove its folder and build again.")


def _seed(header: bytes) -> np.uint64:
    """Makes the checksums of one array those of no other type or shape."""
    return np.uint64(int.from_bytes(blake2b(header, digest_size=8).digest(), "little"))


@compiled
def _checksum(words: Words64, factors: Words64, seed: np.uint64, block: int) -> np.uint64:
    first = block * _BLOCK
    some = words[first : first + _BLOCK]
    total = seed + np.uint64(block) * _GOLDEN
    for index in range(len(some)):
        total += some[index] * factors[index]
    return mix(total)


@compiled
def _checksums(words: Words64, factors: Words64, seed: np.uint64) -> Words64:
    sums = np.empty((len(words) + _BLOCK - 1) // _BLOCK, np.uint64)
    for block in range(len(sums)):
        sums[block] = _checksum(words, factors, seed, block)
    return sums


@compiled
def _sound(
    words: Words64, sums: Words64, factors: Words64, seed: np.uint64, seen: Flags, block: int
) -> bool:
    if not seen[block]:
        seen[block] = _checksum(words, factors, seed, block) == sums[block]
    return bool(seen[block])


@compiled
def _first_damaged(
    words: Words64,
    sums: Words64,
    factors: Words64,
    seed: np.uint64,
    seen: Flags,
    begins: Ints,
    ends: Ints,
) -> int:
    """The first block of runs of bytes that is not as it was written; ``_SOUND`` if all are."""
    for run in range(len(begins)):
        if ends[run] == begins[run]:
            continue
        for block in range(begins[run] // (8 * _BLOCK), (ends[run] - 1) // (8 * _BLOCK) + 1):
            if not _sound(words, sums, factors, seed, seen, block):
                return block
    return _SOUND


@compiled
def _place(
    words: Words64,
    sums: Words64,
    factors: Words64,
    seed: np.uint64,
    seen: Flags,
    values: Array,
    value: Any,
) -> tuple[int, int]:
    """Binary search that checks what it looks at: the place, and the first damaged block."""
    low = 0
    high = len(values)
    while low < high:
        middle = (low + high) // 2
        block = middle * values.itemsize // (8 * _BLOCK)
        if not _sound(words, sums, factors, seed, seen, block):
            return low, block
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low, _SOUND
