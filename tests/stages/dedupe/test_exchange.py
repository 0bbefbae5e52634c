"""Ranges that rounds are cut into, from samples of what their tasks found."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.dedupe.exchange import SAMPLES, even_ranges, quantiles

numbers = st.lists(st.integers(0, 2000), max_size=400)


@given(st.lists(numbers, max_size=5), st.integers(1, 500))
def test_ranges_hold_every_number_once_and_about_as_many(
    found: list[list[int]], at_once: int
) -> None:
    tasks = [np.sort(np.array(values, np.int64)) for values in found]
    ranges = even_ranges([quantiles(values) for values in tasks], at_once)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == -1
    assert all(left[1] == right[0] for left, right in pairwise(ranges))
    everything = np.sort(np.concatenate([np.zeros(0, np.int64), *tasks]))
    assert len(ranges) <= max(1, -(-len(everything) // at_once))
    cuts = [first for first, _ in ranges]
    held = np.diff(np.append(np.searchsorted(everything, cuts), len(everything)))
    # a task's numbers between two of its samples may be of either range, and what is equal stays
    # together
    unsure = sum(2 * quantiles(values)["step"] for values in tasks)
    repeated = int(np.bincount(everything, minlength=1).max())
    assert held.max() <= at_once + unsure + repeated


def test_a_small_corpus_is_cut_as_finely_as_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = (np.arange(size, dtype=np.int64) for size in (20 * SAMPLES, 2000 * SAMPLES))
    monkeypatch.setattr("stages.dedupe.exchange.SAMPLE_STEP", 1000)
    assert len(quantiles(small)["values"]) >= SAMPLES
    assert len(quantiles(large)["values"]) == 2 * SAMPLES
    assert len(even_ranges([quantiles(small)], len(small) // 4)) == 4
    assert len(even_ranges([quantiles(large)], len(large) // 4)) == 4
