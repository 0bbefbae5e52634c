"""Problems of mathematics, as they pass from seeds to solutions: JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline.task import Json
from stages.synthesize.json_lines import read_lines, write_lines

PROBLEMS_FILE = "problems.jsonl"


@dataclass(frozen=True)
class Problem:
    """A question. ``answer`` is None where it is not known, and a vote must tell. ``skill`` and
    ``seed`` (with ``kind`` and ``id``) are what caps count by; ``steps`` are the completions that
    the question comes from."""

    id: str
    question: str
    answer: str | None
    skill: str
    seed: Mapping[str, Json]
    steps: tuple[Mapping[str, Json], ...] = field(default=())


def write_problems(path: Path, problems: Iterable[Problem]) -> int:
    """Writes one problem a line; returns how many."""
    return write_lines(path, map(asdict, problems))


def read_problems(path: Path) -> list[Problem]:
    """The problems of a file, in order."""
    return [problem_of(content) for content in read_lines(path)]


def problem_of(content: Mapping[str, Json]) -> Problem:
    """A problem from the JSON that ``write_problems`` made of it."""
    return Problem(**{**content, "steps": tuple(content["steps"])})
