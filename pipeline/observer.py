"""What a run tells whoever watches it; the terminal's progress lines live above the pipeline."""

from __future__ import annotations

from typing import Protocol

from pipeline.task import Receipt, Task


class Observer(Protocol):
    """Hears of steps (a round of a stage, or a chain of stages) and of tasks that are done."""

    def step_started(self, step: str, tasks: list[Task], cached: int) -> None:
        """A step begins; ``cached`` of its tasks are done already."""

    def task_done(self, step: str, task: Task, receipts: list[Receipt]) -> None:
        """One task of the step is done."""

    def step_ended(self, step: str) -> None:
        """All tasks of the step are done."""


class Silence:
    """An observer that says nothing."""

    def step_started(self, step: str, tasks: list[Task], cached: int) -> None:
        """Nothing."""

    def task_done(self, step: str, task: Task, receipts: list[Receipt]) -> None:
        """Nothing."""

    def step_ended(self, step: str) -> None:
        """Nothing."""
