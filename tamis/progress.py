"""Progress: one live line a step on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
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
from rich.table import Column
from rich.text import Text

from pipeline.task import Receipt, Task

_PLAIN_EVERY = 10.0
"""Seconds between plain lines of one step."""


def observer_for(stream: TextIO | None = None) -> LiveLines | PlainLines:
    """Live lines when the stream (stderr) is a terminal, plain ones otherwise."""
    stream = stream or sys.stderr
    return LiveLines(Console(file=stream)) if stream.isatty() else PlainLines(stream)


class _Rate(ProgressColumn):
    """Documents done and megabytes of text a second; of tasks that count other things, these."""

    def __init__(self) -> None:
        super().__init__(table_column=Column(no_wrap=True))

    def render(self, task: Line) -> Text:
        elapsed = task.finished_time if task.finished else task.elapsed
        done, total = task.fields["documents"], task.fields["all_documents"]
        told = [f"{done:,}/{total:,} documents"] if total else []
        if elapsed and not task.fields["by_task"]:
            told.append(f"{task.completed / elapsed / 1e6:,.1f} MB/s")
        told += counts_told(task.fields["counts"], elapsed or 0.0)
        return Text(" · ".join(told))


def add_counts(counts: dict[str, int], receipts: list[Receipt]) -> None:
    """Adds what tasks counted: numbers by name under ``progress`` in the value of a receipt."""
    for receipt in receipts:
        value = receipt.value.get("progress") if isinstance(receipt.value, dict) else None
        for name, count in (value or {}).items():
            counts[name] = counts.get(name, 0) + int(count)


def counts_told(counts: Mapping[str, int], seconds: float) -> list[str]:
    """Counts as a person reads them; tokens as a rate too."""
    told = [f"{count:,} {name}" for name, count in counts.items()]
    if seconds and counts.get("tokens"):
        told.append(f"{counts['tokens'] / seconds:,.0f} tokens/s")
    return told


class LiveLines:
    """One line a stage: live while its rounds run, kept on screen when they are done."""

    def __init__(self, console: Console) -> None:
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=16),
            _Rate(),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
        )
        self.line: TaskID | None = None
        self.stage = ""
        self.tasks = 0
        self.seconds = 0.0

    def step_started(self, step: str, tasks: list[Task], cached: int) -> None:
        """Shows the step's live line; the stage before it is done when this is another's."""
        stage = step.split(":", 1)[0]
        if stage != self.stage:
            self.close()
            self.stage = stage
        self.progress.start()
        self.line = self.progress.add_task(
            step + (f" [dim]({cached} done before)" if cached else ""),
            total=sum(task.work for task in tasks) or len(tasks),
            by_task=not any(task.work for task in tasks),
            documents=0,
            all_documents=sum(task.documents for task in tasks),
            counts={},
        )

    def task_done(self, step: str, task: Task, receipts: list[Receipt]) -> None:
        """Moves the live line on."""
        line = self._live()
        self.tasks += 1
        add_counts(line.fields["counts"], receipts)
        self.progress.update(
            line.id,
            advance=1 if line.fields["by_task"] else task.work,
            documents=line.fields["documents"] + task.documents,
        )

    def step_ended(self, step: str) -> None:
        """Takes the live line away."""
        line = self._live()
        self.seconds += line.elapsed or 0.0
        self.progress.stop()
        self.progress.remove_task(line.id)
        self.line = None

    def close(self) -> None:
        """Says what the last stage took, or that it did not come to its end."""
        mark = "[green]✓[/]" if self.line is None else "[yellow]✗[/]"
        self.progress.stop()
        if self.stage:
            self.progress.console.print(
                f"{mark} {self.stage} [dim]{self.tasks} tasks, {self.seconds:.1f} s",
                highlight=False,
            )
        self.stage, self.tasks, self.seconds = "", 0, 0.0

    def _live(self) -> Line:
        return next(task for task in self.progress.tasks if task.id == self.line)


class PlainLines:
    """A line every ten seconds of a step, and one when it ends."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.started = self.said = 0.0
        self.tasks = self.cached = self.done = self.documents = self.work = self.all_work = 0
        self.counts: dict[str, int] = {}

    def step_started(self, step: str, tasks: list[Task], cached: int) -> None:
        """Begins to count."""
        self.started = self.said = time.monotonic()
        self.tasks, self.done, self.documents, self.work = len(tasks), 0, 0, 0
        self.all_work = sum(task.work for task in tasks)
        self.cached, self.counts = cached, {}

    def task_done(self, step: str, task: Task, receipts: list[Receipt]) -> None:
        """Says how far the step is, now and then; of its end `step_ended` tells."""
        self.done += 1
        self.documents += task.documents
        self.work += task.work
        add_counts(self.counts, receipts)
        now = time.monotonic()
        if now - self.said >= _PLAIN_EVERY and self.done < self.tasks:
            self.said = now
            elapsed = now - self.started
            done, total = (self.work, self.all_work) if self.work else (self.done, self.tasks)
            rate = f" {self.work / elapsed / 1e6:.1f} MB/s," if self.work else ""
            counts = "".join(f" {told}," for told in counts_told(self.counts, elapsed))
            documents = f" {self.documents:,} documents," if self.documents else ""
            self._say(
                f"{step}: {self.done}/{self.tasks} tasks,{documents}{counts}{rate}"
                f" {elapsed * (total - done) / done:.0f} s left"
            )

    def step_ended(self, step: str) -> None:
        """Says what the step took."""
        elapsed = time.monotonic() - self.started
        counted = f", {self.documents:,} documents" if self.documents else ""
        rate = f", {self.work / elapsed / 1e6:.1f} MB/s" if self.work and elapsed else ""
        before = f" ({self.cached} done before)" if self.cached else ""
        told = "".join(f", {told}" for told in counts_told(self.counts, elapsed))
        self._say(f"{step}: {self.done} tasks{before} in {elapsed:.1f} s{counted}{told}{rate}")

    def close(self) -> None:
        """Nothing is left to say."""

    def _say(self, text: str) -> None:
        self.stream.write(text + "\n")
        self.stream.flush()
