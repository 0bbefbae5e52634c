"""A driver for ingest: files on disk in, documents, quarantine and counts out."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.schema import DOCUMENTS
from pipeline.fingerprint import sha256_of_file
from pipeline.source import InputFile
from pipeline.store import Store
from pipeline.task import Receipt, execute
from stages.ingest.config import IngestConfig, SourceConfig
from stages.ingest.stage import IngestFiles


@dataclass
class Ingested:
    """What a whole source came to; ``counts`` are added up over its tasks."""

    documents: pa.Table
    quarantine: list[dict[str, Any]]
    skipped: list[dict[str, Any]]
    receipts: list[Receipt]
    parts: list[Path]
    counts: dict[str, Any] = field(default_factory=dict)

    @property
    def texts(self) -> list[str]:
        return list(self.documents["text"].to_pylist())

    @property
    def locators(self) -> list[str]:
        return list(self.documents["locator"].to_pylist())

    @property
    def reasons(self) -> list[str]:
        return [entry["reason"] for entry in self.quarantine]


def input_files(folder: Path, names: Sequence[str] | None = None) -> list[InputFile]:
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    files = [
        InputFile(p.relative_to(folder).as_posix(), str(p), p.stat().st_size, sha256_of_file(p))
        for p in paths
    ]
    return [file for file in files if names is None or file.relative in names]


def ingest_folder(
    folder: Path,
    workspace: Path,
    names: Sequence[str] | None = None,
    config: dict[str, Any] | None = None,
    **source: Any,
) -> Ingested:
    stage = IngestFiles(IngestConfig(**(config or {})))
    checked = SourceConfig(**{"name": "source", "path": "x", **source})
    store = Store(workspace)
    tasks = stage.tasks(checked, input_files(folder, names))
    receipts = [execute(task, store)[0] for task in tasks]
    parts, quarantine, skipped = [], [], []
    counts: dict[str, Any] = {"records": 0, "record_bytes": 0, "quarantined": {}, "skipped": {}}
    for receipt in receipts:
        value = receipt.value
        rows = 0
        for made in value["parts"]:
            path = store.path(receipt.path(made["file"]))
            table = pq.read_table(path)
            assert table.num_rows == made["rows"] > 0
            assert (
                sum(len(text.encode()) for text in table["text"].to_pylist())
                == (made["text_bytes"])
            )
            rows += table.num_rows
            parts.append(path)
        lines = store.path(receipt.path("quarantine.jsonl")).read_text().splitlines()
        damaged = [json.loads(line) for line in lines]
        assert by_reason(damaged) == value["quarantined"]
        lines = store.path(receipt.path("skipped.jsonl")).read_text().splitlines()
        left_out = [json.loads(line) for line in lines]
        assert by_reason(left_out) == value["skipped"]
        lost = sum(entry["rows"] for entry in damaged)
        assert value["records"] == rows + lost + len(left_out)
        quarantine += damaged
        skipped += left_out
        counts["records"] += value["records"]
        counts["record_bytes"] += value["record_bytes"]
        for kind in ("quarantined", "skipped"):
            for reason, count in value[kind].items():
                counts[kind][reason] = counts[kind].get(reason, 0) + count
    assert all(len(entry["excerpt"]) <= 500 for entry in quarantine)
    tables = [pq.read_table(part) for part in parts]
    assert all(table.schema.equals(DOCUMENTS) for table in tables)
    documents = pa.concat_tables(tables) if tables else DOCUMENTS.empty_table()
    ids = documents["id"].to_pylist()
    assert len(set(ids)) == len(ids)
    places = [entry["locator"] for entry in skipped]
    assert len({*places, *documents["locator"].to_pylist()}) == len(places) + len(ids)
    return Ingested(documents, quarantine, skipped, receipts, parts, counts)


def by_reason(entries: list[dict[str, Any]]) -> dict[str, int]:
    """How many records the lines of a quarantine or of a list of skipped records stand for."""
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry["reason"]] = counts.get(entry["reason"], 0) + entry.get("rows", 1)
    return counts


Ingest = Callable[..., Ingested]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """The folder that a test puts its raw files into."""
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


@pytest.fixture
def ingest(raw: Path, tmp_path: Path) -> Ingest:
    """Ingests the files of ``raw``: ``ingest(names, config={...}, format=..., …)``. Every call
    checks schema, conservation, part sizes and that ids are unique."""

    def run(
        names: Sequence[str] | None = None, config: dict[str, Any] | None = None, **source: Any
    ) -> Ingested:
        return ingest_folder(raw, tmp_path / "workspace", names, config, **source)

    return run
