"""Writing documents parts, the quarantine and the list of skipped records of one ingest task."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.schema import DOCUMENTS
from stages.ingest.config import IngestConfig
from stages.ingest.record import EXCERPT, Found, Outcome, Quarantined, Skipped

Json = Any
QUARANTINE_FILE = "quarantine.jsonl"
SKIPPED_FILE = "skipped.jsonl"
_ZSTD_LEVEL = 3


def document_id(source: str, locator: str) -> bytes:
    """16 bytes: BLAKE2b-128 of the source's name, a zero byte, and the locator."""
    return hashlib.blake2b(f"{source}\0{locator}".encode(), digest_size=16).digest()


def normalized(text: str) -> str:
    """The text in Unicode NFC with ``\\n`` as its only line end (``\\r\\n`` and ``\\r`` become
    it)."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text)


class DocumentsWriter:
    """Takes outcomes in order; writes ``part-00000.parquet`` …, ``quarantine.jsonl``,
    ``skipped.jsonl`` (reason and locator of every skipped record) and counts.

    Bytes written depend on the outcomes and the config only.
    """

    def __init__(self, folder: Path, source: str, config: IngestConfig) -> None:
        self.folder = folder
        self.source = source
        self.config = config
        self.parts: list[dict[str, Json]] = []
        self.records = self.record_bytes = 0
        self.quarantined: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self._columns: dict[str, list[Any]] = {name: [] for name in DOCUMENTS.names}
        self._held_bytes = 0
        self._part: pq.ParquetWriter | None = None
        self._quarantine: IO[str] = (folder / QUARANTINE_FILE).open("w", encoding="ascii")
        self._skipped: IO[str] = (folder / SKIPPED_FILE).open("w", encoding="ascii")

    def add(self, outcome: Outcome) -> None:
        """Counts an outcome, and writes it where it belongs."""
        self.records += outcome.rows if isinstance(outcome, Quarantined) else 1
        self.record_bytes += outcome.size
        if isinstance(outcome, Found):
            outcome = self._add_document(outcome)
        if isinstance(outcome, Skipped):
            self.skipped[outcome.reason] += 1
            line: dict[str, Json] = {
                "reason": outcome.reason,
                "locator": _writable(outcome.locator),
            }
            line |= {"detail": outcome.detail} if outcome.detail else {}
            line |= {"excerpt": outcome.excerpt} if outcome.excerpt else {}
            if outcome.metadata is not None:
                line["metadata"] = json.loads(outcome.metadata)
            self._skipped.write(json.dumps(line) + "\n")
        elif isinstance(outcome, Quarantined):
            self.quarantined[outcome.reason] += outcome.rows
            entry = {
                "reason": outcome.reason,
                "source": self.source,
                "locator": _writable(outcome.locator),
                "rows": outcome.rows,
                "detail": outcome.detail,
                "excerpt": outcome.excerpt,
            }
            self._quarantine.write(json.dumps(entry) + "\n")

    def _add_document(self, found: Found) -> Found | Quarantined | Skipped:
        text = normalized(found.text)
        try:
            size = len(text) if text.isascii() else len(text.encode())
        except UnicodeEncodeError as error:
            return _refused(found, "lone_surrogate", str(error))
        if size > self.config.max_document_bytes:
            return Skipped("too_long", found.locator, found.size)
        if not text or text.isspace():
            return Skipped("empty_text", found.locator, found.size)
        if "\0" in text:
            return _refused(found, "nul_bytes", f"a NUL character at {text.index(chr(0))}")
        locator = _writable(found.locator)
        columns = self._columns
        columns["id"].append(document_id(self.source, locator))
        columns["text"].append(text)
        columns["locator"].append(locator)
        columns["url"].append(_writable_or_none(found.url))
        columns["timestamp"].append(_writable_or_none(found.timestamp))
        columns["license"].append(_writable_or_none(found.license))
        columns["metadata"].append(_writable_or_none(found.metadata))
        self._held_bytes += size
        written = self.parts[-1]["text_bytes"] if self._part is not None else 0
        full = written + self._held_bytes >= self.config.part_bytes
        if full or self._held_bytes >= self.config.row_group_bytes:
            self._write_row_group()
        if full:
            self._close_part()
        return found

    def _write_row_group(self) -> None:
        rows = len(self._columns["id"])
        if not rows:
            return
        if self._part is None:
            file = f"part-{len(self.parts):05d}.parquet"
            self._part = pq.ParquetWriter(
                self.folder / file,
                DOCUMENTS,
                compression="zstd",
                compression_level=_ZSTD_LEVEL,
                use_dictionary=["source", "license"],
                write_statistics=False,
            )
            self.parts.append({"file": file, "rows": 0, "text_bytes": 0})
        index = pa.repeat(pa.scalar(0, pa.int32()), rows)
        arrays = [
            pa.DictionaryArray.from_arrays(index, [self.source])
            if field.name == "source"
            else pa.array(self._columns[field.name], field.type)
            for field in DOCUMENTS
        ]
        self._part.write_table(pa.Table.from_arrays(arrays, schema=DOCUMENTS), row_group_size=rows)
        self.parts[-1]["rows"] += rows
        self.parts[-1]["text_bytes"] += self._held_bytes
        self._columns = {name: [] for name in DOCUMENTS.names}
        self._held_bytes = 0

    def _close_part(self) -> None:
        if self._part is not None:
            self._part.close()
            self._part = None

    def finish(self) -> dict[str, Json]:
        """Writes what is held and returns the task's value (see ``pipeline.source.Ingest``)."""
        self._write_row_group()
        self._close_part()
        self._quarantine.close()
        self._skipped.close()
        return {
            "parts": self.parts,
            "records": self.records,
            "record_bytes": self.record_bytes,
            "quarantined": dict(sorted(self.quarantined.items())),
            "skipped": dict(sorted(self.skipped.items())),
        }


def _refused(found: Found, reason: str, detail: str) -> Quarantined:
    return Quarantined(reason, found.locator, detail, found.text[:EXCERPT], found.size)


def _writable(text: str) -> str:
    """The string with lone surrogates, which UTF-8 cannot hold, as ``\\ud800`` (as in JSON)."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()


def _writable_or_none(text: str | None) -> str | None:
    return None if text is None else _writable(text)
