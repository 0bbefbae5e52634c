"""The exact join against every pair compared with every other, in plain Python."""

from itertools import combinations, pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.pairs import Judgement, Sets, Similar, judge, similar_pairs, whitespace_sets


def sets_of(documents: list[set[int]]) -> Sets:
    values = np.array([value for one in documents for value in sorted(one)], np.uint64)
    return Sets(values, np.append(0, np.cumsum([len(one) for one in documents])).astype(np.int64))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sets(st.integers(0, 12), min_size=0, max_size=10), min_size=1, max_size=25),
    st.sampled_from([0.25, 0.5, 0.8, 1.0]),
)
def test_finds_what_comparing_all_pairs_finds(documents: list[set[int]], least: float) -> None:
    found = similar_pairs(sets_of(documents), least)
    expected = {
        (a, b): len(documents[a] & documents[b]) / len(documents[a] | documents[b])
        for a, b in combinations(range(len(documents)), 2)
        if documents[a] & documents[b]
    }
    expected = {pair: index for pair, index in expected.items() if index >= least}
    pairs = zip(found.left.tolist(), found.right.tolist(), strict=True)
    assert dict(zip(pairs, found.jaccard.tolist(), strict=True)) == expected


def test_words_are_what_stands_between_white_space() -> None:
    texts = ["a b c d e f", "A\tB\nc  d e F ", "a b, c d e f", "a b", "a b", "", " \n"]
    values, bounds = whitespace_sets(pa.array(texts), 5)
    sets = [set(values[a:b].tolist()) for a, b in pairwise(bounds)]
    assert [len(one) for one in sets] == [2, 2, 2, 1, 1, 0, 0]
    assert sets[0] == sets[1]
    assert sets[3] == sets[4]
    assert not sets[0] & sets[2]


def test_recall_and_precision_ask_for_a_kept_witness() -> None:
    pairs = Similar(np.array([0, 1, 3]), np.array([1, 2, 4]), np.array([0.9, 0.8, 0.85]))
    # 1 has the kept 0; 2 has only 1, which is gone; 5 resembles nothing
    removed = np.array([False, True, True, False, False, True])
    assert judge(pairs, removed) == pytest.approx((2 / 3, 1 / 3, 3))
    # the first three documents alone: the pair of 3 and 4 does not count
    assert judge(pairs, removed[:3]) == pytest.approx((1.0, 1 / 2, 2))
    assert judge(pairs, np.zeros(6, bool)) == (0.0, 1.0, 3)


def test_the_interval_of_recall_is_wilsons() -> None:
    """137 found of 138: the interval that textbooks give (Wilson's score, 95 %)."""
    low, high = Judgement(137 / 138, 1.0, 138).recall_between
    assert (low, high) == pytest.approx((0.9601, 0.9987), abs=1e-4)
    assert Judgement(1.0, 1.0, 0).recall_between == pytest.approx((0.2065, 1.0), abs=1e-4)
