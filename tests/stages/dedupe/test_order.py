"""The order of rows of words, against a plain stable sort."""

from __future__ import annotations

import numpy as np
import pytest

from stages.dedupe.order import sorting


@pytest.mark.parametrize("values", [1, 3, 2**40])
def test_rows_are_sorted_and_equal_ones_stay_in_their_order(values: int) -> None:
    """Two earlier corpora may share a document: equal rows, which no processor may put otherwise
    than another does."""
    random = np.random.default_rng(7)
    words = [random.integers(0, values, 3_000, np.uint64) for _ in range(3)]
    words[1] <<= np.uint64(20)
    expected = sorted(range(3_000), key=lambda row: [int(column[row]) for column in words])
    np.testing.assert_array_equal(sorting(words), expected)


def test_no_rows() -> None:
    assert len(sorting([np.zeros(0, np.uint64)])) == 0
