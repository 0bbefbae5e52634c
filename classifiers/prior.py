"""The quality prior: a logistic model of about a dozen surface statistics, open to inspection.

The statistics are measured elsewhere (``stages/quality/statistics.py``); this file says what they
are and turns statistics into a score. The coefficients lie in
``prior_coefficients.json`` beside it, with a description of the labels they were fitted on; the
stop words of 21 languages lie in ``stop_words.json``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]

COEFFICIENTS_FILE = "prior_coefficients.json"
STOP_WORDS_FILE = "stop_words.json"

STATISTICS: tuple[str, ...] = (
    "log_words_per_line",
    "log_words_per_sentence",
    "stop_word_share",
    "finished_line_share",
    "short_line_share",
    "repeated_line_share",
    "distinct_word_share",
    "symbol_share",
    "digit_share",
    "upper_case_share",
    "mean_word_length",
    "commas_per_word",
    "exclamations_per_word",
)
"""Names of the statistics, in the order of the columns. None of them is a length."""


CLIP = 2.0
"""Standard deviations at which a statistic is clipped, in the fit too. The labelled pages say
little about what lies further out, and technical documentation would be judged by its punctuation
alone; cross-validated AUC is the same for 2, 3 and 4."""


@dataclass(frozen=True)
class StopWords:
    """Stop words by language. ``scales`` bring a language's share in running prose to the level of
    English, measured on the same text in both (the Universal Declaration of Human Rights)."""

    languages: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]
    scales: tuple[float, ...]


@dataclass(frozen=True)
class Prior:
    """The fitted model: ``1 / (1 + exp(-(intercept + sum(c * (x - mean) / scale))))``.

    ``fit`` describes the labels and what cross-validation measured. ``sha256`` is that of the
    coefficients file.
    """

    means: Floats
    scales: Floats
    coefficients: Floats
    intercept: float
    stop_words: StopWords
    fit: Mapping[str, Any]
    sha256: str

    def scores(self, statistics: Floats) -> Floats:
        """Scores in (0, 1), rounded to 4 decimals, of statistics (float64, documents x 13).

        A missing statistic (NaN) counts as its mean, so it moves the score neither way; values are
        clipped at ``CLIP`` standard deviations.
        """
        log_odds = self._terms(statistics).sum(1) + self.intercept
        probabilities: Floats = 1.0 / (1.0 + np.exp(-log_odds))
        return np.round(probabilities, 4)

    def contributions(self, statistics: Floats) -> Floats:
        """What every statistic adds to the log-odds: float64 (documents, 13)."""
        return self._terms(statistics)

    def _terms(self, statistics: Floats) -> Floats:
        return standardised(statistics, self.means, self.scales) * self.coefficients


def standardised(statistics: Floats, means: Floats, scales: Floats) -> Floats:
    """``(x - mean) / scale``, clipped to [-CLIP, CLIP], missing values 0."""
    shifted = (statistics - means) / scales
    clipped: Floats = np.clip(np.where(np.isnan(shifted), 0.0, shifted), -CLIP, CLIP)
    return clipped


def word_hash(word: str) -> int:
    """64-bit FNV-1a over the lower-case code points of a word, apostrophes left out."""
    value = 0xCBF29CE484222325
    for character in word.lower():
        if character not in "'\u2019":
            value = ((value ^ ord(character)) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def unscaled_stop_words() -> StopWords:
    """The word lists with scale 1: what the fit starts from."""
    file = resources.files("classifiers").joinpath(STOP_WORDS_FILE)
    lists: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    languages = tuple(sorted(lists))
    words = tuple(tuple(sorted(set(lists[language].split()))) for language in languages)
    return StopWords(languages, words, (1.0,) * len(languages))


@cache
def load_prior() -> Prior:
    """The prior that ships with this version. Raises ValueError when file and code disagree."""
    raw = resources.files("classifiers").joinpath(COEFFICIENTS_FILE).read_bytes()
    content = json.loads(raw)
    if [entry["name"] for entry in content["statistics"]] != list(STATISTICS):
        raise ValueError(
            f"{COEFFICIENTS_FILE} was fitted on other statistics than this version measures."
            " Fit it again: python -m stages.quality.fit_prior LABELS"
        )
    plain = unscaled_stop_words()
    scales = tuple(float(content["stop_word_scales"].get(name, 1.0)) for name in plain.languages)
    columns = {
        key: np.array([entry[key] for entry in content["statistics"]], np.float64)
        for key in ("mean", "scale", "coefficient")
    }
    return Prior(
        columns["mean"],
        columns["scale"],
        columns["coefficient"],
        float(content["intercept"]),
        StopWords(plain.languages, plain.words, scales),
        content["fit"],
        hashlib.sha256(raw).hexdigest(),
    )
