"""A stage that looks at the whole corpus, run over documents parts round by round, timed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pipeline.corpus import Corpus, External, Part
from pipeline.engine import Engine
from pipeline.stage import Artefacts, Stage
from pipeline.store import Store


@dataclass
class Round:
    """What the rounds of one name took together. ``files``: bytes written, by name of file."""

    seconds: float = 0.0
    tasks: int = 0
    times: int = 0
    files: dict[str, int] = field(default_factory=dict)

    @property
    def bytes_written(self) -> int:
        """Of all files."""
        return sum(self.files.values())


@dataclass
class Ran:
    """A stage's artefacts, and its rounds by name in order."""

    artefacts: Artefacts = field(default_factory=Artefacts)
    rounds: dict[str, Round] = field(default_factory=dict)


def run_rounds(
    stage: Stage[Any],
    parts: Sequence[Part],
    store: Store,
    engine: Engine,
    externals: Mapping[str, External] | None = None,
) -> Ran:
    """Runs all of a stage's rounds on an engine. The parts have no ledgers yet."""
    corpus = Corpus(
        stage=stage.name,
        version=stage.version,
        parts=parts,
        verdicts=[[] for _ in parts],
        annotations=[{} for _ in parts],
        artefacts={},
        externals=externals or {},
        recipe={},
        store=store,
    )
    ran = Ran()
    rounds = stage.rounds(corpus)
    begun = time.perf_counter()
    try:
        tasks = next(rounds)
        while True:
            done = {task.fingerprint: receipts[0] for task, receipts in engine.run(tasks)}
            receipts = [done[task.fingerprint] for task in tasks]
            if tasks:
                one = ran.rounds.setdefault(Path(tasks[0].folder).name, Round())
                one.seconds += time.perf_counter() - begun
                one.tasks += len(tasks)
                one.times += 1
                for receipt in receipts:
                    for name, file in receipt.files.items():
                        one.files[name] = one.files.get(name, 0) + file["bytes"]
            begun = time.perf_counter()
            tasks = rounds.send(receipts)
    except StopIteration as stop:
        ran.artefacts = stop.value
        return ran


def removed_documents(
    ran: Ran, parts: Sequence[Part], store: Store
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which documents a deduplication stage drops (bool), numbered through all parts in order."""
    flags = []
    for part, path in zip(parts, ran.artefacts.per_part["decisions"], strict=True):
        table = pq.read_table(store.path(path), columns=["row", "survivor"])
        flag = np.zeros(part.rows, bool)
        flag[table["row"].filter(table["survivor"].is_valid()).to_numpy()] = True
        flags.append(flag)
    return np.concatenate(flags) if flags else np.zeros(0, bool)
