"""Aside: records that never became documents, because they are damaged or nothing was in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from manifests.manifest import Manifest

_EXAMPLES = 5
_FIRST = 200
"""Characters shown of a damaged record."""
_LINE = {
    "reason": pl.String,
    "locator": pl.String,
    "detail": pl.String,
    "excerpt": pl.String,
}


@dataclass(frozen=True)
class AsideExample:
    """A record that was set aside: where it stands, what is wrong, and how it begins."""

    locator: str
    detail: str
    excerpt: str


@dataclass(frozen=True)
class Aside:
    """Records of a source that were set aside for one reason. ``kind`` is ``damaged`` or
    ``skipped``; examples are of the reason, whatever the source."""

    source: str
    kind: str
    reason: str
    records: int
    examples: list[AsideExample]


def set_aside(manifest: Manifest) -> list[Aside]:
    """All records that were set aside, by source and reason, damaged ones first."""
    examples = _examples(manifest)
    found = []
    for key, kind in (("quarantined", "damaged"), ("skipped", "skipped")):
        for source, counts in manifest.sources.items():
            found += [
                Aside(source, kind, reason, records, examples.get(reason, []))
                for reason, records in sorted(counts.get(key, {}).items())
            ]
    return found


def _examples(manifest: Manifest) -> dict[str, list[AsideExample]]:
    """The first records of every reason."""
    found: dict[str, list[AsideExample]] = {}
    for row in _lines(manifest):
        own = found.setdefault(row["reason"], [])
        if len(own) < _EXAMPLES:
            told = (row["locator"], row["detail"], row["excerpt"])
            own.append(AsideExample(*(text or "" for text in told)))
    return found


def _lines(manifest: Manifest) -> Iterator[dict[str, str]]:
    """Of every file a few lines a reason."""
    for name in manifest.quarantine:
        path = manifest.workspace / name
        if not path.exists() or not path.stat().st_size:
            continue
        yield from (
            pl.scan_ndjson(path, schema=_LINE)
            .with_columns(pl.col("excerpt").str.slice(0, _FIRST))
            .collect()
            .group_by("reason", maintain_order=True)
            .head(_EXAMPLES)
            .iter_rows(named=True)
        )
