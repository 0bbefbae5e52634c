"""The sources of a corpus as a card tells them: how they were read, licences, times."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from manifests.effects import kept_of
from manifests.manifest import Manifest
from manifests.provenance import Provenance
from manifests.schema import Json

_ARCHIVE, _DATASET, _SYNTHETIC = "web archive", "dataset files", "made by this pipeline"
_KINDS = {
    "warc": _ARCHIVE,
    "wet": _ARCHIVE,
    "jsonl": _DATASET,
    "ndjson": _DATASET,
    "json": _DATASET,
    "parquet": _DATASET,
}
"""What a source is, by the format that it was read as."""
_ATOM = re.compile(r"\s+(?:AND|OR|WITH)\s+|[()]")
"""What stands between the licences of an SPDX expression."""


@dataclass(frozen=True)
class Source:
    """One source. ``licenses``: kept documents by licence, None for those without; ``period``:
    first and last day of the documents that say when; empty where documents cannot be read."""

    name: str
    kind: str
    files: int
    stored_bytes: int
    records: int
    documents: int
    kept: int
    tokens: int
    licenses: Mapping[str | None, int]
    period: tuple[str, ...]

    @property
    def crawled(self) -> bool:
        """Whether it was read from archives of a crawler."""
        return self.kind == _ARCHIVE

    @property
    def synthetic(self) -> bool:
        """Whether a maker of the recipe made it."""
        return self.kind == _SYNTHETIC


def sources_of(manifest: Manifest, provenance: Provenance | None) -> list[Source]:
    """All sources, synthetic ones last."""
    content = manifest.content
    kept = {row["group"]: row for row in kept_of(manifest.cube, "source").iter_rows(named=True)}
    licenses: dict[str, dict[str | None, int]] = {}
    periods: dict[str, tuple[str, ...]] = {}
    if provenance is not None:
        for name, license_name, documents in provenance.licenses.iter_rows():
            licenses.setdefault(name, {})[license_name] = documents
        periods = {row[0]: (row[1], row[2]) for row in provenance.times.iter_rows()}

    def source(name: str, kind: str, inputs: Mapping[str, int], counts: Json) -> Source:
        amount = kept.get(name, {"documents": 0, "tokens": 0})
        return Source(
            name,
            kind,
            inputs["files"],
            inputs["bytes"],
            counts["records"],
            counts["documents"],
            amount["documents"],
            amount["tokens"],
            licenses.get(name, {}),
            periods.get(name, ()),
        )

    nothing = {"files": 0, "bytes": 0}
    found = [
        source(
            each["name"],
            _kind(each),
            content["inputs"][each["name"]],
            content["ingest"]["sources"][each["name"]],
        )
        for each in content["recipe"]["sources"]
    ]
    made = (maker for maker in content.get("synthesis", ()) if "documents" in maker)
    return found + [source(maker["name"], _SYNTHETIC, nothing, maker) for maker in made]


def _kind(source: Mapping[str, Json]) -> str:
    """By the declared format, else by the names of the files; files of any kind otherwise."""
    form = source.get("format", "auto")
    if form == "auto":
        paths = [source["path"]] if isinstance(source["path"], str) else source["path"]
        endings = {_ending(path) for path in paths}
        form = endings.pop() if len(endings) == 1 else "auto"
    return _KINDS.get(form, "files")


def _ending(path: str) -> str:
    return path.removesuffix(".gz").removesuffix(".zst").rpartition(".")[2].lower()


def license_names(sources: list[Source]) -> Iterator[str | None]:
    """Every licence that kept documents name, apart where several are joined by AND, OR or WITH;
    None where documents name none."""
    for source in sources:
        for expression in source.licenses:
            if expression is None:
                yield None
            else:
                yield from filter(None, (atom.strip() for atom in _ATOM.split(expression)))
