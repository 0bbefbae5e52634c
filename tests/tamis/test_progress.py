"""What lines of progress say of a step, to a person who reads them in a file."""

import io

import pytest

from pipeline.task import Json, Receipt, Task
from tamis import progress


def task(documents: int = 0, work: int = 0) -> Task:
    return Task("a:b", "store/a", 1, {}, "a task", work=work, documents=documents)


def said(monkeypatch: pytest.MonkeyPatch, tasks: list[Task], value: Json = None) -> list[str]:
    """The lines of a step, if there is time for one after every task."""
    monkeypatch.setattr(progress, "_PLAIN_EVERY", 0.0)
    stream = io.StringIO()
    lines = progress.PlainLines(stream)
    lines.step_started("run", tasks, 0)
    for one in tasks:
        lines.task_done("run", one, [Receipt("store/a/1", {}, value, 0.0)])
    lines.step_ended("run")
    return stream.getvalue().splitlines()


def test_a_step_of_one_task_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = said(monkeypatch, [task()])
    assert line.startswith("run: 1 tasks in ")


def test_what_a_step_does_not_have_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = said(monkeypatch, [task(), task()])
    assert first.startswith("run: 1/2 tasks, ")
    assert first.endswith(" s left")
    assert "documents" not in first + last
    first, last = said(monkeypatch, [task(), task()], {"progress": {"tokens": 7}})
    assert " 7 tokens," in first
    assert ", 14 tokens" in last


def test_documents_and_bytes_are_told_on_the_way_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, last = said(monkeypatch, [task(1_500, 10), task(2, 10)])
    assert first.startswith("run: 1/2 tasks, 1,500 documents, ")
    assert " MB/s, " in first
    assert ", 1,502 documents, " in last
