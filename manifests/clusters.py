"""Clusters: the documents that a deduplication found to be alike, from its ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from manifests.documents import Document, find_documents
from manifests.earlier import earlier_corpora
from manifests.manifest import Manifest
from manifests.parts import documents_path, part_files, part_paths
from manifests.schema import SURVIVOR

_KEYS = (("cluster", "cluster_size"), ("hash", "copies"))
"""Pairs of annotations that say which documents are one group, and how many these are."""
FIRST_CHARACTERS = 160
"""Characters of a document's text that a member carries."""


@dataclass(frozen=True)
class Member:
    """A document of a cluster. ``witness`` is the kept document that it was dropped for (None: it
    is kept), ``jaccard`` the verified similarity with it (None: the two were never compared).
    ``corpus`` is the earlier corpus that holds the witness (None: this one)."""

    id: str
    source: str
    locator: str
    n_bytes: int
    first: str
    witness: str | None
    jaccard: float | None
    corpus: str | None = None


@dataclass(frozen=True)
class Cluster:
    """A cluster with some of its members: dropped ones, those least like their witness first, after
    the kept ones that are their witnesses.

    ``size`` counts all members, ``earlier`` those in earlier corpora, ``kept`` those of this corpus
    without a witness, ``sources`` all of this corpus by source.
    """

    stage: str
    id: str
    size: int
    kept: int
    sources: Mapping[str, int]
    members: list[Member]
    earlier: int = 0


def deduplications(manifest: Manifest) -> list[str]:
    """The stages whose ledgers hold clusters, in the order they ran."""
    return [
        name
        for name in manifest.stage_names
        if any(_columns(path) is not None for path in _annotations(manifest, name)[:1])
    ]


def largest_clusters(
    manifest: Manifest, stage: str, most: int = 10, members: int = 10
) -> list[Cluster]:
    """The ``most`` largest clusters that a stage found, each with so many of its dropped
    ``members`` and their witnesses.

    Clusters of equal size are in the order of their ids. In memory are the names of one part's
    clusters, and ids and scores of the members of the largest. Empty for other stages.
    """
    largest = pl.DataFrame(schema={"key": pl.String, "size": pl.Int64})
    for ledger in _ledgers(manifest, stage):
        found = pl.concat([largest, ledger.select("key", "size")]).unique()
        largest = found.sort("size", "key", descending=[True, False]).head(most)
    pieces = [
        ledger.filter(pl.col("key").is_in(largest["key"].implode()))
        for ledger in _ledgers(manifest, stage)
    ]
    if not pieces or not len(largest):
        return []
    groups = {
        str(key): group.sort("jaccard", "id", nulls_last=False)
        for (key,), group in pl.concat(pieces).group_by("key")
    }
    shown = {key: _shown(group, members) for key, group in groups.items()}
    ids = [name for rows in shown.values() for name in rows["id"]]
    documents = find_documents(manifest, ids, FIRST_CHARACTERS)
    corpora = earlier_corpora(manifest, stage)
    return [
        _cluster(stage, key, size, groups[key], shown[key], documents, corpora)
        for key, size in largest.rows()
    ]


def _shown(group: pl.DataFrame, members: int) -> pl.DataFrame:
    """The first dropped members, after their witnesses."""
    dropped = group.filter(pl.col("witness").is_not_null()).head(members)
    witnesses = group.filter(pl.col("id").is_in(dropped["witness"].implode()))
    return pl.concat([witnesses.sort("id"), dropped])


def _cluster(
    stage: str,
    key: str,
    size: int,
    group: pl.DataFrame,
    shown: pl.DataFrame,
    documents: Mapping[str, Document],
    corpora: Mapping[str, str],
) -> Cluster:
    counts = group.group_by("source").len().sort("len", "source", descending=[True, False])
    return Cluster(
        stage=stage,
        id=key,
        size=size,
        kept=int(group["witness"].is_null().sum()),
        earlier=size - len(group),
        sources=dict(counts.rows()),
        members=[
            Member(
                id=name,
                source=documents[name].source,
                locator=documents[name].locator,
                n_bytes=documents[name].n_bytes,
                first=documents[name].text,
                witness=witness,
                jaccard=jaccard,
                corpus=corpora.get(corpus, corpus),
            )
            for name, witness, jaccard, corpus in shown.select(
                "id", "witness", "jaccard", "corpus"
            ).rows()
        ],
    )


def _ledgers(manifest: Manifest, stage: str) -> Iterator[pl.DataFrame]:
    """By part, the documents in clusters of two and more: ``id``, ``key`` and ``witness``
    (hexadecimal), ``size``, ``jaccard``, ``corpus``, ``source``."""
    for _, files in part_files(manifest):
        annotations = part_paths(manifest, files).get((stage, "annotations"))
        if annotations is None:
            continue
        columns = _columns(annotations)
        if columns is None:
            return
        key, size = columns
        names = pq.read_schema(annotations).names
        # without the column, documents are grouped by a hash of all that counts in them
        jaccard = pl.col("jaccard") if "jaccard" in names else pl.lit(1.0)
        ledger = pl.scan_parquet(annotations).select(
            pl.col("id").bin.encode("hex"),
            pl.col(key).bin.encode("hex").alias("key"),
            pl.col(size).cast(pl.Int64).alias("size"),
            pl.col(SURVIVOR).bin.encode("hex").alias("witness"),
            jaccard.cast(pl.Float64).round(4).alias("jaccard"),
            pl.col("corpus") if "corpus" in names else pl.lit(None, pl.String).alias("corpus"),
        )
        sources = pl.scan_parquet(documents_path(manifest, files)).select(
            pl.col("source").cast(pl.String)
        )
        yield (
            pl.concat([ledger, sources], how="horizontal")
            .filter(pl.col("key").is_not_null() & (pl.col("size") > 1))
            .collect()
        )


def _annotations(manifest: Manifest, stage: str) -> list[Path]:
    files = manifest.files.filter((pl.col("role") == "annotations") & (pl.col("stage") == stage))
    return [manifest.workspace / path for path in files["path"]]


def _columns(annotations: Path) -> tuple[str, str] | None:
    """The annotations that hold a document's group and the group's size; None without groups."""
    names = set(pq.read_schema(annotations).names)
    if SURVIVOR not in names:
        return None
    return next((pair for pair in _KEYS if names.issuperset(pair)), None)
