"""Problems of mathematics, as they pass from seeds to solutions: JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Json = Any

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
    lines = [json.dumps(asdict(problem), sort_keys=True) + "\n" for problem in problems]
    path.write_text("".join(lines), encoding="utf-8")
    return len(lines)


def read_problems(path: Path) -> list[Problem]:
    """The problems of a file, in order."""
    with path.open(encoding="utf-8") as lines:
        return [problem_of(json.loads(line)) for line in lines]


def problem_of(content: Mapping[str, Json]) -> Problem:
    """A problem from the JSON that ``write_problems`` made of it."""
    return Problem(**{**content, "steps": tuple(content["steps"])})
