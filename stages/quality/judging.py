"""Rounds that run the judge: the model made ready, then chunks of documents and anchors graded."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from classifiers.judge.engine import EngineSettings, open_engine
from classifiers.judge.judge import Judge, answer_key, load_anchors, load_rubric
from pipeline.task import Json, TaskRun
from stages.models import asked_folder
from stages.quality.sample import read_texts

ANSWERS_FILE = "answers.jsonl"


def grade_documents(run: TaskRun) -> Json:
    """Grades some rows of a part, writes ``answers.jsonl``: key, row, grade in the rows' order."""
    rows = [int(row) for row in run.arguments["rows"]]
    texts = read_texts(run.store, run.arguments["documents"], rows)
    return _grade(run, rows, texts)


def grade_anchors(run: TaskRun) -> Json:
    """Grades the anchor passages ``first`` up to ``last``; ``row`` is the anchor's number."""
    rows = list(range(int(run.arguments["first"]), int(run.arguments["last"])))
    return _grade(run, rows, [load_anchors()[row].text for row in rows])


def read_answers(path: Path) -> dict[str, float]:
    """Grades by key from an answers file. Raises ValueError naming file and line of a fault."""
    answers: dict[str, float] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if line:
            try:
                record = json.loads(line)
                answers[str(record["key"])] = float(record["grade"])
            except (ValueError, KeyError, TypeError):
                raise ValueError(
                    f"{path.name}:{number}: not an answer. Each line is"
                    ' {"key": "<32 hex digits>", "grade": <0 to 5>}.'
                ) from None
    return answers


def _grade(run: TaskRun, rows: list[int], texts: list[str]) -> Json:
    arguments = run.arguments
    rubric, max_tokens = load_rubric(), int(arguments["max_tokens"])
    keys = [answer_key(arguments["model_sha256"], rubric.sha256, max_tokens, t) for t in texts]
    known: dict[str, float] = {}
    if "answers" in run.locations:
        known = read_answers(Path(run.locations["answers"]))
    missing = [index for index, key in enumerate(keys) if key not in known]
    if missing:
        judge = _judge(
            EngineSettings(**arguments["engine"]),
            asked_folder(run),
            max_tokens,
            run.locations.get("interpreter"),
        )
        grades = judge.grades([texts[index] for index in missing])
        known.update((keys[i], float(grade)) for i, grade in zip(missing, grades, strict=True))
    with (run.output / ANSWERS_FILE).open("w", encoding="utf-8") as file:
        for key, row in zip(keys, rows, strict=True):
            file.write(json.dumps({"key": key, "row": row, "grade": known[key]}) + "\n")
    return {"documents": len(rows), "judged": len(missing)}


@lru_cache(maxsize=1)
def _judge(
    settings: EngineSettings, folder: Path, max_tokens: int, interpreter: str | None
) -> Judge:
    """The loaded judge of this process: workers of a pool are kept for later chunks."""
    return Judge(open_engine(settings, folder, interpreter), folder, max_tokens)
