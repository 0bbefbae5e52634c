"""Runs the stage without the pipeline: its rounds, its annotations, its decisions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from manifests.checksum import sha256_of_file
from pipeline.corpus import Corpus, External
from pipeline.stage import Artefacts, Batch, external_files
from pipeline.store import Store
from pipeline.task import execute
from stages.decontaminate.stage import Decontaminate, DecontaminateConfig


class Running:
    """A stage whose index is built."""

    def __init__(self, workspace: Path, **config: Any) -> None:
        self.stage = Decontaminate(DecontaminateConfig(**config))
        self.store = Store(workspace)
        paths = external_files(self.stage.config)
        corpus = Corpus(
            stage="decontaminate",
            version=self.stage.version,
            parts=[],
            verdicts=[],
            annotations=[],
            artefacts={},
            externals={path: External(path, sha256_of_file(Path(path))) for path in paths},
            recipe={},
            store=self.store,
        )
        rounds = self.stage.rounds(corpus)
        tasks = next(rounds)
        self.artefacts: Artefacts | None = None
        while self.artefacts is None:
            try:
                receipts = [receipt for task in tasks for receipt in execute(task, self.store)]
                tasks = rounds.send(receipts)
            except StopIteration as end:
                self.artefacts = end.value

    def annotate(self, texts: Sequence[str]) -> pa.Table:
        assert self.artefacts is not None
        return self.stage.annotate(
            Batch(
                pa.table({"text": pa.array(texts, pa.large_string())}),
                np.arange(len(texts)),
                {name: self.store.path(path) for name, path in self.artefacts.shared.items()},
            )
        )

    def reasons(self, texts: Sequence[str]) -> list[str]:
        verdicts: list[str] = self.stage.decide(self.annotate(texts)).verdict.to_pylist()
        return verdicts

    def matches(self, text: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.annotate([text])["matches"][0].as_py()
        return found


def write_lines(path: Path, records: Sequence[Mapping[str, Any]]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return str(path)
