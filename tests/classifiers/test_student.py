"""The distilled classifier: what it learns, and that the same grades give the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from classifiers.judge.judge import load_anchors
from classifiers.report_card import auc
from classifiers.student import StudentSettings, student_lines, student_scores, train_student

SETTINGS = StudentSettings(dim=8, buckets=2000, epochs=30)
TEXTS = [anchor.text for anchor in load_anchors()]
GOOD = [anchor.grade >= 3 for anchor in load_anchors()]


def test_the_same_documents_give_the_same_bytes_in_any_order() -> None:
    once = train_student(TEXTS, GOOD, SETTINGS)
    assert train_student(TEXTS, GOOD, SETTINGS) == once
    assert train_student(TEXTS[::-1], GOOD[::-1], SETTINGS) == once
    assert train_student(TEXTS, [not good for good in GOOD], SETTINGS) != once


def test_it_learns_what_it_is_shown(tmp_path: Path) -> None:
    model = tmp_path / "student.bin"
    model.write_bytes(train_student(TEXTS, GOOD, SETTINGS))
    scores = student_scores(model, pl.Series(TEXTS))
    assert auc(np.array(GOOD, np.int64), scores) > 0.95
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (scores == np.round(scores, 4)).all()
    alone = np.concatenate([student_scores(model, pl.Series([text])) for text in TEXTS[:10]])
    np.testing.assert_array_equal(alone, scores[:10])


def test_empty_and_odd_documents_get_scores(tmp_path: Path) -> None:
    model = tmp_path / "student.bin"
    model.write_bytes(train_student(TEXTS, GOOD, SETTINGS))
    odd = ["", "\n\n", "\x00", "__label__good", "\U0001f600", "a\rb\x85c\u2028d"]
    assert np.isfinite(student_scores(model, pl.Series(odd))).all()
    assert student_scores(model, pl.Series([], dtype=pl.String)).shape == (0,)


def test_lines_are_single_and_carry_no_labels() -> None:
    lines = student_lines(pl.Series(["One.\nTwo, THREE\u2028__label__good four" + "x" * 9000]))
    assert lines[0].startswith("one . two , three good four")
    assert len(lines[0].splitlines()) == 1
    assert len(lines[0]) < 4100


def test_one_label_is_not_enough() -> None:
    with pytest.raises(ValueError, match="good and bad"):
        train_student(TEXTS, [True] * len(TEXTS), SETTINGS)
