"""The corpus as a stage sees it while the driver plans: parts, ledgers so far, naming of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.parquet import read_columns
from manifests.schema import KEEP
from pipeline.store import Store
from pipeline.task import Json, Resources, Task

DOCUMENTS_FILE = "documents.parquet"
ANNOTATIONS_FILE = "annotations.parquet"
VERDICTS_FILE = "verdicts.parquet"


@dataclass(frozen=True, slots=True)
class Part:
    """One documents part: where it lies (workspace-relative), its source, rows and text bytes."""

    index: int
    documents: str
    source: str
    rows: int
    text_bytes: int


@dataclass(frozen=True)
class External:
    """A file from outside the workspace: absolute path and SHA-256."""

    location: str
    sha256: str


@dataclass(frozen=True)
class Corpus:
    """What a stage's ``rounds`` may know: parts in order, ledgers of earlier stages, the recipe.

    ``verdicts[i]`` lists part i's verdict files of earlier stages that drop; ``annotations[i]``
    maps a stage's name to part i's annotation file; ``artefacts`` maps earlier stages' names to
    their shared artefacts. All paths are workspace-relative and hold
    fingerprints, so putting them into a task's arguments makes the task depend on them.
    """

    stage: str
    version: Json
    parts: Sequence[Part]
    verdicts: Sequence[Sequence[str]]
    annotations: Sequence[Mapping[str, str]]
    artefacts: Mapping[str, Mapping[str, str]]
    externals: Mapping[str, External]
    recipe: Mapping[str, Json]
    store: Store

    def view(self, part: Part, reads: Sequence[str] = ()) -> dict[str, Json]:
        """What a task needs to read a part's living documents with ``open_view``: put it into the
        task's arguments. ``reads`` are annotation columns, ``stage.column``."""
        needed = sorted({column.split(".", 1)[0] for column in reads})
        return {
            "documents": part.documents,
            "verdicts": list(self.verdicts[part.index]),
            "annotations": {name: self.annotations[part.index][name] for name in needed},
            "reads": sorted(reads),
        }

    def task(
        self,
        function: str,
        round_name: str,
        arguments: Mapping[str, Json],
        *,
        label: str = "",
        locations: Mapping[str, str] | None = None,
        resources: Resources | None = None,
        work: int = 0,
        documents: int = 0,
    ) -> Task:
        """A task of this stage. Its output folder is ``store/<stage>/<round>/<fingerprint>``."""
        return Task(
            function=function,
            folder=f"store/{self.stage}/{round_name}",
            version=self.version,
            arguments=arguments,
            label=f"{self.stage}: {label or round_name}",
            locations=locations or {},
            resources=resources or Resources(),
            work=work,
            documents=documents,
        )


@dataclass(frozen=True)
class View:
    """A part's living documents, opened inside a task."""

    table: pa.Table
    rows: np.ndarray[Any, np.dtype[np.int64]]
    part_rows: int


def open_view(
    store: Store, view: Mapping[str, Json], document_columns: Sequence[str] = ("id", "text")
) -> View:
    """Reads the living documents of a part: document columns, annotation columns, row numbers.

    Raises ValueError when a ledger does not have the part's rows.
    """
    alive = living_rows(store, view["documents"], view["verdicts"])
    part_rows = pq.read_metadata(store.path(view["documents"])).num_rows
    columns: dict[str, pa.ChunkedArray] = {}
    if document_columns:
        table = read_columns(store.path(view["documents"]), document_columns)
        columns = {name: table[name] for name in document_columns}
    for column in view["reads"]:
        stage, _, name = column.partition(".")
        path = view["annotations"][stage]
        annotation = read_columns(store.path(path), [name])
        if annotation.num_rows != part_rows:
            raise ValueError(
                f"{path} has {annotation.num_rows} rows, {view['documents']} has {part_rows}."
                " The ledger is damaged: remove its folder and build again."
            )
        columns[column] = annotation[name]
    table = pa.table(columns) if columns else pa.table({})
    if columns and len(alive) != part_rows:
        table = table.take(pa.array(alive))
    return View(table, alive, part_rows)


def living_rows(
    store: Store, documents: str, verdicts: Sequence[str]
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Row numbers (int64, rising) of the documents that every verdict file so far keeps."""
    rows = pq.read_metadata(store.path(documents)).num_rows
    alive = np.ones(rows, dtype=bool)
    for path in verdicts:
        column = pl.read_parquet(store.path(path), columns=["verdict"])["verdict"]
        if len(column) != rows:
            raise ValueError(
                f"{path} has {len(column)} rows, {documents} has {rows}."
                " The ledger is damaged: remove its folder and build again."
            )
        alive &= (column.cast(pl.String) == KEEP).fill_null(False).to_numpy()
    return np.flatnonzero(alive).astype(np.int64)
