"""How well scores agree with labels: the numbers on the report cards of prior, judge and student.

AUC is the chance that a random good document scores above a random bad one, ties counting half
(Mann-Whitney U); Spearman is the rank correlation with the graded labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Floats = np.ndarray[Any, np.dtype[np.float64]]

GOOD_FROM = 3
"""Anchor labels (0 to 5) from this one on count as good; FineWeb-Edu keeps from 3 as well."""

LIKE_LENGTH = 1.25
"""Two documents are of like length when neither is more than this times as long as the other."""

RESAMPLES = 2000
_SEED = 20250101


def ranks(values: Array) -> Floats:
    """Ranks from 1, ties sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means: Floats = ((2 * ends - counts + 1) / 2.0)[inverse]
    return means


def auc(labels: Array, scores: Array) -> float:
    """Area under the ROC curve of binary labels; NaN when one class is missing."""
    good = np.asarray(labels) > 0
    positives, negatives = int(good.sum()), int((~good).sum())
    if not positives or not negatives:
        return float("nan")
    total = float(ranks(np.asarray(scores))[good].sum())
    return (total - positives * (positives + 1) / 2) / (positives * negatives)


def auc_among_like_length(labels: Array, scores: Array, lengths: Array) -> float:
    """AUC over the pairs of like length only: what a score knows beyond length."""
    good = np.flatnonzero(np.asarray(labels) > 0)
    bad = np.flatnonzero(np.asarray(labels) <= 0)
    ratio = np.asarray(lengths, np.float64)[good][:, None] / np.asarray(lengths)[bad][None, :]
    pairs = (ratio <= LIKE_LENGTH) & (ratio >= 1 / LIKE_LENGTH)
    if not pairs.any():
        return float("nan")
    difference = np.asarray(scores)[good][:, None] - np.asarray(scores)[bad][None, :]
    wins = (difference > 0) + 0.5 * (difference == 0)
    return float(wins[pairs].mean())


def spearman(first: Array, second: Array) -> float:
    """Spearman's rank correlation, ties by mean rank; NaN when one side does not vary."""
    a, b = ranks(np.asarray(first)), ranks(np.asarray(second))
    if a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def chance_of_beating(labels: Array, scores: Array, rival: Array) -> float:
    """Share of paired bootstrap resamples of the documents (2,000, fixed seed) in which ``scores``
    has a higher AUC than ``rival``: near .5 for equals, near 1 for a clear advantage."""
    labels, scores, rival = np.asarray(labels), np.asarray(scores), np.asarray(rival)
    # PCG64's stream is fixed by numpy's compatibility policy, unlike the Generator's methods
    stream = np.random.PCG64(_SEED)
    wins = 0
    for _ in range(RESAMPLES):
        draw = (stream.random_raw(len(labels)) % np.uint64(len(labels))).astype(np.int64)
        if len(np.unique(labels[draw])) == 2:
            wins += auc(labels[draw], scores[draw]) > auc(labels[draw], rival[draw])
    return wins / RESAMPLES


def grade_scores(grades: Array, scores: Mapping[str, Array], lengths: Array) -> dict[str, Any]:
    """A report card on graded passages: for every named score AUC (good from 3 on), AUC among pairs
    of like length, and Spearman; 3 decimals, None where undefined."""
    grades = np.asarray(grades)
    good = (grades >= GOOD_FROM).astype(np.int64)
    card: dict[str, Any] = {}
    for name, values in scores.items():
        card[name] = {
            "auc": _rounded(auc(good, values)),
            "auc_among_like_length": _rounded(auc_among_like_length(good, values, lengths)),
            "spearman": _rounded(spearman(grades, values)),
        }
    return card


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 3)
