"""Runs a stage that does not look at other documents over a small table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.stage import Batch, Stage

COLUMNS = ("text", "locator", "url", "metadata")


def table_of(texts: Sequence[str], **columns: Sequence[str | None]) -> pa.Table:
    """Documents with these texts; other columns are null (locators: ``file#0`` …) unless given.

    Annotations are given with two underscores for the dot: ``kind__kind=[...]``.
    """
    rows = len(texts)
    found: dict[str, pa.Array] = {
        "text": pa.array(texts, pa.large_string()),
        "locator": pa.array([f"file#{row}" for row in range(rows)], pa.string()),
        "url": pa.nulls(rows, pa.string()),
        "metadata": pa.nulls(rows, pa.string()),
    }
    for name, values in columns.items():
        found[name.replace("__", ".")] = pa.array(values, pa.string())
    return pa.table(found)


def annotate(
    stage: Stage[Any], table: pa.Table, artefacts: Mapping[str, Path] | None = None
) -> pa.Table:
    """The stage's annotations, checked against the columns that it declares."""
    rows = np.arange(table.num_rows, dtype=np.int64)
    found = stage.annotate(Batch(table, rows, artefacts or {}))
    assert found.schema == stage.columns
    assert found.num_rows == table.num_rows
    return found


def row_by_row(
    stage: Stage[Any], table: pa.Table, artefacts: Mapping[str, Path] | None = None
) -> pa.Table:
    """The same with every document in a batch of its own."""
    parts = [annotate(stage, table.slice(row, 1), artefacts) for row in range(table.num_rows)]
    return pa.concat_tables(parts).combine_chunks()


def reasons(stage: Stage[Any], annotations: pa.Table) -> list[str]:
    """The verdicts of a stage as words."""
    verdicts = stage.decide(annotations)
    assert len(verdicts.verdict) == len(verdicts.score) == len(verdicts.threshold)
    assert len(verdicts.verdict) == annotations.num_rows
    words: list[str] = verdicts.verdict.to_pylist()
    return words
