"""A balance over other living documents or with other settings, from ledgers alone.

The stage's own tasks run, in a folder of their own: they read ids, sources and annotations, and no
texts. So what comes out is what a build would choose. The folder of a small corpus lies in memory:
on a disk that others use, its two hundred files take longer to remove than all else takes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.manifest import Manifest
from manifests.schema import KEEP
from pipeline.corpus import VERDICTS_FILE, Corpus, Part
from pipeline.recipe import Entry, RecipeError
from pipeline.stage import Artefacts
from pipeline.store import Store
from pipeline.task import execute
from stages.balance.choose import chosen_for
from tamis.ledgers import Flags, PartLedger

_MEMORY = Path("/dev/shm")
"""Where Linux has a file system in memory."""
_DOCUMENT_BYTES, _PART_BYTES = 32, 64_000
"""What the files of a balance take of it for every document and every part: on the sample 24 bytes
and, for some ten small files, 40 kB."""
_MOST_BYTES = 64_000_000
"""Larger ones go to the disk, where nothing has to be spared."""


@dataclass(frozen=True)
class Rebalanced:
    """What a balance chose: by part, one row a living document (columns of ``balance``), and the
    record that a manifest would hold."""

    chosen: list[pa.Table]
    record: Mapping[str, Any]


def rebalance(
    manifest: Manifest, entry: Entry, ledgers: Sequence[PartLedger], alive: Sequence[Flags]
) -> Rebalanced:
    """Runs the stage ``entry`` over the documents that are ``alive``, a part each.

    Raises RecipeError when the mixture cannot be had of these documents.
    """
    place = _place(ledgers)
    with tempfile.TemporaryDirectory(prefix="tamis-balance-", dir=place) as folder:
        store = Store(Path(folder))
        corpus = _corpus(manifest, entry, ledgers, alive, store)
        generator = entry.stage.rounds(corpus)
        try:
            tasks = next(generator)
            while True:
                tasks = generator.send([receipt for t in tasks for receipt in execute(t, store)])
        except StopIteration as end:
            artefacts: Artefacts = end.value
        except ValueError as error:
            raise RecipeError(f"stages.{entry.name}: {error}") from error
        chosen = [
            chosen_for(store.path(path), np.flatnonzero(living)).combine_chunks()
            for path, living in zip(artefacts.per_part["chosen"], alive, strict=True)
        ]
        return Rebalanced(chosen, artefacts.record)


def _place(ledgers: Sequence[PartLedger]) -> Path | None:
    """Where the folder goes: into memory if there is room for so much, or, None, where temporary
    files go."""
    needed = sum(_PART_BYTES + ledger.rows * _DOCUMENT_BYTES for ledger in ledgers)
    if needed > _MOST_BYTES or not os.access(_MEMORY, os.W_OK | os.X_OK):
        return None
    return _MEMORY if shutil.disk_usage(_MEMORY).free > 4 * needed else None


def _corpus(
    manifest: Manifest,
    entry: Entry,
    ledgers: Sequence[PartLedger],
    alive: Sequence[Flags],
    store: Store,
) -> Corpus:
    before = manifest.stage_names[: manifest.stage_names.index(entry.name)]
    return Corpus(
        stage=entry.name,
        version=entry.stage.version,
        parts=[
            Part(ledger.index, str(ledger.documents), ledger.source, ledger.rows, 0)
            for ledger in ledgers
        ],
        verdicts=[
            [_write_verdicts(store, ledger, living)]
            for ledger, living in zip(ledgers, alive, strict=True)
        ],
        annotations=[
            {
                stage: str(ledger.paths[stage, "annotations"])
                for stage in before
                if ledger.has(stage, "annotations")
            }
            for ledger in ledgers
        ],
        artefacts={},
        externals={},
        recipe={"sources": [], "stages": manifest.stage_names},
        store=store,
    )


def _write_verdicts(store: Store, ledger: PartLedger, alive: Flags) -> str:
    """Which documents of a part live, as a file of verdicts."""
    path = store.path(f"alive/{ledger.index}/{VERDICTS_FILE}")
    path.parent.mkdir(parents=True)
    words = pa.array([KEEP, "elsewhere"])
    verdict = pa.DictionaryArray.from_arrays(
        pa.array(np.where(alive, 0, 1).astype(np.int32)), words
    )
    pq.write_table(pa.table({"verdict": verdict}), path)
    return str(path)
