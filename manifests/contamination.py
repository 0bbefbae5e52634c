"""Contamination: which benchmark items stand in which documents, from the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.documents import find_documents
from manifests.manifest import Manifest
from manifests.parquet import read_columns
from manifests.parts import documents_path, part_files, part_paths
from manifests.schema import KEEP

MATCHES = "matches"
"""The annotation of a decontamination that holds a document's matches."""

CONTEXT = 100
"""Characters of the document that a hit carries on either side of the match."""


@dataclass(frozen=True)
class Hit:
    """A benchmark item found in a document: the best match of the two, by ratio, then by words.

    ``start:end`` are characters of the document, ``item_start:item_end`` of the item's
    ``sequence``; ``text`` and ``item_text`` stand there, ``before`` and ``after`` around ``text``.
    ``ratio`` is ``lcs`` / min(words of the document, ``item_words``); ``span_lcs`` of the ``lcs``
    words stand in the span, the others are strays around it. ``ngram_documents`` is in how many
    documents that do not hold the item the rarest n-gram of the match stands. ``verdict`` is the
    stage's on the document.
    """

    id: str
    source: str
    locator: str
    benchmark: str
    item: str
    sequence: str
    start: int
    end: int
    item_start: int
    item_end: int
    ngram_hits: int
    lcs: int
    span_lcs: int
    item_words: int
    ratio: float
    ngram_documents: int
    verdict: str
    before: str
    text: str
    after: str
    item_text: str

    @property
    def outcome(self) -> str:
        """What became of it. All hits are over the rule: a document that is kept has them cut."""
        return "masked" if self.verdict == KEEP else "dropped"


@dataclass(frozen=True)
class BenchmarkHits:
    """A benchmark: its items, those too short to be looked for, those that stand in a document,
    these documents and their bytes."""

    benchmark: str
    items: int
    items_too_short: int
    items_hit: int
    documents: int
    bytes: int


@dataclass(frozen=True)
class Contamination:
    """What a decontamination found: benchmarks in the order of their names, how many pairs of item
    and document there are, and some of them, the least sure first."""

    stage: str
    benchmarks: list[BenchmarkHits]
    pairs: int
    hits: list[Hit]


Rule = Callable[[pa.StructArray], np.ndarray[Any, np.dtype[np.bool_]]]
"""Says of matches, as they stand in the ledger, which ones count."""


def decontaminations(manifest: Manifest) -> list[str]:
    """The stages whose ledgers hold matches with benchmark items, in the order they ran."""
    found = manifest.files.filter(pl.col("role") == "annotations")
    first = dict(found.unique("stage", keep="first").select("stage", "path").rows())
    return [
        name
        for name in manifest.stage_names
        if name in first and _holds_matches(manifest.workspace / first[name])
    ]


def find_contamination(
    manifest: Manifest, stage: str, counts: Rule, most: int | None = 20
) -> Contamination:
    """What the stage found by the rule, whatever became of the documents; at most so many hits.

    Raises KeyError for a stage that is not there.
    """
    pairs = pl.concat(
        [_NO_PAIRS, *(_pairs(ledger, counts) for ledger in _ledgers(manifest, stage))]
    )
    record = manifest.stage(stage)["record"].get("benchmarks", {})
    by_benchmark = {
        str(name): group
        for (name,), group in pairs.unique(["benchmark", "id", "item"]).group_by("benchmark")
    }
    benchmarks = []
    for name in sorted({*record, *by_benchmark}):
        found = by_benchmark.get(name, _NO_PAIRS)
        documents = found.unique("id")
        benchmarks.append(
            BenchmarkHits(
                name,
                record.get(name, {}).get("items", 0),
                record.get(name, {}).get("items_too_short", 0),
                found["item"].n_unique(),
                len(documents),
                int(documents["n_bytes"].sum()),
            )
        )
    least_sure = pairs.sort("ratio", "lcs", "benchmark", "item", "id")
    shown = least_sure if most is None else least_sure.head(most)
    return Contamination(stage, benchmarks, len(pairs), _hits(manifest, shown))


_PAIR = {
    "id": pl.String,
    "n_bytes": pl.Int64,
    "benchmark": pl.String,
    "item": pl.String,
    "sequence": pl.String,
    "start": pl.Int64,
    "end": pl.Int64,
    "item_start": pl.Int64,
    "item_end": pl.Int64,
    "ngram_hits": pl.Int64,
    "lcs": pl.Int64,
    "span_lcs": pl.Int64,
    "item_words": pl.Int64,
    "ratio": pl.Float64,
    "ngram_documents": pl.Int64,
    "verdict": pl.String,
    "item_text": pl.String,
}
_NO_PAIRS = pl.DataFrame(schema=_PAIR)


@dataclass(frozen=True)
class _Ledger:
    """The files of a part that say what was found in it."""

    documents: Path
    annotations: Path
    verdicts: Path


def _pairs(ledger: _Ledger, counts: Rule) -> pl.DataFrame:
    """A part's pairs of document and item with the best match of each."""
    column = read_columns(ledger.annotations, [MATCHES])[MATCHES].combine_chunks()
    matches, rows = column.flatten(), column.value_parent_indices()
    mask = pa.array(counts(matches))
    if not mask.true_count:
        return _NO_PAIRS  # most parts: their texts need not be read
    found = pl.DataFrame(pa.Table.from_struct_array(matches.filter(mask)))
    documents = pl.scan_parquet(ledger.documents).select(
        pl.col("id").bin.encode("hex"), pl.col("text").str.len_bytes().alias("n_bytes")
    )
    verdicts = pl.scan_parquet(ledger.verdicts).select(pl.col("verdict").cast(pl.String))
    facts = pl.concat([documents, verdicts], how="horizontal").collect()
    best = (
        pl.concat([found, facts[pl.Series(rows.filter(mask))]], how="horizontal")
        .sort(["ratio", "lcs", "sequence", "start"], descending=[True, True, False, False])
        .unique(["id", "benchmark", "item"], keep="first", maintain_order=True)
    )
    # stored in 32 bits: as many digits as these hold
    return best.with_columns(pl.col("ratio").cast(pl.Float64).round(4)).select(
        pl.col(name).cast(kind) for name, kind in _PAIR.items()
    )


def _hits(manifest: Manifest, pairs: pl.DataFrame) -> list[Hit]:
    documents = find_documents(manifest, pairs["id"])
    hits = []
    for pair in pairs.drop("n_bytes").iter_rows(named=True):
        document = documents[pair["id"]]
        start, end = pair["start"], pair["end"]
        hits.append(
            Hit(
                source=document.source,
                locator=document.locator,
                before=document.text[max(0, start - CONTEXT) : start],
                text=document.text[start:end],
                after=document.text[end : end + CONTEXT],
                **pair,
            )
        )
    return hits


def _ledgers(manifest: Manifest, stage: str) -> Iterator[_Ledger]:
    """What the stage wrote of every part."""
    for _, files in part_files(manifest):
        paths = part_paths(manifest, files)
        if (stage, "annotations") in paths:
            documents = documents_path(manifest, files)
            yield _Ledger(documents, paths[stage, "annotations"], paths[stage, "verdicts"])


def _holds_matches(annotations: Path) -> bool:
    schema = pq.read_schema(annotations)
    if MATCHES not in schema.names:
        return False
    kind = schema.field(MATCHES).type
    return pa.types.is_list(kind) and any(f.name == "benchmark" for f in kind.value_type)
