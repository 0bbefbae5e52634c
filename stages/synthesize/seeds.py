"""Seeds that are given: documents of the corpus, and files of problems."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import field_validator, model_validator

from classifiers.domain import TERMS_FILE, domain_model
from pipeline.corpus import open_view
from pipeline.stage import Batch, StageConfig, file_setting, setting
from pipeline.task import Json, TaskRun
from stages.domain import Domain, DomainConfig
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
        ("math",), about="Their kinds, as the stage `kind` tells them by default"
    )
    domains: tuple[str, ...] = setting(
        ("mathematics", "science", "technology", "academic"),
        about="Prose of these domains is taken too, as the stage `domain` tells them by default",
        source="Qwen2.5's mathematics and STEM; docs/domain.md has the labels",
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

    @field_validator("domains")
    @classmethod
    def _known_domains(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        known = domain_model(TERMS_FILE).labels
        for domain in domains:
            if domain not in known:
                raise ValueError(f"there is no domain `{domain}`. There are {', '.join(known)}.")
        return domains

    @model_validator(mode="after")
    def _something_to_choose(self) -> Self:
        if not (self.kinds or self.domains):
            raise ValueError("no document can be a seed: give `kinds` or `domains`.")
        return self


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
    table = open_view(run.store, run.arguments["view"], ("id", "text", "url", "locator")).table
    long_enough = pc.greater_equal(pc.utf8_length(table["text"]), config.min_characters)
    table = table.filter(long_enough)
    kinds, domains = _kinds_and_domains(table, config)
    hashes = hash_ids(table["id"], config.seed)
    fits = [
        row
        for row, kind in enumerate(kinds)
        if kind in config.kinds or domains.get(row) in config.domains
    ]
    fits = sorted(fits, key=lambda row: int(hashes[row]))[: config.count]
    seeds = [
        {
            "hash": int(hashes[row]),
            "id": table["id"][row].as_py().hex(),
            "source": run.arguments["source"],
            "locator": table["locator"][row].as_py(),
            "document_kind": kinds[row],
            **({"document_domain": domains[row]} if row in domains else {}),
            "text": _beginning(table["text"][row].as_py(), config.max_characters),
        }
        for row in fits
    ]
    return {"candidates": write_lines(run.output / SEEDS_FILE, seeds)}


def _kinds_and_domains(
    table: pa.Table, config: CorpusSeedsConfig
) -> tuple[list[str], dict[int, str]]:
    """The kind of every row; and the domains of rows of prose, where they are asked for."""
    kinds = Kind(KindConfig()).annotate(_batch(table))["kind"]
    prose = np.flatnonzero(pc.equal(kinds, "prose").to_numpy())
    if not config.domains or "prose" in config.kinds:
        return kinds.to_pylist(), {}
    read = table.append_column("kind.kind", kinds).take(pa.array(prose))
    domains = Domain(DomainConfig()).annotate(_batch(read))["domain"].to_pylist()
    return kinds.to_pylist(), dict(zip(prose.tolist(), domains, strict=True))


def _batch(table: pa.Table) -> Batch:
    return Batch(table, np.arange(table.num_rows), {"terms": TERMS_FILE})


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
        about = {key: seed[key] for key in seed if key not in ("hash", "text")}
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
