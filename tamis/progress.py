"""Progress: one live line a step on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as Line
from rich.text import Text

from pipeline.observer import Observer
from pipeline.task import Receipt, Task

_PLAIN_EVERY = 10.0
"""Seconds between plain lines of one step."""


def observer_for(stream: TextIO = sys.stderr) -> Observer:
    """Live lines when the stream is a terminal, plain ones otherwise."""
    return LiveLines(Console(file=stream)) if stream.isatty() else PlainLines(stream)


class _Rate(ProgressColumn):
    """Documents done and megabytes of text a second."""

    def render(self, task: Line) -> Text:
        elapsed = task.finished_time if task.finished else task.elapsed
        done, total = task.fields["documents"], task.fields["all_documents"]
        told = [f"{done:,}/{total:,} documents"] if total else []
        if elapsed and not task.fields["by_task"]:
            told.append(f"{task.completed / elapsed / 1e6:,.1f} MB/s")
        return Text(" · ".join(told))


class LiveLines:
    """One line a step, kept on screen when the step is done."""

    def __init__(self, console: Console) -> None:
        self.progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[done]}/{task.fields[tasks]} tasks"),
            _Rate(),
            TimeRemainingColumn(compact=True),
            console=console,
        )
        self.lines: dict[str, TaskID] = {}

    def step_started(self, step: str, tasks: list[Task], cached: int) -> None:
        """Adds the step's line."""
        self.progress.start()
        self.lines[step] = self.progress.add_task(
            step + (f" [dim]({cached} done before)" if cached else ""),
            total=sum(task.work for task in tasks) or len(tasks),
            tasks=len(tasks),
            by_task=not any(task.work for task in tasks),
            done=0,
            documents=0,
            all_documents=sum(task.documents for task in tasks),
        )

    def task_done(self, step: str, task: Task, receipts: list[Receipt]) -> None:
        """Moves the step's line on."""
        line = self.progress.tasks[self.progress.task_ids.index(self._id(step))]
        self.progress.update(
            self._id(step),
            advance=1 if line.fields["by_task"] else task.work,
            done=line.fields["done"] + 1,
            documents=line.fields["documents"] + task.documents,
        )

    def step_ended(self, step: str) -> None:
        """Fills the step's line and stops redrawing until the next."""
        line = self.progress.tasks[self.progress.task_ids.index(self._id(step))]
        self.progress.update(self._id(step), completed=line.total)
        self.progress.stop()
        self.progress.remove_task(self._id(step))
        self.progress.console.print(
            f"[green]✓[/] {step} [dim]{line.fields['tasks']} tasks, {line.elapsed or 0:.1f} s"
        )

    def _id(self, step: str) -> TaskID:
        return self.lines[step]


class PlainLines:
    """A line when a step begins, every ten seconds, and when it ends."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.started = self.said = 0.0
        self.tasks = self.done = self.documents = self.work = self.all_work = 0

    def step_started(self, step: str, tasks: list[Task], cached: int) -> None:
        """Says that the step begins."""
        self.started = self.said = time.monotonic()
        self.tasks, self.done, self.documents, self.work = len(tasks), 0, 0, 0
        self.all_work = sum(task.work for task in tasks)
        before = f", {cached} done before" if cached else ""
        self._say(f"{step}: {len(tasks)} tasks{before}")

    def task_done(self, step: str, task: Task, receipts: list[Receipt]) -> None:
        """Says how far the step is, now and then."""
        self.done += 1
        self.documents += task.documents
        self.work += task.work
        now = time.monotonic()
        if now - self.said >= _PLAIN_EVERY:
            self.said = now
            elapsed = now - self.started
            done, total = (self.work, self.all_work) if self.work else (self.done, self.tasks)
            rate = f" {self.work / elapsed / 1e6:.1f} MB/s," if self.work else ""
            self._say(
                f"{step}: {self.done}/{self.tasks} tasks, {self.documents:,} documents,{rate}"
                f" {elapsed * (total - done) / done:.0f} s left"
            )

    def step_ended(self, step: str) -> None:
        """Says what the step took."""
        elapsed = time.monotonic() - self.started
        counted = f", {self.documents:,} documents" if self.documents else ""
        rate = f", {self.work / elapsed / 1e6:.1f} MB/s" if self.work and elapsed else ""
        self._say(f"{step}: done in {elapsed:.1f} s{counted}{rate}")

    def _say(self, text: str) -> None:
        self.stream.write(text + "\n")
        self.stream.flush()
