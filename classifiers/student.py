"""A fastText classifier distilled from the judge's grades: the judge's opinion at a price that a
whole corpus can pay (the way of FineWeb-Edu, arXiv 2406.17557, and DCLM, arXiv 2406.11794).

It learns to tell the better half of the judged documents from the worse half. fastText trains with
one thread, a fixed seed, and documents shuffled here by hash, since fastText does not shuffle and
its result depends on order; so the same grades give the same file.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import polars as pl

Floats = np.ndarray[Any, np.dtype[np.float64]]

CHARACTERS = 4000
"""How much of a document the student reads, in characters from the beginning."""

GOOD, BAD = "__label__good", "__label__bad"


@dataclass(frozen=True)
class StudentSettings:
    """fastText's training settings."""

    dim: int = 16
    epochs: int = 25
    learning_rate: float = 0.3
    word_ngrams: int = 2
    buckets: int = 50_000
    min_count: int = 2
    seed: int = 0


def student_lines(texts: pl.Series) -> pl.Series:
    """Documents as fastText reads them: one line each, lower case, punctuation apart."""
    return (
        texts.str.slice(0, CHARACTERS)
        .str.to_lowercase()
        .str.replace_all(r"__label__", " ")
        .str.replace_all(r"([^\w\s])", " $1 ")
        .str.replace_all(r"[\s\x00]+", " ")
        .str.strip_chars()
    )


def train_student(texts: Sequence[str], good: Sequence[bool], settings: StudentSettings) -> bytes:
    """The model file of a student trained on labelled documents.

    Raises ValueError when one of the labels is missing.
    """
    if len(set(good)) != 2:
        raise ValueError("a student needs good and bad documents to learn from")
    lines = student_lines(pl.Series(list(texts), dtype=pl.String)).to_list()
    labelled = [
        f"{GOOD if is_good else BAD} {line}" for line, is_good in zip(lines, good, strict=True)
    ]
    labelled.sort(key=lambda line: hashlib.blake2b(line.encode(), digest_size=16).digest())
    with tempfile.TemporaryDirectory() as folder:
        training = Path(folder, "train.txt")
        training.write_text("\n".join(labelled) + "\n", encoding="utf-8")
        model = fasttext.train_supervised(
            input=str(training),
            dim=settings.dim,
            epoch=settings.epochs,
            lr=settings.learning_rate,
            wordNgrams=settings.word_ngrams,
            bucket=settings.buckets,
            minCount=settings.min_count,
            seed=settings.seed,
            thread=1,
            verbose=0,
        )
        model.save_model(str(Path(folder, "student.bin")))
        return Path(folder, "student.bin").read_bytes()


@lru_cache(maxsize=2)
def load_student(path: Path) -> Any:
    """The model of a file, kept loaded."""
    return fasttext.load_model(str(path))


def student_scores(path: Path, texts: pl.Series) -> Floats:
    """Probability of the better half, float64, rounded to 4 decimals; empty documents get 0."""
    lines = student_lines(texts).to_list()
    if not lines:
        return np.zeros(0)
    labels, probabilities = load_student(path).predict(lines, k=2)
    scores = [
        float(p[list(names).index(GOOD)]) if GOOD in names else 0.0
        for names, p in zip(labels, probabilities, strict=True)
    ]
    return np.array([round(min(max(score, 0.0), 1.0), 4) for score in scores], np.float64)
