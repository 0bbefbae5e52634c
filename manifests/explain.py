"""Explain: one document followed through every stage, from the ledgers alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from manifests.documents import find_documents
from manifests.earlier import earlier_corpora
from manifests.manifest import Manifest
from manifests.parquet import read_rows
from manifests.parts import documents_path, part_files, part_paths
from manifests.schema import KEEP, ROLE, ROLE_DOCUMENT, ROLE_MATCHES, SURVIVOR

_LONG_LIST = 16
"""Lists longer than this are shown by their length (the tokens of a document, for one)."""

_LEAST_DIGITS = 8
"""Digits of an id from which on its beginning is looked for: what tables show of it."""

KEPT = "kept"
"""The outcome of a document that no stage dropped."""


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
    """A document and its steps; ``outcome`` says in words where it ended. ``metadata`` is what came
    with it; of a synthetic document, under ``synthesis``, the chain that it was made by."""

    id: str
    source: str
    locator: str
    url: str | None
    n_bytes: int
    text: str
    steps: list[Step]
    outcome: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


def explain_document(manifest: Manifest, document: str, limit: int = 1) -> list[Story]:
    """Stories of the documents that match: by id (hexadecimal, its first 8 digits or more),
    locator, URL, or a piece of text, tried in this order.

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
            return _stories(manifest, parts, found[:limit])
    aside = set_aside(manifest, document)[:limit]
    if aside:
        return aside
    raise NotFoundError(
        f"no document has the id, locator or URL `{document}`, or that text in it, and nothing of"
        " that locator was set aside when sources were read and made."
    )


def explain_documents(manifest: Manifest, ids: Sequence[str]) -> list[Story]:
    """The stories of documents by their ids (hexadecimal), in the order given. Every ledger is
    opened once. Raises NotFoundError naming an id that the corpus does not hold."""
    wanted = [bytes.fromhex(name) for name in ids]
    parts = dict(part_files(manifest))
    places: dict[bytes, tuple[int, int]] = {}
    for part, files in parts.items():
        if len(places) == len(set(wanted)):
            break
        found = (
            pl.scan_parquet(documents_path(manifest, files))
            .select("id")
            .with_row_index("row")
            .filter(pl.col("id").is_in(sorted(set(wanted))))
            .collect()
        )
        places |= {identity: (part, row) for row, identity in found.rows()}
    missing = next((name for name in wanted if name not in places), None)
    if missing is not None:
        raise NotFoundError(f"no document has the id {missing.hex()}.")
    return _stories(manifest, parts, [places[name] for name in wanted])


def set_aside(manifest: Manifest, locator: str) -> list[Story]:
    """Records that never became documents, by locator: damaged ones, and those skipped."""
    stories = []
    made = [maker["name"] for maker in manifest.synthesis]
    for path in manifest.quarantine:
        step = next((name for name in made if path.startswith(f"store/{name}/")), "ingest")
        with (manifest.workspace / path).open(encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                if not str(record.get("locator", "")).endswith(locator):
                    continue
                detail = f" ({record['detail']})" if record.get("detail") else ""
                text = str(record.get("excerpt") or "")
                outcome = f"set aside by {step}: {record['reason']}{detail}"
                told, size = record.get("metadata") or {}, len(text.encode())
                where = record["locator"]
                stories.append(Story("—", step, where, None, size, text, [], outcome, told))
    return stories


def _ways(document: str) -> list[pl.Expr]:
    ways = []
    digits = document.lower()
    if _LEAST_DIGITS <= len(digits) <= 32 and all(c in "0123456789abcdef" for c in digits):
        whole = digits[: len(digits) // 2 * 2]
        starts = pl.col("id").bin.starts_with(bytes.fromhex(whole))
        ways.append(starts & pl.col("id").bin.encode("hex").str.starts_with(digits))
    return [
        *ways,
        (pl.col("locator") == document) | (pl.col("url") == document),
        pl.col("locator").str.ends_with(document),
        pl.col("text").str.contains(document, literal=True),
    ]


def _rows(documents: Path, way: pl.Expr) -> list[int]:
    found = pl.scan_parquet(documents).with_row_index("row").filter(way).select("row").collect()
    return found["row"].to_list()


def _stories(
    manifest: Manifest, parts: Mapping[int, pl.DataFrame], places: Sequence[tuple[int, int]]
) -> list[Story]:
    """The stories of documents by part and row, in the order given."""
    by_part: dict[int, list[int]] = {}
    for part, row in places:
        by_part.setdefault(part, []).append(row)
    told = {
        (part, row): story
        for part, rows in by_part.items()
        for row, story in zip(rows, _part_stories(manifest, parts[part], rows), strict=True)
    }
    stories = [told[place] for place in places]
    _name_references(manifest, stories)
    _find_places(manifest, [story for story in stories if story.outcome == KEPT])
    return stories


def _part_stories(manifest: Manifest, files: pl.DataFrame, rows: Sequence[int]) -> list[Story]:
    """The stories of some rows of a part, references as bare ids."""
    paths = part_paths(manifest, files)
    stories = []
    for document in read_rows(documents_path(manifest, files), rows).to_pylist():
        text = document["text"]
        stories.append(
            Story(
                id=document["id"].hex(),
                source=document["source"],
                locator=document["locator"],
                url=document["url"],
                n_bytes=len(text.encode()),
                text=text,
                steps=[],
                outcome=KEPT,
                metadata=json.loads(document["metadata"] or "{}"),
            )
        )
    for name in manifest.stage_names:
        if (name, "annotations") not in paths:
            continue
        annotations = read_rows(paths[name, "annotations"], rows)
        decided = paths.get((name, "verdicts"))
        verdicts = None if decided is None else read_rows(decided, rows).to_pylist()
        for number, story in enumerate(stories):
            if story.outcome != KEPT:
                continue
            verdict = None if verdicts is None else verdicts[number]
            step = _step(name, annotations.slice(number, 1), verdict, story.text)
            story.steps.append(step)
            if step.verdict not in (None, KEEP):
                story.outcome = f"dropped by {name}: {step.verdict}"
    return stories


def _step(name: str, annotations: pa.Table, verdict: dict[str, Any] | None, text: str) -> Step:
    step = Step(name, None, None, None)
    if verdict is not None:
        step.verdict, step.score = verdict["verdict"], verdict["score"]
        step.threshold = verdict["threshold"]
        step.cuts = _cuts(verdict.get("cuts") or [], text)
    for column in annotations.schema:
        value = annotations[column.name][0].as_py()
        role = (column.metadata or {}).get(ROLE)
        if column.name == "id" or value is None:
            continue
        if role == ROLE_DOCUMENT:
            step.references[column.name] = value.hex()
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


def _name_references(manifest: Manifest, stories: Sequence[Story]) -> None:
    """Tells other documents as ``id (source: locator)``."""
    steps = [step for story in stories for step in story.steps if step.references]
    names = {name for step in steps for name in step.references.values()}
    found = find_documents(manifest, names, characters=0)
    for step in steps:
        elsewhere = _elsewhere(manifest, step)
        step.references = {
            column: f"{name} ({found[name].source}: {found[name].locator})"
            if name in found
            else f"{name}{elsewhere}"
            for column, name in step.references.items()
        }


def _elsewhere(manifest: Manifest, step: Step) -> str:
    """Where documents stand that are not of this corpus, and how to ask about them."""
    label = step.annotations.get("corpus")
    corpus = None if label is None else earlier_corpora(manifest, step.stage).get(str(label))
    return "" if corpus is None else f" (in the earlier corpus {corpus}, where explain knows it)"


def _find_places(manifest: Manifest, stories: Sequence[Story]) -> None:
    """Tells where kept documents stand in the shards."""
    missing = {bytes.fromhex(story.id): story for story in stories}
    for name in sorted(manifest.published):
        if not missing or not name.endswith(".arrow"):
            continue
        with pa.memory_map(str(manifest.workspace / name)) as file:
            ids = pa.ipc.open_stream(file).read_all()["id"].combine_chunks()
            wanted = pa.array(list(missing), ids.type)
            for row, place in enumerate(pc.index_in(wanted, ids).to_pylist()):
                if place is not None:
                    story = missing.pop(wanted[row].as_py())
                    story.outcome = f"{KEPT}: row {place} of {name}"
