"""A task: a pure function over files, named by a fingerprint of all that its output depends on."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.fingerprint import fingerprint
from pipeline.store import Store

Json = Any
"""A value that JSON can hold."""


@dataclass(frozen=True)
class Resources:
    """What a task needs to run. ``pool`` names processes that keep a costly model loaded: tasks
    with the same pool go to these (with Ray actors), of which there are as many as there is room
    for. ``memory_bytes`` is then an estimate of what one process needs."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory_bytes: int = 0
    pool: str | None = None


@dataclass(frozen=True)
class Task:
    """One unit of work: ``function`` (``package.module:name``) of ``arguments`` (JSON).

    ``arguments`` and ``version`` (a number, or one with versions of libraries) are fingerprinted.
    A file of the workspace is named by its path relative to the workspace, which holds the
    fingerprint of what made it. A file from outside is named by its checksum in ``arguments`` and
    found through ``locations`` (argument name to absolute path), which is not fingerprinted.
    ``folder`` is where the output lies: ``<folder>/<fingerprint>/``. ``work`` is the size of the
    task for the progress line, in bytes. A task with ``commits`` writes those output folders
    itself, each whole or not at all, and is done when all of them are there.
    """

    function: str
    folder: str
    version: Json
    arguments: Mapping[str, Json]
    label: str
    locations: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = Resources()
    work: int = 0
    documents: int = 0
    commits: tuple[str, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """What names the output: function, version and arguments."""
        return fingerprint([self.function, self.version, dict(self.arguments)])

    @property
    def output(self) -> str:
        """The output folder, relative to the workspace."""
        return f"{self.folder}/{self.fingerprint}"

    @property
    def outputs(self) -> tuple[str, ...]:
        """All folders that must be complete for the task to be done."""
        return self.commits or (self.output,)


@dataclass(frozen=True)
class Receipt:
    """That a task is done: its output folder, the files in it, and what the function returned.

    ``files`` maps file names to ``{"bytes": …, "sha256": …}``; ``value`` is small JSON. ``seconds``
    is for people only and never part of what is fingerprinted.
    """

    output: str
    files: Mapping[str, Mapping[str, Json]]
    value: Json
    seconds: float
    cached: bool = False

    def path(self, name: str) -> str:
        """A file of the output, relative to the workspace."""
        return f"{self.output}/{name}"


@dataclass(frozen=True)
class TaskRun:
    """What a task's function is given: its arguments, the workspace, and where to write."""

    arguments: Mapping[str, Json]
    locations: Mapping[str, str]
    store: Store
    output: Path

    def path(self, relative: str) -> Path:
        """The absolute path of a workspace-relative file."""
        return self.store.path(relative)


TaskFunction = Callable[[TaskRun], Json]


def resolve(function: str) -> Callable[..., Json]:
    """The function named ``package.module:name``."""
    module, _, name = function.partition(":")
    resolved: Callable[..., Json] = getattr(importlib.import_module(module), name)
    return resolved


def finished(task: Task, store: Store) -> list[Receipt] | None:
    """The receipts of a task whose outputs are all there, or None."""
    receipts = []
    for output in task.outputs:
        receipt = store.receipt(output)
        if receipt is None:
            return None
        receipts.append(Receipt(**receipt, cached=True))
    return receipts


def execute(task: Task, store: Store) -> list[Receipt]:
    """Runs the task unless its outputs are there already; returns one receipt an output.

    The function writes into a temporary folder that is renamed when whole, so a task that is
    killed leaves nothing behind that could be mistaken for its output, and one that runs twice
    writes the same bytes to the same place.
    """
    done = finished(task, store)
    if done is not None:
        return done
    function = resolve(task.function)
    if task.commits:
        function(TaskRun(task.arguments, task.locations, store, store.root))
    else:
        commit(
            task.output,
            store,
            lambda folder: function(TaskRun(task.arguments, task.locations, store, folder)),
        )
    receipts = finished(task, store)
    if receipts is None:
        raise RuntimeError(f"{task.function} did not write all of {', '.join(task.outputs)}")
    return [replace(receipt, cached=False) for receipt in receipts]


def commit(output: str, store: Store, write: Callable[[Path], Json]) -> None:
    """Makes one output folder: ``write`` fills a temporary one, which is sealed and renamed."""
    started = time.perf_counter()
    with store.writing(output) as folder:
        value = write(folder)
        receipt = Receipt(output, store.seal(folder), value, time.perf_counter() - started)
        content = asdict(receipt)
        del content["cached"]
        store.write_receipt(folder, json.dumps(content, sort_keys=True))
