"""The ledgers of a built corpus as another is derived from them: columns and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from manifests.fates import Codes, verdict_codes
from manifests.manifest import Manifest
from manifests.parquet import read_columns
from manifests.parts import part_files, part_paths, require_ledgers
from manifests.schema import KEEP

Flags = np.ndarray[Any, np.dtype[np.bool_]]

KEPT = 0
"""The code of ``keep``."""
ABSENT = -1
"""The code of a verdict that is null: an earlier stage had dropped the document."""


@dataclass
class Reasons:
    """Numbers for the words of verdicts, in the order in which they were met; ``keep`` is 0."""

    words: list[str] = field(default_factory=lambda: [KEEP])

    def code(self, word: str) -> int:
        """The number of a word."""
        if word not in self.words:
            self.words.append(word)
        return self.words.index(word)

    def codes(self, verdicts: pa.ChunkedArray | pa.Array) -> Codes:
        """The numbers of a column of words (plain or dictionary); ``ABSENT`` for null."""
        return verdict_codes(verdicts, self.code, ABSENT)


@dataclass(frozen=True)
class PartLedger:
    """The files of one part: absolute paths by stage and role."""

    index: int
    rows: int
    paths: dict[tuple[str, str], Path]

    @property
    def documents(self) -> Path:
        """The part of the documents itself."""
        return next(path for (_, role), path in self.paths.items() if role == "documents")

    @cached_property
    def source(self) -> str:
        """The source that all documents of the part are of; empty for a part without documents."""
        column = read_columns(self.documents, ["source"])["source"]
        return str(column[0].as_py()) if len(column) else ""

    def has(self, stage: str, role: str) -> bool:
        """Whether the stage wrote such a file."""
        return (stage, role) in self.paths

    def annotations(self, stage: str, columns: Sequence[str]) -> pa.Table:
        """Annotation columns of a stage, one row a document of the part."""
        return read_columns(self.paths[stage, "annotations"], columns)

    def verdicts(self, stage: str, reasons: Reasons) -> Codes:
        """The stage's verdicts as codes; all documents are kept by a stage that does not decide."""
        if not self.has(stage, "verdicts"):
            return np.full(self.rows, KEPT, np.int32)
        column = read_columns(self.paths[stage, "verdicts"], ["verdict"])["verdict"]
        return reasons.codes(column)


def part_ledgers(manifest: Manifest) -> list[PartLedger]:
    """The ledgers of every part, in order. Raises FileNotFoundError, naming the first file that is
    no longer in the workspace."""
    found = []
    for index, files in part_files(manifest):
        paths = {key: path.absolute() for key, path in part_paths(manifest, files).items()}
        require_ledgers(paths.values())
        rows = int(files.filter(files["role"] == "documents")["rows"][0])
        found.append(PartLedger(index, rows, paths))
    return found
