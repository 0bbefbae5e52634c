"""Fates: for every document the stage that dropped it and the reason, from the ledgers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from manifests.manifest import Manifest
from manifests.parquet import read_columns
from manifests.parts import part_files, require_ledgers
from manifests.schema import KEEP

Codes = np.ndarray[Any, np.dtype[np.int32]]

KEPT = 0
"""The code of a document that all stages keep."""


def verdict_codes(
    verdicts: pa.ChunkedArray | pa.Array, code: Callable[[str], int], absent: int
) -> Codes:
    """A number for every verdict of a column of words (plain or dictionary): ``code`` of the word,
    ``absent`` for null."""
    column = verdicts.combine_chunks() if isinstance(verdicts, pa.ChunkedArray) else verdicts
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    table = np.array([*map(code, column.dictionary.to_pylist()), absent], np.int32)
    found: Codes = table[column.indices.fill_null(len(table) - 1).to_numpy(zero_copy_only=False)]
    return found


@dataclass
class FateNames:
    """Numbers for fates: 0 is kept, others a stage and a reason, in the order they were met."""

    fates: list[tuple[str, str] | None] = field(default_factory=lambda: [None])
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)

    def code(self, stage: str, reason: str) -> int:
        """The number of a fate; ``KEPT`` where the reason is the word for keeping."""
        if reason == KEEP:
            return KEPT
        if (stage, reason) not in self.numbers:
            self.numbers[stage, reason] = len(self.fates)
            self.fates.append((stage, reason))
        return self.numbers[stage, reason]


@dataclass(frozen=True)
class PartFiles:
    """A part's files of one corpus: where the documents lie, and the verdicts in order."""

    documents: Path
    rows: int
    verdicts: list[tuple[str, Path]]
    identity: str
    """Checksum of the documents: equal parts have the same documents in the same rows."""
    decided: tuple[str, ...]
    """Checksums of the verdicts: where they are equal too, no fate differs."""

    def ids(self) -> np.ndarray[Any, np.dtype[np.uint64]]:
        """The documents' ids as two big-endian numbers each (rows x 2)."""
        column = read_columns(self.documents, ["id"])["id"].combine_chunks()
        data = np.frombuffer(column.buffers()[1], ">u8")
        first = 2 * column.offset
        return data[first : first + 2 * len(column)].reshape(-1, 2).astype(np.uint64)

    def fates(self, names: FateNames) -> Codes:
        """The code of every document's fate."""
        codes = np.zeros(self.rows, np.int32)
        for stage, path in self.verdicts:
            verdicts = read_columns(path, ["verdict"])["verdict"]
            found = verdict_codes(verdicts, partial(names.code, stage), KEPT)
            codes = np.where(found != KEPT, found, codes)
        return codes


def fate_files(manifest: Manifest) -> list[PartFiles]:
    """The files of every part that say what became of its documents, parts in order.

    Raises FileNotFoundError when ledgers of the manifest are no longer in its workspace.
    """
    order = {name: index for index, name in enumerate(manifest.stage_names)}
    found = []
    for _, files in part_files(manifest):
        rows = files.select("stage", "role", "path", "rows", "sha256").rows()
        (documents,) = (row for row in rows if row[1] == "documents")
        verdicts = [row for row in rows if row[1] == "verdicts"]
        verdicts.sort(key=lambda row: order[row[0]])
        paths = [manifest.workspace / path for _, _, path, _, _ in (documents, *verdicts)]
        require_ledgers(paths)
        found.append(
            PartFiles(
                paths[0],
                documents[3],
                [(row[0], path) for row, path in zip(verdicts, paths[1:], strict=True)],
                documents[4],
                tuple(f"{stage} {sha256}" for stage, _, _, _, sha256 in verdicts),
            )
        )
    return found
