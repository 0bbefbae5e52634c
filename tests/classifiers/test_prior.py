"""The quality prior: what the model does with its statistics, and how well it fits people."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from classifiers.prior import STATISTICS, load_prior, unscaled_stop_words, word_hash

WIDTH = len(STATISTICS)


def test_shipped_coefficients_describe_their_fit() -> None:
    prior = load_prior()
    assert prior.means.shape == prior.scales.shape == prior.coefficients.shape == (WIDTH,)
    assert (prior.scales > 0).all()
    assert prior.fit["documents"] == 218
    assert len(prior.fit["labels_sha256"]) == 64
    # what the fit claims to have measured: better than length, on pairs of like length too
    assert prior.fit["auc"] > prior.fit["length"]["auc"]
    assert prior.fit["auc_among_like_length"] > prior.fit["length"]["auc_among_like_length"] + 0.1


def test_signs_are_what_a_reader_expects() -> None:
    prior = load_prior()
    signs = dict(zip(STATISTICS, np.sign(prior.coefficients), strict=True))
    for name in ("log_words_per_line", "stop_word_share", "finished_line_share"):
        assert signs[name] > 0, name
    for name in (
        "short_line_share",
        "repeated_line_share",
        "symbol_share",
        "upper_case_share",
        "exclamations_per_word",
    ):
        assert signs[name] < 0, name


@settings(deadline=None)
@given(
    arrays(np.float64, (3, WIDTH), elements=st.floats(-1e6, 1e6)),
    st.integers(0, WIDTH - 1),
    st.floats(0, 10),
)
def test_scores_are_monotone_probabilities(
    statistics: np.ndarray, column: int, rise: float
) -> None:
    prior = load_prior()
    before = prior.scores(statistics)
    assert ((before >= 0) & (before <= 1)).all()
    changed = statistics.copy()
    changed[:, column] += rise
    difference = prior.scores(changed) - before
    assert (difference * np.sign(prior.coefficients[column]) >= 0).all()


def test_a_missing_statistic_counts_as_its_mean() -> None:
    prior = load_prior()
    missing = np.full((1, WIDTH), np.nan)
    assert prior.scores(missing) == prior.scores(prior.means[None, :])
    assert (prior.contributions(missing) == 0).all()


def test_contributions_add_up_to_the_score() -> None:
    prior = load_prior()
    statistics = (prior.means + prior.scales * np.linspace(-2, 2, WIDTH))[None, :]
    log_odds = prior.contributions(statistics).sum() + prior.intercept
    assert prior.scores(statistics)[0] == pytest.approx(1 / (1 + np.exp(-log_odds)), abs=1e-4)


def test_word_hash_is_fnv_1a_and_ignores_case_and_apostrophes() -> None:
    assert word_hash("a") == 0xAF63DC4C8601EC8C  # published test vector of FNV-1a, 64 bits
    assert word_hash("foobar") == 0x85944171F73967E8
    assert word_hash("Don't") == word_hash("dont")


def test_stop_words_cover_the_languages() -> None:
    lists = unscaled_stop_words()
    assert len(lists.languages) >= 20
    assert all(len(words) >= 25 for words in lists.words)
