"""What a run needs of an engine: run tasks somewhere, hand back receipts, say what failed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Protocol

from pipeline.task import Receipt, Task

_RAISED = re.compile(r"^[\w.]+(Error|Exception|Interrupt|Warning|Exit)\b:?\s*")
"""How the line of a traceback begins that says what was raised."""


class TaskFailedError(RuntimeError):
    """A task raised, or the processes that ran it died again and again.

    ``problem`` is the error in full, with its traceback; the message is what stands after it.
    """

    def __init__(self, task: Task, problem: str) -> None:
        lines = problem.strip().splitlines()
        raised = [i for i, line in enumerate(lines) if _RAISED.match(line)]
        said = "\n  ".join(lines[raised[-1] :]) if raised else problem.strip()
        super().__init__(f"{task.label}: {_RAISED.sub('', said)}")
        self.task = task
        self.problem = problem


class Engine(Protocol):
    """Runs tasks and streams their receipts back in order of completion.

    The results must not depend on the engine: a task is a pure function over files of the
    workspace, and an engine only decides where and when it runs. A task whose process dies is run
    again; one that raises ends the run with ``TaskFailedError``, or with its own error where that
    is a RecipeError: a file that the recipe names cannot be used.
    """

    name: str
    workers: int

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, list[Receipt]]]:
        """Runs the tasks; yields each with its receipts when it is done."""

    def close(self) -> None:
        """Ends what the engine started. Safe to call twice."""


ATTEMPTS = 4
"""How often a task is tried when the process under it dies."""
