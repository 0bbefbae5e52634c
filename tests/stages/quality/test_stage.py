"""The quality stage as the pipeline walks it: prior alone, and with a judge (a tiny real model)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from classifiers.judge.judge import load_anchors
from classifiers.report_card import auc
from pipeline.inputs import Checksums
from pipeline.stage import Batch
from pipeline.store import Store
from stages.quality.judging import ANSWERS_FILE, read_answers
from stages.quality.report import choose
from stages.quality.sample import allocate, read_texts
from stages.quality.stage import Quality, QualityConfig
from tests.classifiers.tiny_model import write_tiny_model
from tests.stages import small_corpus
from tests.stages.small_corpus import SmallWalk, entry, sentences, walk_over

MENU = "\n".join(["Home", "About us", "Products (12)", "Login | Register", "© 2011"] * 4)
PROSE = "The tide comes in twice a day, and with it come the boats. Nobody waits for them. "
CODE = "x = a[i] * 3\nif x > 4:\n    y[j] += f(x)\n" * 5
STUDENT = {"dim": 4, "epochs": 5, "buckets": 1000}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def folders_have_checksums(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The small corpus names files by checksum; here a model may be a folder, as in real runs."""
    checksums = Checksums(Store(tmp_path))
    monkeypatch.setattr(small_corpus, "sha256_of_file", checksums.of_path)


def documents(count: int) -> list[dict[str, str]]:
    return [{"text": text} for text in sentences(count, seed=count)]


def quality(store_root: Path, parts: Any, judge: dict[str, Any] | None, **config: Any) -> SmallWalk:
    return walk_over(store_root, parts, [entry("quality", judge=judge, student=STUDENT, **config)])


def judge_of(model: Path, **config: Any) -> dict[str, Any]:
    return {"model": str(model), "dtype": "float32", "threads": 1, "max_tokens": 16, **config}


def test_without_a_judge_the_prior_scores_and_says_so(tmp_path: Path) -> None:
    walk = quality(tmp_path, [[{"text": PROSE * 4}, {"text": MENU}], [{"text": ""}]], None)
    ledger = walk.ledger("quality")
    prior = ledger["prior"].to_pylist()
    assert prior == ledger["score"].to_pylist()
    assert prior[0] > 0.6 > 0.12 > prior[1]
    assert set(ledger["score_source"].to_pylist()) == {"prior"}
    assert ledger["student"].null_count == 3
    record = walk.walked.records["quality"]
    assert record["used"] == "prior"
    assert "No judge is set" in record["why"]
    assert set(record["report_card"]) == {"length", "words_per_line", "prior"}
    assert record["prior"]["fit"]["documents"] == 218


def annotated(texts: list[str], kinds: list[str] | None) -> tuple[Quality, pa.Table]:
    stage = Quality(QualityConfig())
    columns = {"text": pa.array(texts, pa.large_string())}
    if kinds is not None:
        columns["kind.kind"] = pa.array(kinds).dictionary_encode()
    return stage, stage.annotate(Batch(pa.table(columns), np.arange(len(texts)), {}))


def test_only_the_named_kinds_are_dropped() -> None:
    stage, table = annotated([PROSE * 4, MENU, CODE, MENU], ["prose", "prose", "code", "list"])
    verdicts = stage.decide(table)
    assert verdicts.verdict.to_pylist() == ["keep", "low_quality", "keep", "keep"]
    assert verdicts.threshold.to_pylist() == [0.12, 0.12, None, None]
    assert verdicts.score.to_pylist()[1] == pytest.approx(table["score"][1].as_py(), abs=1e-6)
    every = Quality(QualityConfig(kinds=("prose", "code", "list"), min_prior=0.3))
    assert every.decide(table).verdict.to_pylist()[2:] == ["low_quality", "low_quality"]
    stage, table = annotated([MENU], None)
    assert stage.decide(table).verdict.to_pylist() == ["low_quality"]


@given(st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None, max_examples=30)
def test_a_higher_threshold_keeps_no_more(low: float, high: float) -> None:
    low, high = sorted([low, high])
    _, table = annotated([PROSE * n + MENU for n in range(6)], None)
    kept = [
        Quality(QualityConfig(min_prior=least)).decide(table).verdict.to_pylist().count("keep")
        for least in (low, high)
    ]
    assert kept[0] >= kept[1]


def test_a_score_on_the_threshold_is_kept() -> None:
    _, table = annotated([PROSE], None)
    score = round(table["score"][0].as_py(), 4)
    assert Quality(QualityConfig(min_prior=score)).decide(table).verdict[0].as_py() == "keep"


@given(
    st.dictionaries(st.tuples(st.text(max_size=2)), st.integers(1, 500), max_size=12),
    st.integers(1, 400),
)
@settings(deadline=None)
def test_strata_share_the_sample(sizes: dict[tuple[str, ...], int], total: int) -> None:
    shares = allocate(sizes, total)
    assert sum(shares.values()) == min(total, sum(sizes.values()))
    assert all(0 <= shares[key] <= size for key, size in sizes.items())
    for key, size in sizes.items():
        for other, bigger in sizes.items():
            if size < bigger:
                assert shares[key] <= shares[other] + 1


def test_texts_are_read_by_row_across_row_groups(tmp_path: Path) -> None:
    frame = pl.DataFrame({"text": [f"text {row}" for row in range(50)]})
    frame.write_parquet(tmp_path / "part.parquet", row_group_size=7)
    rows = [3, 49, 6, 7, 20]
    assert read_texts(Store(tmp_path), "part.parquet", rows) == [f"text {row}" for row in rows]


def test_the_judge_grades_a_sample_and_its_card_decides(tmp_path: Path, model: Path) -> None:
    parts = [documents(40), documents(25)]
    walk = quality(tmp_path / "a", parts, judge_of(model, sample_size=45, chunk=16))
    record = walk.walked.records["quality"]
    assert record["judge"]["documents"] == 45
    assert record["judge"]["anchors_graded"] == len(load_anchors())
    assert set(record["report_card"]) == {"length", "words_per_line", "prior", "judge", "student"}
    # random weights know nothing, and the run must say so
    assert record["used"] == "prior"
    assert "does not beat" in record["why"]
    assert record["student"]["trained"]
    assert record["student"]["documents"] + record["student"]["agreement_with_judge"][
        "documents"
    ] == 45  # fmt: skip
    assert walk.ledger("quality")["student"].null_count == 65
    answers = read_answers(tmp_path / "a" / walk.artefacts["quality"]["answers"])
    assert len(answers) == 45 + len(load_anchors())
    assert all(0 <= grade <= 5 and grade == round(grade, 3) for grade in answers.values())

    # a second workspace gives the same bytes
    again = quality(tmp_path / "b", parts, judge_of(model, sample_size=45, chunk=16))
    assert again.walked.records == walk.walked.records
    assert again.ledger("quality").equals(walk.ledger("quality"))

    # a smaller sample lies inside the bigger one
    fewer = quality(tmp_path / "c", parts, judge_of(model, sample_size=20, chunk=16))
    inner = read_answers(tmp_path / "c" / fewer.artefacts["quality"]["answers"])
    assert set(inner) < set(answers)

    # answers handed over are used as they are, and nothing is judged again
    handed = tmp_path / "handed.jsonl"
    handed.write_text("".join(
        json.dumps({"key": key, "grade": 4.321}) + "\n" for key in sorted(answers)))  # fmt: skip
    told = quality(
        tmp_path / "d", parts, judge_of(model, sample_size=45, chunk=16, answers=str(handed))
    )
    found = read_answers(tmp_path / "d" / told.artefacts["quality"]["answers"])
    assert set(found.values()) == {4.321}
    assert "nearly equal grades" in told.walked.records["quality"]["student"]["why"]


def test_an_oracle_judge_would_count() -> None:
    """The decision itself, on grades that are right, right but late, and noise."""
    grades = np.array([anchor.grade for anchor in load_anchors()], np.float64)
    noise = np.array([hash_of(anchor.text) for anchor in load_anchors()])
    scores = {"length": noise, "prior": noise[::-1], "judge": grades, "student": grades + noise}
    record: dict[str, Any] = {"judge": {}, "student": {}}
    used, why = choose(grades, scores, record)
    assert used == "student"
    assert "beat prior" in why
    scores["student"] = noise[::-1].copy()
    used, why = choose(grades, scores, record)
    assert used == "prior"
    assert why.startswith("The student's AUC")
    assert auc(grades >= 3, scores["judge"]) == 1.0


def hash_of(text: str) -> float:
    return sum(text.encode()) % 997 / 997


def test_a_counting_student_scores_documents(tmp_path: Path) -> None:
    from classifiers.student import StudentSettings, train_student

    texts = [anchor.text for anchor in load_anchors()]
    model = tmp_path / "student.bin"
    good = [anchor.grade >= 3 for anchor in load_anchors()]
    model.write_bytes(train_student(texts, good, StudentSettings(buckets=1000, epochs=40)))
    stage = Quality(QualityConfig(min_student=0.5))
    batch = Batch(
        pa.table({"text": pa.array(texts, pa.large_string())}),
        np.arange(len(texts)),
        {"student": model},
    )
    table = stage.annotate(batch)
    assert table["score"].equals(table["student"])
    assert set(table["score_source"].to_pylist()) == {"student"}
    kept = np.array([verdict == "keep" for verdict in stage.decide(table).verdict.to_pylist()])
    assert (kept == np.array(good)).mean() > 0.9


def test_faults_in_answers_name_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / ANSWERS_FILE
    path.write_text('{"key": "aa", "grade": 3}\n{"key": "bb"}\n')
    with pytest.raises(ValueError, match=r"answers\.jsonl:2: not an answer"):
        read_answers(path)


def test_unknown_engines_are_refused() -> None:
    with pytest.raises(ValidationError, match="transformers"):
        QualityConfig.model_validate({"judge": {"model": "m", "engine": "llama"}})
