"""The rule in numbers, at its edges, and against its sentence in the report."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.decontaminate.rule import guilty, least_ratio


def judged(
    mode: str, lcs: int, item_words: int, document_words: int, ratio: float | None = None
) -> bool:
    share = np.array([lcs / min(item_words, document_words)], np.float32)
    return bool(guilty(np.array([lcs]), np.array([item_words]), share, mode, 13, ratio)[0])


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(13, 80), st.integers(13, 80))
def test_paper_mode_is_the_sentence_of_the_report(lcs: int, item: int, document: int) -> None:
    expected = lcs >= 13 and 10 * lcs >= 6 * min(item, document)
    assert judged("paper", lcs, item, document) == expected


@pytest.mark.parametrize("words", range(5, 13))
@pytest.mark.parametrize("mode", ["paper", "hardened"])
def test_short_items_match_as_a_whole(mode: str, words: int) -> None:
    assert judged(mode, words, words, 1000)
    assert judged("paper", words - 1, words, 1000) is False


def test_hardened_mode_wants_three_quarters_of_short_items_and_more_of_long_ones() -> None:
    for words in range(13, 18):
        needed = math.ceil(0.75 * words)
        assert judged("hardened", needed, words, 1000)
        assert not judged("hardened", needed - 1, words, 1000)
    assert judged("hardened", 28, 40, 1000)
    assert not judged("hardened", 27, 40, 1000)


def test_a_ratio_that_was_set_counts_in_both_modes() -> None:
    assert least_ratio("paper", None) == 0.6
    assert least_ratio("hardened", None) == 0.7
    for mode in ("paper", "hardened"):
        assert least_ratio(mode, 0.5) == 0.5
        assert judged(mode, 20, 40, 1000, 0.5)
        assert not judged(mode, 19, 40, 1000, 0.5)
