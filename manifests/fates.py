"""Fates: for every document the stage that dropped it and the reason, from the ledgers."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from manifests.manifest import Manifest
from manifests.schema import KEEP


def part_files(manifest: Manifest) -> Iterator[tuple[int, pl.DataFrame]]:
    """Every part's files (stage, role, path, rows), parts in order."""
    for (part,), files in manifest.files.sort("part", maintain_order=True).group_by(
        "part", maintain_order=True
    ):
        yield int(str(part)), files


def fates(manifest: Manifest) -> pl.DataFrame:
    """One row a document: ``id``, ``source``, ``locator``, ``dropped_by`` and ``reason`` (both null
    for what was kept).

    Raises FileNotFoundError when ledgers of the manifest are no longer in its workspace.
    """
    order = {name: index for index, name in enumerate(manifest.stage_names)}
    frames = []
    for _, files in part_files(manifest):
        root = manifest.workspace
        by_role = {(f["stage"], f["role"]): root / f["path"] for f in files.iter_rows(named=True)}
        documents = next(path for (_, role), path in by_role.items() if role == "documents")
        frame = pl.read_parquet(documents, columns=["id", "source", "locator"]).with_columns(
            pl.col("source").cast(pl.String),
            pl.lit(None, pl.String).alias("dropped_by"),
            pl.lit(None, pl.String).alias("reason"),
        )
        deciding = sorted(
            (stage for stage, role in by_role if role == "verdicts"), key=lambda name: order[name]
        )
        for stage in deciding:
            verdict = pl.read_parquet(by_role[stage, "verdicts"], columns=["verdict"])["verdict"]
            verdict = verdict.cast(pl.String)
            dropped = (verdict != KEEP).fill_null(False)
            frame = frame.with_columns(
                pl.when(dropped).then(pl.lit(stage)).otherwise("dropped_by").alias("dropped_by"),
                pl.when(dropped).then(verdict).otherwise("reason").alias("reason"),
            )
        frames.append(frame)
    return pl.concat(frames) if frames else pl.DataFrame()
