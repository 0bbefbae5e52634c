"""The last round: report cards of prior, judge and student on the anchors, and which score counts.

Judge and student count only when they beat both the prior and length: a higher AUC on the anchors,
and higher still in 95 % of resamples. A judge that does not is recorded, and so is its student; the
run goes on with the prior.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from classifiers.judge.judge import anchors_sha256, load_anchors
from classifiers.prior import STATISTICS, load_prior
from classifiers.report_card import (
    GOOD_FROM,
    auc,
    chance_of_beating,
    grade_scores,
    spearman,
)
from classifiers.student import StudentSettings, student_scores, train_student
from manifests.checksum import sha256_of_file
from pipeline.task import Json, TaskRun
from stages.quality.judging import ANSWERS_FILE
from stages.quality.sample import read_texts
from stages.quality.statistics import text_statistics

Array = np.ndarray[Any, Any]

RECORD_FILE, STUDENT_FILE = "record.json", "student.bin"
HELD_OUT = 5
"""One in so many judged documents is kept from the student, for its agreement with the judge."""

SURE = 0.95
_FEWEST = 20  # judged documents, below which no student is trained


def report(run: TaskRun) -> Json:
    """Writes ``record.json`` (for the manifest), and with a judge ``answers.jsonl`` (all grades by
    key, to be handed over) and ``student.bin``; returns what the record says."""
    anchors = load_anchors()
    grades = np.array([anchor.grade for anchor in anchors])
    texts = pl.Series([anchor.text for anchor in anchors], dtype=pl.String)
    lengths = texts.str.len_chars().to_numpy().astype(np.float64)
    prior = load_prior()
    statistics = text_statistics(
        texts.to_arrow(), [anchor.language for anchor in anchors], prior.stop_words
    )
    scores: dict[str, Array] = {
        "length": lengths,
        "words_per_line": statistics[:, STATISTICS.index("log_words_per_line")],
        "prior": prior.scores(statistics),
    }
    record: dict[str, Json] = {
        "anchors": {
            "passages": len(anchors),
            "good": int((grades >= GOOD_FROM).sum()),
            "sha256": anchors_sha256(),
        },
        "prior": {"sha256": prior.sha256, "fit": dict(prior.fit)},
    }
    judged = run.arguments["judge"]
    if judged is not None:
        scores["judge"], answers = _anchor_grades(run, judged["anchors"])
        record["judge"] = {**judged["about"], "anchors_graded": len(anchors)}
        student = _distil(run, judged, answers, record)
        _write_answers(run.output / ANSWERS_FILE, answers)
        record["judge"]["answers_sha256"] = sha256_of_file(run.output / ANSWERS_FILE)
        if student is not None:
            scores["student"] = student_scores(student, texts)
    record["report_card"] = grade_scores(grades, scores, lengths)
    record["used"], record["why"] = choose(grades, scores, record)
    (run.output / RECORD_FILE).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    return record


def _anchor_grades(run: TaskRun, folders: Sequence[str]) -> tuple[Array, dict[str, float]]:
    grades, answers = [], {}
    for folder in folders:
        for answer in _read(run.path(f"{folder}/{ANSWERS_FILE}")):
            grades.append(answer["grade"])
            answers[answer["key"]] = answer["grade"]
    return np.array(grades, np.float64), answers


def _distil(
    run: TaskRun, judged: Mapping[str, Json], answers: dict[str, float], record: dict[str, Json]
) -> Path | None:
    """Trains the student on the judged documents; adds their grades to ``answers`` and the
    student's agreement with the judge to ``record``. None when there is too little to learn."""
    texts: list[str] = []
    keys: list[str] = []
    grades: list[float] = []
    for chunk in judged["chunks"]:
        found = _read(run.path(f"{chunk['folder']}/{ANSWERS_FILE}"))
        texts += read_texts(run.store, chunk["documents"], [answer["row"] for answer in found])
        keys += [answer["key"] for answer in found]
        grades += [answer["grade"] for answer in found]
    answers.update(zip(keys, grades, strict=True))
    graded = np.array(grades, np.float64)
    record["judge"]["documents"] = len(grades)
    record["judge"]["grades"] = _spread(graded)
    if len(set(keys)) < _FEWEST:
        record["student"] = {"trained": False, "why": f"fewer than {_FEWEST} judged documents"}
        return None
    # equal texts have equal keys, so that no held-out text is among the training texts
    held_out = np.array([int(key[:8], 16) % HELD_OUT == 0 for key in keys])
    better = graded > np.median(graded)
    if held_out.all() or len(set(better[~held_out])) < 2:
        record["student"] = {"trained": False, "why": "the judge gave nearly equal grades to all"}
        return None
    learned = np.flatnonzero(~held_out)
    model = train_student(
        [texts[i] for i in learned],
        [bool(better[i]) for i in learned],
        StudentSettings(**run.arguments["student"]),
    )
    path = run.output / STUDENT_FILE
    path.write_bytes(model)
    kept = np.flatnonzero(held_out)
    guessed = student_scores(path, pl.Series([texts[i] for i in kept], dtype=pl.String))
    record["student"] = {
        "trained": True,
        "sha256": sha256_of_file(path),
        "documents": len(learned),
        "agreement_with_judge": {
            "documents": len(kept),
            "auc": _known(auc(better[kept], guessed)),
            "spearman": _known(spearman(graded[kept], guessed)),
        },
    }
    return path


def choose(grades: Array, scores: Mapping[str, Array], record: dict[str, Json]) -> tuple[str, str]:
    """Which score counts, ``prior`` or ``student``, and a sentence that says why.

    Adds to the record how surely judge and student beat their rivals.
    """
    if "judge" not in scores:
        return "prior", "No judge is set, so the prior scores all documents."
    good = (grades >= GOOD_FROM).astype(np.int64)
    measured = {name: auc(good, values) for name, values in scores.items()}
    for name in ("judge", "student"):
        if name not in scores:
            return "prior", f"No student was trained ({record['student']['why']}): prior."
        chances = {r: chance_of_beating(good, scores[name], scores[r]) for r in ("prior", "length")}
        record[name]["chance_of_beating"] = {r: round(c, 3) for r, c in chances.items()}
    for name in ("judge", "student"):
        chances = record[name]["chance_of_beating"]
        failed = [r for r in ("prior", "length") if chances[r] < SURE]
        if failed:
            rivals = " and ".join(f"{rival} ({measured[rival]:.3f})" for rival in failed)
            return "prior", (
                f"The {name}'s AUC on {len(grades)} anchors is {measured[name]:.3f}; it does not"
                f" beat {rivals} in {SURE:.0%} of resamples, so it does not count. The prior"
                " scores all documents."
            )
    return "student", (
        f"On {len(grades)} anchors judge ({measured['judge']:.3f}) and student"
        f" ({measured['student']:.3f}) beat prior ({measured['prior']:.3f}) and length"
        f" ({measured['length']:.3f}), so the student scores all documents."
    )


def _spread(grades: Array) -> dict[str, float]:
    if not len(grades):
        return {}
    quartiles = np.quantile(grades, [0.0, 0.25, 0.5, 0.75, 1.0])
    names = ("lowest", "lower_quartile", "median", "upper_quartile", "highest")
    return {name: round(float(q), 3) for name, q in zip(names, quartiles, strict=True)}


def _known(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 3)


def _read(path: Path) -> list[dict[str, Json]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def _write_answers(path: Path, answers: Mapping[str, float]) -> None:
    lines = [json.dumps({"key": key, "grade": grade}) for key, grade in sorted(answers.items())]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def prior_scores(texts: pa.ChunkedArray, languages: Sequence[str | None]) -> Array:
    """The prior of documents, float64 rounded to 4 decimals."""
    prior = load_prior()
    return prior.scores(text_statistics(texts, languages, prior.stop_words))
