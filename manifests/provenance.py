"""Provenance: what the documents that were kept say of themselves: licences, times, hosts."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from manifests.fates import KEPT, FateNames, fate_files
from manifests.hosts import host_of
from manifests.manifest import Manifest
from manifests.parquet import read_columns

_COLUMNS = ["source", "url", "timestamp", "license"]
_DAY = r"^(\d{4}-\d{2}-\d{2})(?:\D|$)"
"""An ISO 8601 time. What records call their time may be anything; other forms are not read."""
_HELD = 64
"""Counts of so many parts are held before they are added up."""


@dataclass(frozen=True)
class Provenance:
    """Counts of kept documents.

    ``licenses``: columns source, license (null where a document names none), documents.
    ``times``: columns source, first, last (days, ``2024-05-31``), documents that have a time.
    ``hosts``: columns host, documents; the most frequent first.
    """

    licenses: pl.DataFrame
    times: pl.DataFrame
    hosts: pl.DataFrame


def find_provenance(manifest: Manifest) -> Provenance:
    """Reads small columns of all documents, part by part; no texts.

    Raises FileNotFoundError when documents or ledgers are no longer in the workspace.
    """
    names = FateNames()
    tallies = (_by_license, _by_time, _by_host)
    held: list[list[pl.DataFrame]] = [[tally(_read(None))] for tally in tallies]
    for part in fate_files(manifest):
        kept = part.fates(names) == KEPT
        frame = _read(read_columns(part.documents, _COLUMNS).filter(pa.array(kept)))
        for pieces, tally in zip(held, tallies, strict=True):
            pieces.append(tally(frame))
            if len(pieces) == _HELD:
                pieces[:] = [tally(pl.concat(pieces))]
    licenses, times, hosts = (
        tally(pl.concat(pieces)) for pieces, tally in zip(held, tallies, strict=True)
    )
    return Provenance(
        licenses.sort("source", "license"),
        times.sort("source"),
        hosts.sort("documents", "host", descending=[True, False]),
    )


def _read(documents: pa.Table | None) -> pl.DataFrame:
    """The columns that are tallied, of a part or of none."""
    if documents is None:
        documents = pa.table({name: pa.nulls(0, pa.string()) for name in _COLUMNS})
    day = pl.col("timestamp").str.extract(_DAY)
    return pl.DataFrame(pl.from_arrow(documents)).select(
        pl.col("source").cast(pl.String),
        "license",
        day.alias("first"),
        day.alias("last"),
        host_of(pl.col("url")).alias("host"),
        pl.lit(1, pl.Int64).alias("documents"),
    )


# Each of these adds up documents, or what it made of documents before.


def _by_license(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.group_by("source", "license").agg(pl.col("documents").sum())


def _by_time(frame: pl.DataFrame) -> pl.DataFrame:
    return (
        frame.drop_nulls("first")
        .group_by("source")
        .agg(pl.col("first").min(), pl.col("last").max(), pl.col("documents").sum())
    )


def _by_host(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop_nulls("host").group_by("host").agg(pl.col("documents").sum())
