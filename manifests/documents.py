"""Documents of a built corpus by their ids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from manifests.manifest import Manifest
from manifests.parts import documents_path, part_files


@dataclass(frozen=True)
class Document:
    """A document: ``id`` in hexadecimal, and of its text what was asked for."""

    id: str
    source: str
    locator: str
    n_bytes: int
    text: str


def find_documents(
    manifest: Manifest, ids: Iterable[str], characters: int | None = None
) -> dict[str, Document]:
    """The documents with these ids (hexadecimal), by id, with at most so many ``characters`` of
    their texts. Ids that the corpus does not hold are left out. Parts are read until all are found.
    """
    missing = set(ids)
    found: dict[str, Document] = {}
    text = pl.col("text") if characters is None else pl.col("text").str.slice(0, characters)
    for _, files in part_files(manifest):
        if not missing:
            break
        rows = (
            pl.scan_parquet(documents_path(manifest, files))
            .filter(pl.col("id").is_in([bytes.fromhex(name) for name in sorted(missing)]))
            .select(
                pl.col("id").bin.encode("hex"),
                pl.col("source").cast(pl.String),
                "locator",
                pl.col("text").str.len_bytes().alias("n_bytes"),
                text.alias("text"),
            )
            .collect()
        )
        for row in rows.rows():
            found[row[0]] = Document(*row)
            missing.discard(row[0])
    return found
