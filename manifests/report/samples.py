"""Samples: a few of the documents that were dropped for every reason, to read."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from manifests.documents import Document, find_documents
from manifests.manifest import Manifest
from manifests.reasons import sample_order
from manifests.schema import KEEP

EXCERPT = 400
"""Characters of a document that are shown."""


@dataclass(frozen=True)
class DroppedDocument:
    """A document with the beginning of its text, and the score that was compared with a
    threshold, where there is one."""

    document: Document
    score: float | None
    threshold: float | None


@dataclass(frozen=True)
class DroppedSample:
    """Some of the documents that a stage dropped for one reason; how many there are in all, and
    how many bytes."""

    stage: str
    reason: str
    documents: int
    bytes: int
    sample: list[DroppedDocument]


def dropped_samples(manifest: Manifest, each: int = 10, seed: int = 0) -> list[DroppedSample]:
    """At most ``each`` documents of every reason, in the order of the stages, the most frequent
    reason first.

    Ids are hashes, so the ones that follow a point (chosen by ``seed``) in their order are a
    uniform sample; it depends on nothing but ids and seed. In memory is one part's ledger. Raises
    FileNotFoundError when ledgers are gone.
    """
    order = sample_order(seed)
    chosen = {stage: _chosen(manifest, stage, each, order) for stage in manifest.stage_names}
    ids = [name for rows in chosen.values() for name in rows["id"].bin.encode("hex")]
    documents = find_documents(manifest, ids, EXCERPT)
    found = []
    for stage, rows in chosen.items():
        by_reason: dict[str, list[DroppedDocument]] = {}
        for identity, reason, score, threshold in rows.rows():
            one = DroppedDocument(documents[identity.hex()], score, threshold)
            by_reason.setdefault(reason, []).append(one)
        counts = manifest.stage(stage)["dropped"]
        found += [
            DroppedSample(stage, reason, counts[reason]["documents"], counts[reason]["bytes"], some)
            for reason, some in sorted(
                by_reason.items(), key=lambda item: (-counts[item[0]]["documents"], item[0])
            )
        ]
    return found


def _chosen(
    manifest: Manifest, stage: str, each: int, order: tuple[pl.Expr, pl.Expr]
) -> pl.DataFrame:
    """``id, verdict, score, threshold`` of the documents that are shown."""
    rows = pl.DataFrame(
        schema={
            "id": pl.Binary,
            "verdict": pl.String,
            "score": pl.Float64,
            "threshold": pl.Float64,
        }
    )
    files = manifest.files.filter((pl.col("stage") == stage) & (pl.col("role") == "verdicts"))
    for path in files["path"]:
        dropped = (
            pl.scan_parquet(manifest.workspace / path)
            .select("id", pl.col("verdict").cast(pl.String), "score", "threshold")
            .filter(pl.col("verdict") != KEEP)
            .collect()
        )
        rows = (
            pl.concat([rows, dropped])
            .sort(order)
            .group_by("verdict", maintain_order=True)
            .head(each)
            .select(rows.columns)
        )
    return rows
