"""The bit-parallel LCS against the plain table, and its spans against their definition."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import LCSseq

from stages.decontaminate.lcs import densest_stretch, lcs_prefix, lcs_spans


def lcs_length(a: Sequence[object], b: Sequence[object]) -> int:
    """The textbook's table."""
    above = [0] * (len(b) + 1)
    for x in a:
        row = [0]
        for j, y in enumerate(b):
            row.append(above[j] + 1 if x == y else max(above[j + 1], row[j]))
        above = row
    return above[-1]


words = st.integers(0, 4) | st.sampled_from([2**63, 2**64 - 1])
texts = st.lists(words, max_size=40) | st.lists(words, min_size=60, max_size=140)


@settings(deadline=None)
@given(texts, texts)
def test_length_and_spans(window: list[int], item: list[int]) -> None:
    a, b = np.array(window, np.uint64), np.array(item, np.uint64)
    length, start, end, item_start, item_end = (int(x) for x in lcs_spans(a, b))
    assert length == lcs_length(window, item)
    assert lcs_length(window[start:end], item[item_start:item_end]) == length
    if length:  # the spans cannot be cut at either end
        assert lcs_length(window[: end - 1], item) < length
        assert lcs_length(window[start + 1 : end], item[item_start:item_end]) < length
        assert lcs_length(window[start:end], item[item_start + 1 : item_end]) < length
        assert lcs_length(window[start:end], item[item_start : item_end - 1]) < length


def test_long_sequences_against_a_peer() -> None:
    random = np.random.default_rng(5)
    for sizes in ((1000, 63), (700, 64), (700, 65), (64, 640), (2000, 129)):
        a, b = (random.integers(0, 30, size).astype(np.uint64) for size in sizes)
        assert lcs_prefix(a, b)[0] == LCSseq.similarity(a.tolist(), b.tolist())


@settings(deadline=None)
@given(st.lists(words, max_size=14), st.lists(words, max_size=9))
def test_the_densest_stretch_is_the_best_of_all(window: list[int], item: list[int]) -> None:
    """Three times the words in common less its own; then the one that ends first, then the
    shortest."""
    stretches = [
        (-(3 * lcs_length(window[a:b], item) - (b - a)), b, -a)
        for a in range(len(window))
        for b in range(a + 1, len(window) + 1)
    ]
    score, end, start = min(stretches, default=(0, 0, 0))
    expected = (-start, end) if score < 0 else (0, 0)
    assert densest_stretch(np.array(window, np.uint64), np.array(item, np.uint64)) == expected


def test_a_stray_word_is_not_in_the_densest_stretch() -> None:
    """The item's first word stands far above an edited copy, whose own first word is another."""
    item = list(range(20))
    window = [0] + [90] * 40 + [91, *range(1, 9), 92, 93, *range(11, 20)]
    a, b = np.array(window, np.uint64), np.array(item, np.uint64)
    assert lcs_prefix(a, b)[0] == 18
    assert densest_stretch(a, b) == (42, len(window))
