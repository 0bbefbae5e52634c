"""Long lists of outputs, written once: tasks that read all outputs of a round name one file, so
that what the driver sends does not grow with the square of the parts."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from pathlib import Path

from pipeline.corpus import Corpus
from pipeline.task import Json, Receipt, Task, TaskRun

Listed = list[str] | str
"""Outputs by name, or the output that lists them."""

LISTED_INLINE = 64
"""So many outputs are named in a task's own arguments."""
_FILE = "outputs.json"


def listed(
    corpus: Corpus, round_name: str, receipts: Sequence[Receipt]
) -> Generator[list[Task], list[Receipt], Listed]:
    """What tasks that read all outputs of a round get among their arguments."""
    outputs = [receipt.output for receipt in receipts]
    if len(outputs) <= LISTED_INLINE:
        return outputs
    (written,) = yield [
        corpus.task(
            "stages.dedupe.listing:write_listing",
            "lists",
            {"outputs": outputs},
            label=f"list of {round_name}",
        )
    ]
    return written.output


def write_listing(run: TaskRun) -> Json:
    """Writes the outputs' names into a file."""
    (run.output / _FILE).write_text(json.dumps(run.arguments["outputs"]))
    return {"outputs": len(run.arguments["outputs"])}


def names_of(run: TaskRun, argument: str) -> list[str]:
    """The outputs, relative to the workspace, that an argument made by ``listed`` stands for."""
    source: Listed = run.arguments[argument]
    if isinstance(source, str):
        names: list[str] = json.loads((run.path(source) / _FILE).read_text())
        return names
    return source


def outputs_of(run: TaskRun, argument: str) -> list[Path]:
    """The same as folders."""
    return [run.path(name) for name in names_of(run, argument)]
