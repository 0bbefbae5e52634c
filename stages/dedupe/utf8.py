"""Code points of UTF-8 bytes, for compiled code."""

from __future__ import annotations

import numpy as np

from pipeline.compile import compiled
from stages.dedupe.arrays import Bytes

_ONE = np.uint64(1)
_TWO = np.uint64(2)
_THREE = np.uint64(3)
_SIX = np.uint64(6)
_TWO_BYTES = np.uint8(0xC2)  # the least first byte of a character of so many
_THREE_BYTES = np.uint8(0xE0)
_FOUR_BYTES = np.uint8(0xF0)


@compiled
def short_code_point(data: Bytes, place: np.uint64, stop: np.uint64) -> tuple[np.uint64, np.uint64]:
    """The code point of two or three bytes at ``place``, and where the next begins; 60, which
    stops, if there is none."""
    byte = data[place]
    if byte >= _TWO_BYTES and byte < _THREE_BYTES and place + _ONE < stop:
        code = (np.uint64(byte & np.uint8(31)) << _SIX) | _tail(data, place + _ONE)
        return code, place + _TWO
    if byte >= _THREE_BYTES and byte < _FOUR_BYTES and place + _TWO < stop:
        high = (np.uint64(byte & np.uint8(15)) << _SIX) | _tail(data, place + _ONE)
        return high << _SIX | _tail(data, place + _TWO), place + _THREE
    return np.uint64(60), place


@compiled
def _tail(data: Bytes, place: np.uint64) -> np.uint64:
    return np.uint64(data[place] & np.uint8(63))


@compiled
def code_point(data: Bytes, place: int, end: int) -> tuple[int, int]:
    """The code point of the bytes (not ASCII) at ``place``, and where the next begins."""
    byte = data[place]
    if byte >= 240 and place + 3 < end:
        code = (
            (_low(byte, 7) << 18)
            | (_low(data[place + 1], 63) << 12)
            | (_low(data[place + 2], 63) << 6)
            | _low(data[place + 3], 63)
        )
        return code, place + 4
    if byte >= 224 and place + 2 < end:
        code = (_low(byte, 15) << 12) | (_low(data[place + 1], 63) << 6) | _low(data[place + 2], 63)
        return code, place + 3
    if place + 1 < end:
        return (_low(byte, 31) << 6) | _low(data[place + 1], 63), place + 2
    return 0, place + 1


@compiled
def _low(byte: int, mask: int) -> int:
    return byte & mask
