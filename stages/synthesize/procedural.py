"""Problems made by rule, with answers that are known exactly: tasks of reasoning-gym.

Their answers are compared as those of any other problem, so a task suits when its problems have one
answer that can be written as a number, an expression or a word.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

from pydantic import field_validator

from pipeline.stage import StageConfig, setting
from pipeline.task import Json, TaskRun
from stages.synthesize.problems import PROBLEMS_FILE, Problem, write_problems

EASY_TASKS: dict[str, dict[str, Json]] = {
    "basic_arithmetic": {
        "min_terms": 2,
        "max_terms": 2,
        "max_digits": 1,
        "operators": ["+", "-", "*"],
        "allow_parentheses": False,
        "allow_negation": False,
    },
    "chain_sum": {"min_terms": 2, "max_terms": 2, "max_digits": 1},
    "fraction_simplification": {"max_value": 10, "max_factor": 5, "styles": ["plain"]},
    "gcd": {"max_value": 40},
    "lcm": {"max_value": 12},
    "products": {"max_digits": 1},
    "simple_equations": {"max_terms": 2, "max_value": 10},
}
"""Settings under which a model of 135M parameters is right now and then."""

_UNREPRODUCIBLE = {"time_intervals": "its problems start from today's date"}


class ProceduralConfig(StageConfig):
    """Problems made by rule."""

    count: int = setting(500, about="Problems in all, dealt evenly to the tasks", ge=1)
    tasks: dict[str, dict[str, Json]] = setting(
        default_factory=lambda: dict(EASY_TASKS),
        about="Tasks of reasoning-gym, each with settings of its own config",
    )
    seed: int = setting(0, about="Another number makes other problems", ge=0)

    @field_validator("tasks")
    @classmethod
    def _tasks_are_known(cls, tasks: dict[str, dict[str, Json]]) -> dict[str, dict[str, Json]]:
        for name in tasks:
            if name in _UNREPRODUCIBLE:
                raise ValueError(f"{name}: {_UNREPRODUCIBLE[name]}. Leave it out.")
        if tasks == EASY_TASKS:
            return tasks  # known, and reasoning-gym takes seconds to load
        from reasoning_gym.factory import DATASETS

        for name, settings in tasks.items():
            if name not in DATASETS:
                raise ValueError(f"{name}: reasoning-gym has no such task.")
            try:
                DATASETS[name][1](**{**settings, "size": 1, "seed": 0})
            except TypeError as error:
                raise ValueError(f"{name}: {error}") from None
        return tasks


def make_problems(run: TaskRun) -> Json:
    """Writes ``problems.jsonl``: problems of all tasks in turn."""
    arguments = run.arguments
    problems = procedural_problems(arguments["tasks"], arguments["count"], arguments["seed"])
    return {"problems": write_problems(run.output / PROBLEMS_FILE, problems)}


def procedural_problems(
    tasks: Mapping[str, Mapping[str, Json]], count: int, seed: int
) -> Sequence[Problem]:
    """``count`` problems, one of each task in turn (tasks by name), the same for the same seed.

    Raises ValueError for settings that a task does not take.
    """
    from reasoning_gym import create_dataset

    names = sorted(tasks)
    size = -(-count // len(names))
    problems = []
    sets = []
    for name in names:
        try:
            own = zlib.crc32(f"{name}/{seed}".encode())  # tasks with one seed repeat each other
            sets.append(create_dataset(name, seed=own, size=size, **tasks[name]))
        except (AssertionError, TypeError) as error:
            raise ValueError(f"procedural.tasks.{name}: {error}") from error
    for number in range(count):
        name, index = names[number % len(names)], number // len(names)
        entry = sets[number % len(names)][index]
        identity = f"{name}/{seed}/{index}"
        problems.append(
            Problem(
                id=f"procedural/{identity}",
                question=entry["question"].strip(),
                answer=str(entry["answer"]).strip(),
                skill=name,
                seed={"kind": "procedural", "id": identity, "source": "reasoning-gym"},
            )
        )
    return problems
