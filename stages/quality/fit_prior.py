"""Fits the quality prior: ``python -m stages.quality.fit_prior LABELS [--parallel UDHR]``.

LABELS is JSON lines (plain or .gz) with ``text`` and ``label`` (1 good, 0 not). UDHR is JSON lines
with ``iso639_3`` and ``text``: one text in many languages, which brings every language's stop-word
share to the level of English. The same input gives the same file. The coefficients are written,
never the texts.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import unicodedata
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from classifiers.prior import (
    COEFFICIENTS_FILE,
    STATISTICS,
    StopWords,
    standardised,
    unscaled_stop_words,
)
from classifiers.report_card import auc, auc_among_like_length
from stages.quality.statistics import text_statistics

Array = np.ndarray[Any, Any]

STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Values of scikit-learn's C that cross-validation chooses from."""

FOLDS, REPEATS = 5, 10

_ISO639_3 = {
    "ces": "cs", "dan": "da", "deu_1996": "de", "ell_monotonic": "el", "eng": "en", "spa": "es",
    "fin": "fi", "fra": "fr", "hun": "hu", "ind": "id", "ita": "it", "nld": "nl", "nob": "no",
    "pol": "pl", "por_PT": "pt", "ron_2006": "ro", "rus": "ru", "swe": "sv", "tur": "tr",
    "ukr": "uk", "vie": "vi",
}  # fmt: skip
"""Codes of the parallel text to ISO 639-1."""


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a JSON lines file, gzipped or not."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def stop_word_scales(parallel: Path) -> dict[str, float]:
    """English stop-word share divided by each language's, on the same text; 3 decimals."""
    plain = unscaled_stop_words()
    texts = {
        _ISO639_3[record["code"]]: unicodedata.normalize("NFC", record["text"])
        for record in read_lines(parallel)
        if record["code"] in _ISO639_3
    }
    missing = sorted(set(plain.languages) - set(texts))
    if missing:
        raise ValueError(f"{parallel.name} lacks the languages {', '.join(missing)}")
    languages = list(plain.languages)
    column = pa.array([texts[language] for language in languages], pa.large_string())
    statistics = text_statistics(column, languages, plain)
    shares = dict(zip(languages, statistics[:, STATISTICS.index("stop_word_share")], strict=True))
    return {language: round(float(shares["en"] / shares[language]), 3) for language in languages}


def fit(statistics: Array, labels: Array, strength: float) -> tuple[Array, Array, Array, float]:
    """Means, scales, coefficients and intercept (L2-regularised maximum likelihood)."""
    means, scales = statistics.mean(0), statistics.std(0)
    model = LogisticRegression(C=strength, max_iter=1000, tol=1e-10)
    model.fit(standardised(statistics, means, scales), labels)
    return means, scales, model.coef_[0], float(model.intercept_[0])


def out_of_fold(statistics: Array, labels: Array, strength: float, seed: int) -> Array:
    """Log-odds of every document by a model that did not see it."""
    result = np.zeros(len(labels))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(statistics, labels):
        means, scales, coefficients, intercept = fit(statistics[train], labels[train], strength)
        result[test] = standardised(statistics[test], means, scales) @ coefficients + intercept
    return result


def platt(statistics: Array, labels: Array, strength: float) -> tuple[float, float]:
    """Slope and intercept that make out-of-fold log-odds probabilities (Platt 1999).

    The penalty shrinks all coefficients by a common factor too; this puts the factor back.
    """
    logits = np.concatenate(
        [out_of_fold(statistics, labels, strength, seed) for seed in range(REPEATS)]
    )
    model = LogisticRegression(C=np.inf, max_iter=1000, tol=1e-10)
    model.fit(logits[:, None], np.tile(labels, REPEATS))
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def cross_validate(
    statistics: Array, labels: Array, lengths: Array, strength: float
) -> dict[str, float]:
    """Mean AUC over repeated stratified 5-fold splits, overall and among pairs of like length."""
    overall, like = [], []
    for seed in range(REPEATS):
        scores = out_of_fold(statistics, labels, strength, seed)
        overall.append(auc(labels, scores))
        like.append(auc_among_like_length(labels, scores, lengths))
    return {
        "auc": round(float(np.mean(overall)), 3),
        "auc_among_like_length": round(float(np.mean(like)), 3),
    }


def fitted_prior(labelled: Path, parallel: Path | None) -> dict[str, Any]:
    """The content of the coefficients file."""
    records = read_lines(labelled)
    labels = np.array([int(record["label"]) for record in records])
    texts = [str(record["text"]) for record in records]
    lengths = np.array([len(text) for text in texts], np.float64)
    scales_by_language = stop_word_scales(parallel) if parallel else {}
    plain = unscaled_stop_words()
    stop_words = StopWords(
        plain.languages,
        plain.words,
        tuple(scales_by_language.get(language, 1.0) for language in plain.languages),
    )
    column = pa.array(texts, pa.large_string())
    statistics = text_statistics(column, ["en"] * len(texts), stop_words)
    grid = {c: cross_validate(statistics, labels, lengths, c) for c in STRENGTHS}
    strength = max(STRENGTHS, key=lambda c: (grid[c]["auc"], -c))
    means, scales, coefficients, _ = fit(statistics, labels, strength)
    slope, intercept = platt(statistics, labels, strength)
    coefficients = coefficients * slope
    return {
        "model": "logistic regression on standardised statistics, clipped at 2 deviations; L2"
        " penalty, then Platt scaling on out-of-fold log-odds",
        "statistics": [
            {
                "name": name,
                "mean": round(float(means[i]), 6),
                "scale": round(float(scales[i]), 6),
                "coefficient": round(float(coefficients[i]), 6),
            }
            for i, name in enumerate(STATISTICS)
        ],
        "intercept": round(intercept, 6),
        "stop_word_scales": scales_by_language,
        "fit": {
            "labels": labelled.name,
            "labels_sha256": hashlib.sha256(labelled.read_bytes()).hexdigest(),
            "documents": len(texts),
            "good": int(labels.sum()),
            "parallel_text": parallel.name if parallel else None,
            "regularisation_c": strength,
            "cross_validation": f"{REPEATS} x {FOLDS}-fold, stratified",
            **grid[strength],
            "length": {
                "auc": round(auc(labels, lengths), 3),
                "auc_among_like_length": round(auc_among_like_length(labels, lengths, lengths), 3),
            },
            "scikit_learn": version("scikit-learn"),
        },
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Fits and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--parallel", type=Path)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).parents[2] / "classifiers" / COEFFICIENTS_FILE,
    )
    options = parser.parse_args(arguments)
    content = fitted_prior(options.labels, options.parallel)
    options.out.write_text(json.dumps(content, indent=1) + "\n")
    print(json.dumps(content["fit"], indent=1))


if __name__ == "__main__":
    main()
