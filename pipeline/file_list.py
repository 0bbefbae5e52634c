"""The list of a corpus's files, as Parquet: packed while it grows, since there may be millions."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema(
    [
        pa.field("stage", pa.large_string()),
        pa.field("part", pa.int64()),
        pa.field("role", pa.large_string()),
        pa.field("path", pa.large_string()),
        pa.field("rows", pa.int64()),
        pa.field("bytes", pa.int64()),
        pa.field("sha256", pa.large_string()),
    ]
)
"""One row a file: the stage that wrote it, the part that it is about, ``documents``,
``annotations`` or ``verdicts``, its path in the workspace, its rows, size and checksum."""

_ROWS = 65_536
"""Rows that are packed together: a row group of the file that is written."""

Row = tuple[str, int, str, str, int, int, str]


class FileList:
    """Files in the order they are added. In memory are about 80 bytes a file."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._packed: list[bytes] = []
        self._digest = hashlib.blake2b(digest_size=16)

    @property
    def fingerprint(self) -> str:
        """Over the paths and checksums so far."""
        return self._digest.hexdigest()

    def add(self, row: Row) -> None:
        """Adds a file: the columns of ``SCHEMA``."""
        self._digest.update(f"{row[3]}\0{row[6]}\n".encode())
        self._rows.append(row)
        if len(self._rows) == _ROWS:
            self._pack()

    def write(self, target: Path) -> None:
        """Writes the list as a Parquet file."""
        if self._rows or not self._packed:
            self._pack()
        with pq.ParquetWriter(target, SCHEMA, compression="zstd") as writer:
            for packed in self._packed:
                writer.write_table(pq.read_table(io.BytesIO(packed)), row_group_size=_ROWS)

    def _pack(self) -> None:
        columns = list(zip(*self._rows, strict=True)) or [()] * len(SCHEMA)
        table = pa.table(
            [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], SCHEMA
        )
        packed = io.BytesIO()
        pq.write_table(table, packed, compression="zstd")
        self._packed.append(packed.getvalue())
        self._rows = []
