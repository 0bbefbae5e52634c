"""Explain: one document followed through every stage, from the ledgers alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.documents import find_documents
from manifests.manifest import Manifest
from manifests.parts import documents_path, part_files, part_paths
from manifests.schema import KEEP, ROLE, ROLE_DOCUMENT, ROLE_MATCHES, SURVIVOR

_LONG_LIST = 16
"""Lists longer than this are shown by their length (the tokens of a document, for one)."""


class NotFoundError(LookupError):
    """No document matches."""


@dataclass(frozen=True)
class Match:
    """A span of the document beside what it matched; offsets in characters."""

    start: int
    end: int
    text: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Cut:
    """A span of the document that a stage took out of what is tokenized; offsets in bytes."""

    start: int
    end: int
    text: str
    reason: str


@dataclass
class Step:
    """What one stage did with the document. ``verdict`` is None for stages that only annotate."""

    stage: str
    verdict: str | None
    score: float | None
    threshold: float | None
    annotations: dict[str, Any] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    matches: list[Match] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)

    @property
    def witness(self) -> str | None:
        """The id of the kept document that this one was dropped for."""
        return self.references[SURVIVOR].split(" ")[0] if SURVIVOR in self.references else None


@dataclass
class Story:
    """A document and its steps; ``outcome`` says in words where it ended."""

    id: str
    source: str
    locator: str
    url: str | None
    n_bytes: int
    text: str
    steps: list[Step]
    outcome: str


def explain_document(manifest: Manifest, document: str, limit: int = 1) -> list[Story]:
    """Stories of the documents that match: by id (32 hexadecimal digits), locator, URL, or a piece
    of text, tried in this order.

    Raises NotFoundError when none does.
    """
    if not document.strip():
        raise NotFoundError("name a document: by id, locator, URL, or a piece of its text.")
    parts = dict(part_files(manifest))
    for way in _ways(document):
        found: list[tuple[int, int]] = []
        for part, files in parts.items():
            found += [(part, row) for row in _rows(documents_path(manifest, files), way)]
            if len(found) >= limit:
                break
        if found:
            return [_story(manifest, parts[part], row) for part, row in found[:limit]]
    aside = _set_aside(manifest, document)[:limit]
    if aside:
        return aside
    raise NotFoundError(
        f"no document has the id, locator or URL `{document}`, or that text in it, and nothing of"
        " that locator was set aside when sources were read and made."
    )


def _set_aside(manifest: Manifest, locator: str) -> list[Story]:
    """Records that never became documents, by locator: damaged ones, and those skipped."""
    stories = []
    made = [maker["name"] for maker in manifest.synthesis]
    for path in manifest.content["quarantine"]:
        step = next((name for name in made if path.startswith(f"store/{name}/")), "ingest")
        with (manifest.workspace / path).open(encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                if not str(record.get("locator", "")).endswith(locator):
                    continue
                detail = f" ({record['detail']})" if record.get("detail") else ""
                text = str(record.get("excerpt") or "")
                outcome = f"set aside by {step}: {record['reason']}{detail}"
                stories.append(
                    Story("—", step, record["locator"], None, len(text), text, [], outcome)
                )
    return stories


def _ways(document: str) -> list[pl.Expr]:
    ways = []
    if len(document) == 32 and all(c in "0123456789abcdef" for c in document.lower()):
        ways.append(pl.col("id") == bytes.fromhex(document))
    return [
        *ways,
        (pl.col("locator") == document) | (pl.col("url") == document),
        pl.col("locator").str.ends_with(document),
        pl.col("text").str.contains(document, literal=True),
    ]


def _rows(documents: Path, way: pl.Expr) -> list[int]:
    found = pl.scan_parquet(documents).with_row_index("row").filter(way).select("row").collect()
    return found["row"].to_list()


def _story(manifest: Manifest, files: pl.DataFrame, row: int) -> Story:
    paths = part_paths(manifest, files)
    document = pq.read_table(documents_path(manifest, files)).slice(row, 1).to_pylist()[0]
    text = document["text"]
    steps = []
    dropped: Step | None = None
    for name in manifest.stage_names:
        if dropped is not None:
            break
        step = _step(manifest, paths, name, row, text)
        if step is not None:
            steps.append(step)
            if step.verdict not in (None, KEEP):
                dropped = step
    return Story(
        id=document["id"].hex(),
        source=document["source"],
        locator=document["locator"],
        url=document["url"],
        n_bytes=len(text.encode()),
        text=text,
        steps=steps,
        outcome=f"dropped by {dropped.stage}: {dropped.verdict}"
        if dropped
        else _place(manifest, document["id"]),
    )


def _step(
    manifest: Manifest, paths: Mapping[tuple[str, str], Path], name: str, row: int, text: str
) -> Step | None:
    annotations = paths.get((name, "annotations"))
    if annotations is None:
        return None
    step = Step(name, None, None, None)
    verdicts = paths.get((name, "verdicts"))
    if verdicts is not None:
        verdict = pq.read_table(verdicts).slice(row, 1).to_pylist()[0]
        step.verdict, step.score = verdict["verdict"], verdict["score"]
        step.threshold = verdict["threshold"]
        step.cuts = _cuts(verdict.get("cuts") or [], text)
    table = pq.read_table(annotations).slice(row, 1)
    for column in table.schema:
        value = table[column.name][0].as_py()
        role = (column.metadata or {}).get(ROLE)
        if column.name == "id" or value is None:
            continue
        if role == ROLE_DOCUMENT:
            step.references[column.name] = _reference(manifest, value)
        elif role == ROLE_MATCHES:
            step.matches = [_match(item, text) for item in value]
        elif pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            step.annotations[column.name] = (
                value if len(value) <= _LONG_LIST else f"{len(value)} values"
            )
        else:
            step.annotations[column.name] = value.hex() if isinstance(value, bytes) else value
    return step


def _match(item: Mapping[str, Any], text: str) -> Match:
    start, end = int(item["start"]), int(item["end"])
    facts = {key: value for key, value in item.items() if key not in ("start", "end")}
    return Match(start, end, text[start:end], facts)


def _cuts(spans: list[dict[str, Any]], text: str) -> list[Cut]:
    whole = text.encode()
    return [
        Cut(span["start"], span["end"], whole[span["start"] : span["end"]].decode(), span["reason"])
        for span in spans
    ]


def _reference(manifest: Manifest, identity: bytes) -> str:
    """Another document as ``id (source: locator)``."""
    name = identity.hex()
    found = find_documents(manifest, [name], characters=0).get(name)
    return f"{name} ({found.source}: {found.locator})" if found else name


def _place(manifest: Manifest, identity: bytes) -> str:
    """Where a kept document stands in the shards."""
    for name in sorted(manifest.content["published"]):
        if not name.endswith(".arrow"):
            continue
        with pa.memory_map(str(manifest.workspace / name)) as file:
            ids = pa.ipc.open_stream(file).read_all()["id"].combine_chunks()
            row = ids.index(pa.scalar(identity, ids.type)).as_py()
        if row >= 0:
            return f"kept: row {row} of {name}"
    return "kept"
