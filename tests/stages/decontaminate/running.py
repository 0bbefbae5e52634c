"""Runs the stage without the pipeline: its rounds, its annotations, its decisions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.checksum import sha256_of_file
from pipeline.corpus import Corpus, External, Part
from pipeline.fingerprint import fingerprint
from pipeline.stage import Artefacts, Batch, Verdicts, external_files
from pipeline.store import Store
from pipeline.task import execute
from stages.decontaminate.stage import Decontaminate, DecontaminateConfig


class Running:
    """A stage and a workspace for it."""

    def __init__(self, workspace: Path, **config: Any) -> None:
        self.stage = Decontaminate(DecontaminateConfig(**config))
        self.store = Store(workspace)

    @cached_property
    def artefacts(self) -> Artefacts:
        """What the rounds make of the benchmarks alone."""
        return self.rounds([])

    def rounds(self, parts: Sequence[Part]) -> Artefacts:
        """Runs all rounds over parts."""
        paths = external_files(self.stage.config)
        corpus = Corpus(
            stage="decontaminate",
            version=self.stage.version,
            parts=parts,
            verdicts=[[] for _ in parts],
            annotations=[{} for _ in parts],
            artefacts={},
            externals={path: External(path, sha256_of_file(Path(path))) for path in paths},
            recipe={},
            store=self.store,
        )
        rounds = self.stage.rounds(corpus)
        tasks = next(rounds)
        while True:
            receipts = [receipt for task in tasks for receipt in execute(task, self.store)]
            try:
                tasks = rounds.send(receipts)
            except StopIteration as end:
                artefacts: Artefacts = end.value
                return artefacts

    def part(self, index: int, texts: Sequence[str]) -> Part:
        """A documents part of texts."""
        name = f"parts/{fingerprint(list(texts))}.parquet"
        path = self.store.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.table({"text": pa.array(texts, pa.large_string())})
        pq.write_table(table, path)
        return Part(index, name, "web", len(texts), sum(len(text.encode()) for text in texts))

    def annotate_parts(self, parts: Sequence[Sequence[str]]) -> tuple[list[pa.Table], Artefacts]:
        """The annotations of parts, each a batch of its own, and what the rounds made."""
        made = [self.part(index, texts) for index, texts in enumerate(parts)]
        artefacts = self.rounds(made)
        return [
            self._annotate(
                texts,
                {**artefacts.shared, **{name: of[i] for name, of in artefacts.per_part.items()}},
            )
            for i, texts in enumerate(parts)
        ], artefacts

    def annotate(self, texts: Sequence[str]) -> pa.Table:
        """The annotations of texts that are a corpus by themselves."""
        (annotations,), _ = self.annotate_parts([texts])
        return annotations

    def _annotate(self, texts: Sequence[str], artefacts: Mapping[str, str]) -> pa.Table:
        ids = [fingerprint(text)[:16].encode() for text in texts]
        table = pa.table({"id": ids, "text": pa.array(texts, pa.large_string())})
        return self.stage.annotate(
            Batch(
                table.select(list(self.stage.read_columns())),
                np.arange(len(texts)),
                {name: self.store.path(path) for name, path in artefacts.items()},
            )
        )

    def decide(self, annotations: pa.Table) -> Verdicts:
        return self.stage.decide(annotations)

    def reasons(self, texts: Sequence[str]) -> list[str]:
        verdicts: list[str] = self.stage.decide(self.annotate(texts)).verdict.to_pylist()
        return verdicts

    def matches(self, text: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.annotate([text])["matches"][0].as_py()
        return found


def write_lines(path: Path, records: Sequence[Mapping[str, Any]]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return str(path)
