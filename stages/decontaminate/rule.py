"""The rule that says which matches are copies: enough words in common, and enough of the item."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.decontaminate.window import MODES

Array = np.ndarray[Any, Any]


def least_ratio(mode: str, min_ratio: float | None) -> float:
    """The ratio that a match must reach: what was set, or else the mode's own."""
    return MODES[mode].min_ratio if min_ratio is None else min_ratio


def guilty(
    lcs: Array, item_words: Array, ratio: Array, mode: str, min_lcs: int, min_ratio: float | None
) -> Array:
    """Which matches are copies, by words in common, words of the sequence, and ratio (float32).

    The rule of Qwen2.5 (arXiv 2412.15115, section 5): |LCS| >= min_lcs and |LCS| >= min_ratio *
    min(|s_t|, |s_e|). Of a sequence with fewer than ``min_lcs`` words all are needed; hardened mode
    takes three quarters of a sequence with fewer than 18 words.
    """
    needed = np.minimum(min_lcs, np.ceil(MODES[mode].min_share * item_words))
    # Compared as ratios are stored, so that 7 of 10 words are not below 0.7.
    enough = ratio >= np.float32(least_ratio(mode, min_ratio))
    return np.asarray(enough & (lcs >= needed))
