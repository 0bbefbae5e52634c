"""Writing synthetic documents: every sample that was asked for is kept, or dropped for a reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pipeline.task import Json
from stages.ingest.config import IngestConfig
from stages.ingest.record import EXCERPT, Found, Skipped
from stages.ingest.write import DocumentsWriter


class SyntheticWriter:
    """Takes samples in order; writes what ``pipeline.source.Ingest`` tasks write."""

    def __init__(self, folder: Path, source: str, part_bytes: int = 128_000_000) -> None:
        self._writer = DocumentsWriter(folder, source, IngestConfig(part_bytes=part_bytes))

    def keep(self, locator: str, text: str, metadata: Mapping[str, Json]) -> None:
        """A document. ``locator`` is unique within the source, and the same in every build."""
        told = json.dumps(metadata, sort_keys=True, ensure_ascii=False)
        self._writer.add(Found(text, locator, len(text.encode()), metadata=told))

    def drop(
        self,
        reason: str,
        locator: str,
        text: str,
        metadata: Mapping[str, Json],
        detail: str = "",
    ) -> None:
        """A sample that becomes no document: why, and its text and chain for whoever asks."""
        size = len(text.encode("utf-8", "surrogatepass"))
        told = json.dumps(metadata, sort_keys=True, ensure_ascii=False)
        self._writer.add(Skipped(reason, locator, size, detail, text[: 4 * EXCERPT], told))

    def finish(self) -> dict[str, Json]:
        """Writes what is held; returns a task's value (see ``pipeline.source.Ingest``)."""
        return self._writer.finish()
