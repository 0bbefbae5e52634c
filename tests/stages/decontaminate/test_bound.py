"""The bound of the LCS against the words that two sequences share, counted plainly."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.decontaminate.bound import BUCKETS, may_share
from tests.stages.decontaminate.test_lcs import lcs_length

few = st.lists(st.integers(0, 9), max_size=40)
sharing = st.lists(
    st.integers(0, 5) | st.integers(0, 5).map(lambda x: x + BUCKETS), max_size=40
)  # words of which some share a counter


def says(window: list[int], item: list[int], least: int) -> bool:
    """What ``may_share`` says, which leaves its counters as they were."""
    counters = np.zeros(BUCKETS, np.int32)
    a, b = np.array(window, np.uint64), np.array(item, np.uint64)
    said = may_share(a, b, least, counters)
    assert not counters.any()
    return bool(said)


@settings(deadline=None)
@given(few, few, st.integers(0, 45))
def test_it_says_whether_enough_words_are_shared(
    window: list[int], item: list[int], least: int
) -> None:
    shared = (Counter(window) & Counter(item)).total()
    assert says(window, item, least) == (shared >= least)


@settings(deadline=None)
@given(sharing, sharing, st.integers(0, 45))
def test_it_never_denies_a_common_subsequence(
    window: list[int], item: list[int], least: int
) -> None:
    assert says(window, item, least) or lcs_length(window, item) < least
