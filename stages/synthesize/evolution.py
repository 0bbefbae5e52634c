"""Evolution of problems (Evol-Instruct, arXiv 2304.12244; MetaMath, 2309.12284): the same in other
words, a harder one, the same with other numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Literal

from pipeline.stage import StageConfig, setting
from pipeline.task import Json, TaskRun
from stages.synthesize.problems import Problem, read_problems
from stages.synthesize.prompts import load_template
from stages.synthesize.requests import Request, write_requests

REPHRASE = "rephrase"
TEMPLATES = {way: f"math-{way}" for way in (REPHRASE, "harder", "numbers")}


class EvolutionConfig(StageConfig):
    """New problems from known ones."""

    ways: tuple[Literal["rephrase", "harder", "numbers"], ...] = setting(
        (REPHRASE, "harder", "numbers"),
        about="How: in other words (the known answer holds), harder, with other numbers (a vote"
        " decides)",
        min_length=1,
    )
    count: int = setting(100, about="Problems that evolve, from the first on", ge=1)


def evolution_requests(run: TaskRun) -> Json:
    """Writes a request for every way in which the first problems evolve."""
    config = EvolutionConfig(**run.arguments["evolution"])
    problems: list[Problem] = []
    for path in run.arguments["problems"]:
        problems += read_problems(run.path(path))
    asked = _requests(problems[: config.count], config.ways)
    return {"requests": write_requests(run.output, asked, run.arguments["chunk"])}


def _requests(problems: Sequence[Problem], ways: Sequence[str]) -> Iterator[Request]:
    for problem in problems:
        for way in ways:
            messages = load_template(TEMPLATES[way]).messages(question=problem.question)
            yield Request(
                f"{way}/{problem.id}", messages, {"made": way, "problem": asdict(problem)}
            )


def evolved(way: str, question: str, origin: Problem, step: Mapping[str, Json]) -> Problem:
    """The problem that ``question`` is, made of ``origin``."""
    return Problem(
        id=f"{way}/{origin.id}",
        question=question,
        answer=origin.answer if way == REPHRASE else None,
        skill=origin.skill,
        seed={**origin.seed, "evolved": way},
        steps=(*origin.steps, step),
    )
