"""Runs a deduplication stage on small tables: parts, rounds, annotations, verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from manifests.schema import DOCUMENTS, KEEP
from pipeline.corpus import Corpus, Part
from pipeline.stage import Artefacts, Batch, Stage
from pipeline.store import Store
from pipeline.task import Receipt, execute


@dataclass(frozen=True)
class Text:
    """A document of a test."""

    name: str
    text: str
    source: str = "web"

    @property
    def id(self) -> bytes:
        """The id that ingest would give it, or one like it."""
        return xxhash.xxh3_128(f"{self.source}/{self.name}".encode()).digest()


@dataclass(frozen=True)
class Result:
    """Annotations by document id (living documents only), reasons of the dropped, the record."""

    annotations: dict[bytes, dict[str, Any]]
    reasons: dict[bytes, str]
    record: dict[str, Any]

    @property
    def kept(self) -> set[bytes]:
        """Ids of documents that survive."""
        return set(self.annotations) - set(self.reasons)

    def witness(self, document: Text) -> bytes | None:
        """The survivor of a document."""
        found: bytes | None = self.annotations[document.id]["survivor"]
        return found


def table_of(texts: Sequence[Text]) -> pa.Table:
    """A documents part."""
    empty = [None] * len(texts)
    return pa.table(
        [
            pa.array([text.id for text in texts], pa.binary(16)),
            pa.array([text.text for text in texts], pa.large_string()),
            pa.array([text.source for text in texts], pa.string()).dictionary_encode(),
            pa.array([text.name for text in texts], pa.string()),
            *(pa.array(empty, pa.string()) for _ in range(4)),
        ],
        schema=DOCUMENTS,
    )


def corpus_of(stage: Stage[Any], parts: Sequence[pa.Table], root: Path) -> Corpus:
    """Writes parts into a workspace; a part's source is that of its first row."""
    (root / "documents").mkdir(parents=True, exist_ok=True)
    described = []
    for index, table in enumerate(parts):
        path = f"documents/{index:05d}.parquet"
        pq.write_table(table, root / path, compression="zstd")
        size = sum(chunk.nbytes for chunk in table["text"].chunks)
        source = table["source"][0].as_py() if len(table) else "web"
        described.append(Part(index, path, source, len(table), size))
    return Corpus(
        stage=stage.name,
        version=stage.version,
        parts=described,
        verdicts=[[] for _ in parts],
        annotations=[{} for _ in parts],
        externals={},
        artefacts={},
        recipe={},
        store=Store(root),
    )


def run_rounds(stage: Stage[Any], corpus: Corpus, executor: Executor | None = None) -> Artefacts:
    """Runs every round's tasks here or on an executor; the last tasks first, to prove that order
    does not matter."""
    rounds = stage.rounds(corpus)
    run = partial(execute, store=corpus.store)
    try:
        tasks = next(rounds)
        while True:
            backwards = tasks[::-1]
            done = executor.map(run, backwards) if executor else map(run, backwards)
            receipts: list[Receipt] = [receipts[0] for receipts in done][::-1]
            tasks = rounds.send(receipts)
    except StopIteration as stop:
        artefacts: Artefacts = stop.value
        return artefacts


def run_stage(
    stage: Stage[Any],
    parts: Sequence[Sequence[Text]],
    root: Path,
    executor: Executor | None = None,
) -> Result:
    """All of a stage over parts of documents."""
    tables = [table_of(part) for part in parts]
    corpus = corpus_of(stage, tables, root)
    artefacts = run_rounds(stage, corpus, executor)
    annotations: dict[bytes, dict[str, Any]] = {}
    reasons: dict[bytes, str] = {}
    for index, table in enumerate(tables):
        files = {name: root / paths[index] for name, paths in artefacts.per_part.items()}
        pieces = [stage.columns.empty_table()]
        for rows in np.array_split(np.arange(len(table)), 2):
            batch = table.take(pa.array(rows)).select(list(stage.read_columns()))
            pieces.append(stage.annotate(Batch(batch, rows, files)).cast(stage.columns))
        annotated = pa.concat_tables(pieces)
        assert annotated.num_rows == len(table)
        verdicts = stage.decide(annotated).verdict.to_pylist()
        for name, row, verdict in zip(
            table["id"].to_pylist(), annotated.to_pylist(), verdicts, strict=True
        ):
            annotations[name] = row
            if verdict != KEEP:
                reasons[name] = verdict
    return Result(annotations, reasons, dict(artefacts.record))
