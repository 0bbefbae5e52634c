"""Seeds that are given: documents of the corpus, and files of problems."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.corpus import open_view
from pipeline.stage import Batch, StageConfig, file_setting, setting
from pipeline.task import Json, TaskRun
from stages.kind import Kind, KindConfig
from stages.sampling import hash_ids
from stages.synthesize.answers import final_answer
from stages.synthesize.json_lines import given_lines, read_lines, write_lines
from stages.synthesize.problems import PROBLEMS_FILE, Problem, write_problems
from stages.synthesize.prompts import load_template
from stages.synthesize.requests import Request, write_requests

SEEDS_FILE = "seeds.jsonl"
PASSAGE, QUESTION = "passage", "question"
TEMPLATES = {PASSAGE: "math-passage", QUESTION: "math-question"}


class CorpusSeedsConfig(StageConfig):
    """Documents of the corpus from which passages and questions are made."""

    sources: tuple[str, ...] = setting((), about="Their sources; empty: all of them")
    kinds: tuple[Literal["prose", "code", "math", "list", "markup"], ...] = setting(
        ("math",), about="Their kinds, as the stage `kind` tells them by default", min_length=1
    )
    count: int = setting(1000, about="Documents, chosen by a hash of their id", ge=1)
    make: tuple[Literal["passage", "question"], ...] = setting(
        (PASSAGE, QUESTION),
        about="What is made of each: a passage as in a textbook, a problem to be solved",
        min_length=1,
    )
    min_characters: int = setting(300, about="Shorter documents are no seeds", ge=1)
    max_characters: int = setting(
        1500, about="So much of a document stands in the prompt, up to the end of a line", ge=50
    )
    seed: int = setting(0, about="Another number chooses other documents", ge=0)


class ProblemFileConfig(StageConfig):
    """A file of problems."""

    path: str = file_setting(about="JSON lines, .gz or not")
    question: str = setting("question", about="Field of the question")
    answer: str = setting(
        "answer",
        about="Field of the answer, or of a solution that states it; a problem without one is"
        " decided by vote",
    )
    skill: str | None = setting(None, about="Field that caps count by; without it the file is one")
    count: int | None = setting(None, about="Problems taken, from the first on; null: all", ge=1)


def candidates_of_part(run: TaskRun) -> Json:
    """Writes ``seeds.jsonl``: the documents of a part that may be seeds, those with the smallest
    hashes, at most ``count``."""
    config = CorpusSeedsConfig(**run.arguments["seeds"])
    table = open_view(run.store, run.arguments["view"], ("id", "text", "locator")).table
    texts = table["text"].to_pylist()
    kinds = Kind(KindConfig()).annotate(Batch(table, np.arange(len(texts)), {}))["kind"].to_pylist()
    hashes = hash_ids(table["id"], config.seed)
    fits = [
        row
        for row, text in enumerate(texts)
        if kinds[row] in config.kinds and len(text) >= config.min_characters
    ]
    fits = sorted(fits, key=lambda row: int(hashes[row]))[: config.count]
    seeds = [
        {
            "hash": int(hashes[row]),
            "id": table["id"][row].as_py().hex(),
            "source": run.arguments["source"],
            "locator": table["locator"][row].as_py(),
            "document_kind": kinds[row],
            "text": _beginning(texts[row], config.max_characters),
        }
        for row in fits
    ]
    return {"candidates": write_lines(run.output / SEEDS_FILE, seeds)}


def choose_seeds(run: TaskRun) -> Json:
    """Chooses among the candidates of all parts, and writes a request for each seed and each thing
    that is to be made of it."""
    config = CorpusSeedsConfig(**run.arguments["seeds"])
    candidates = [
        seed for path in run.arguments["candidates"] for seed in read_lines(run.path(path))
    ]
    chosen = sorted(candidates, key=lambda seed: (seed["hash"], seed["id"]))[: config.count]
    asked = write_requests(run.output, _requests(chosen, config), run.arguments["chunk"])
    return {"seeds": len(chosen), "candidates": len(candidates), "requests": asked}


def _requests(seeds: list[dict[str, Json]], config: CorpusSeedsConfig) -> Iterator[Request]:
    for seed in seeds:
        about = {key: seed[key] for key in ("id", "source", "locator", "document_kind")}
        for made in config.make:
            messages = load_template(TEMPLATES[made]).messages(document=seed["text"])
            told = {"made": made, "seed": {"kind": "corpus", **about}, "text": seed["text"]}
            yield Request(f"{made}/{seed['id']}", messages, told)


def problems_of_file(run: TaskRun) -> Json:
    """Writes ``problems.jsonl`` from a file of problems (location ``problems``).

    Raises ValueError naming file and line of what is no problem.
    """
    config = ProblemFileConfig(path="problems", **run.arguments["problems"])
    path = Path(run.locations["problems"])
    sha256 = run.arguments["sha256"]
    problems = [
        _problem(line, place, sha256, config) for place, line in given_lines(path, config.count)
    ]
    return {"problems": write_problems(run.output / PROBLEMS_FILE, problems)}


def _problem(line: str, place: str, sha256: str, config: ProblemFileConfig) -> Problem:
    try:
        record = json.loads(line)
        question = record[config.question]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{place}: no JSON object with `{config.question}` ({error}).") from None
    if not isinstance(question, str) or not question.strip():
        raise ValueError(f"{place}: `{config.question}` is no text.")
    given = record.get(config.answer)
    # a bare answer is taken whole; of a solution, the answer that it states
    text = "" if given is None else str(given).strip()
    answer = final_answer(text) if "\n" in text or " " in text else text
    return Problem(
        id=f"file/{place}",
        question=question.strip(),
        answer=answer or None,
        skill=str(record.get(config.skill, "")) if config.skill else "problems",
        seed={"kind": "file", "id": place, "source": place.split(":")[0], "sha256": sha256},
    )


def _beginning(text: str, limit: int) -> str:
    """So much of a text from its beginning, up to the end of a line where there is one."""
    if len(text) <= limit:
        return text.strip()
    cut = text[:limit]
    end = cut.rfind("\n", limit // 2)
    return (cut[:end] if end > 0 else cut).strip()
