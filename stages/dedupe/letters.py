"""Hashes of words, letter by letter: a state that is rotated and added to, and mixed at the end."""

from __future__ import annotations

import numpy as np

from pipeline.compile import compiled
from stages.dedupe.characters import DIGIT

_DIGIT = np.uint32(DIGIT)
_ONE = np.uint64(1)
_LEFT = np.uint64(5)  # odd, so that a letter comes back to its place after 64 letters only
_RIGHT = np.uint64(59)
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)  # MurmurHash3's 64-bit finalizer
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_HALF = np.uint64(33)


@compiled
def mix(value: np.uint64) -> np.uint64:
    """A bijection of 64-bit words that spreads every bit (MurmurHash3's finalizer, Appleby)."""
    value = (value ^ (value >> _HALF)) * _MIX_1
    value = (value ^ (value >> _HALF)) * _MIX_2
    return value ^ (value >> _HALF)


@compiled
def letter_of(entry: np.uint32) -> np.uint64:
    """What a character adds to a word, from its entry in the table; bit 0: it is a digit."""
    letter = mix(np.uint64(entry))
    return (letter & ~_ONE) | np.uint64((entry & _DIGIT) != 0)


@compiled
def extended(word: np.uint64, letter: np.uint64) -> np.uint64:
    """The state of a word (0: empty) with one more letter."""
    return ((word << _LEFT) | (word >> _RIGHT)) + letter


def word_state(word: str) -> int:
    """The state of a word of folded letters (no digits), before it is mixed."""
    state = np.uint64(0)
    for character in word:
        letter = np.uint64(letter_of(np.uint32(ord(character))))
        state = np.uint64(extended(state, letter))
    return int(state)
