"""A corpus of a few parts on disk, and the pipeline's own walk over it, without an engine."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.checksum import sha256_of_file
from manifests.schema import DOCUMENTS
from pipeline.corpus import External, Part
from pipeline.ledger_names import ByPart
from pipeline.recipe import Entry, Recipe
from pipeline.stage import external_files
from pipeline.store import Store
from pipeline.task import Receipt, Task, execute
from pipeline.walk import Walk
from stages.catalog import CATALOG

Document = Mapping[str, Any]


def entry(name: str, **config: Any) -> Entry:
    """A stage as a recipe would name it."""
    stage_class = CATALOG.stage(name)
    return Entry(name, name, stage_class(stage_class.Config.model_validate(config)))


def write_parts(store: Store, parts: Sequence[Sequence[Document]]) -> list[Part]:
    """Documents parts; a document is ``{"text": …}`` with any other columns; ids come from texts
    unless they are given."""
    written = []
    for index, documents in enumerate(parts):
        rows = [
            {
                "id": hashlib.md5(d["text"].encode()).digest(),
                "source": "test",
                "locator": f"{index}:{row}",
                "metadata": None,
                **d,
            }
            for row, d in enumerate(documents)
        ]
        table = pa.table(
            {f.name: pa.array([r.get(f.name) for r in rows], f.type) for f in DOCUMENTS},
            schema=DOCUMENTS,
        )
        path = f"documents/part-{index:03d}.parquet"
        store.path(path).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, store.path(path))
        size = sum(len(d["text"].encode()) for d in documents)
        source = rows[0]["source"] if rows else "test"
        written.append(Part(index, path, source, len(rows), size))
    return written


class SmallWalk(Walk):
    """The pipeline's walk over given parts; every task runs here and now."""

    def __init__(
        self, root: Path, parts: Sequence[Sequence[Document]], entries: Sequence[Entry]
    ) -> None:
        store = Store(root)
        store.root.mkdir(parents=True, exist_ok=True)
        self.small_parts = write_parts(store, parts)
        self.executed: list[Task] = []
        no_ingest: Any = None
        recipe = Recipe("test", "", root, root, no_ingest, (), tuple(entries))
        externals = {
            one.name: {
                path: External(path, sha256_of_file(Path(path)))
                for path in external_files(one.stage.config)
            }
            for one in entries
        }
        super().__init__(recipe, CATALOG, store, {}, externals)

    def _ingest(self) -> None:
        self.walked.parts = list(self.small_parts)

    @property
    def verdicts(self) -> Sequence[Sequence[str]]:
        """Files of verdicts by part."""
        return ByPart(self.ledgers.verdicts, len(self.small_parts))

    @property
    def annotations(self) -> Sequence[Mapping[str, str]]:
        """Files of annotations by part and stage."""
        return ByPart(self.ledgers.annotations, len(self.small_parts))

    def step(self, name: str, stages: list[str], tasks: list[Task]) -> list[list[Receipt]]:
        self.executed += tasks
        return [execute(task, self.store) for task in tasks]

    def ledger(self, stage: str) -> pa.Table:
        """A stage's annotations of all parts, one table, ids included."""
        paths = [self.store.path(of_part[stage]) for of_part in self.annotations]
        return pa.concat_tables([pq.read_table(path) for path in paths])

    def published(self, name: str) -> Path:
        """The artefact behind a published name."""
        return self.store.path(self.walked.published[name]["artefact"])


def walk_over(
    root: Path, parts: Sequence[Sequence[Document]], entries: Sequence[Entry]
) -> SmallWalk:
    """A finished walk."""
    walk = SmallWalk(root, parts, entries)
    walk.walk()
    return walk


def sentences(count: int, seed: int = 0) -> list[str]:
    """Texts of a small made-up language of 300 words, 20 to 120 words each."""
    draw = random.Random(seed)
    letters = "aeioustrnlm"
    words = ["".join(draw.choices(letters, k=draw.randint(2, 9))) for _ in range(300)]
    return [
        " ".join(draw.choices(words, k=draw.randint(20, 120))) + f" {number}."
        for number in range(count)
    ]
