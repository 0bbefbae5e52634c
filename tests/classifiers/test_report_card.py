"""Report-card numbers against scikit-learn and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from classifiers.report_card import (
    auc,
    auc_among_like_length,
    chance_of_beating,
    grade_scores,
    spearman,
)

labelled = st.lists(
    st.tuples(st.integers(0, 1), st.integers(-5, 5), st.integers(1, 400)), min_size=2, max_size=40
)


@settings(deadline=None)
@given(labelled)
def test_auc_is_scikit_learns(rows: list[tuple[int, int, int]]) -> None:
    labels = np.array([row[0] for row in rows])
    scores = np.array([row[1] for row in rows])
    if len(set(labels.tolist())) < 2:
        assert math.isnan(auc(labels, scores))
    else:
        assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))


@settings(deadline=None)
@given(labelled)
def test_like_length_counts_the_right_pairs(rows: list[tuple[int, int, int]]) -> None:
    wins: list[float] = []
    for good, high, long in rows:
        for bad, low, short in rows:
            if good and not bad and max(long, short) <= 1.25 * min(long, short):
                wins.append(1.0 if high > low else 0.5 if high == low else 0.0)
    labels, scores, lengths = (np.array(column) for column in zip(*rows, strict=True))
    found = auc_among_like_length(labels, scores, lengths)
    assert (math.isnan(found) and not wins) or found == pytest.approx(np.mean(wins))


@settings(deadline=None)
@given(labelled)
def test_spearman_is_scipys(rows: list[tuple[int, int, int]]) -> None:
    first = np.array([row[1] for row in rows])
    second = np.array([row[2] for row in rows])
    found = spearman(first, second)
    if len(set(first.tolist())) > 1 and len(set(second.tolist())) > 1:
        assert found == pytest.approx(spearmanr(first, second).statistic)
    else:
        assert math.isnan(found)


def test_chance_of_beating_tells_clear_from_even() -> None:
    labels = np.array([0, 1] * 30)
    noise = np.arange(60) * 7919 % 61
    assert chance_of_beating(labels, labels * 1.0, noise) > 0.99
    assert chance_of_beating(labels, noise, labels * 1.0) == 0.0
    assert chance_of_beating(labels, noise, noise) == 0.0
    assert chance_of_beating(labels, noise, noise[::-1]) == chance_of_beating(
        labels, noise, noise[::-1]
    )


def test_undefined_numbers_are_none() -> None:
    card = grade_scores(np.array([4, 5]), {"x": np.array([1.0, 1.0])}, np.array([9.0, 9.0]))
    assert card == {"x": {"auc": None, "auc_among_like_length": None, "spearman": None}}
