"""Near deduplication: MinHash-LSH, verified, with a direct witness for every removal."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from manifests.schema import ID, ROLE, ROLE_DOCUMENT
from pipeline.corpus import Corpus
from pipeline.stage import Artefacts, Batch, Stage, StageConfig, Verdicts, setting
from pipeline.task import Receipt, Task
from stages.dedupe.characters import UNICODE_VERSION
from stages.dedupe.minhash import collision_probability, optimal_shape
from stages.dedupe.order import DEFAULT_ORDER, Key, check_order, order_task
from stages.dedupe.outcomes import DECISIONS_FILE, decision_tasks, decisions_for

Json = Any

_FINEWEB_BANDS = 14
_FINEWEB_ROWS = 8
_DATASKETCH_HASHES = 128

_ROUNDS = "stages.dedupe.rounds"
_VERIFY = "stages.dedupe.verify"


class NearDedupeConfig(StageConfig):
    """Which documents count as nearly the same, and which of them is kept."""

    ngram: int = setting(
        5, ge=1, le=64, about="Words in a shingle.", source="FineWeb, arXiv 2406.17557"
    )
    char_ngram: int = setting(
        8,
        ge=1,
        le=64,
        about="Characters in a shingle, in scripts without spaces between words. Five Chinese"
        " words are about eight characters.",
        source="own choice, docs/dedupe.md",
    )
    bands: int | None = setting(
        None,
        ge=1,
        le=1024,
        about="Bands of the signature: one equal band makes two documents a candidate pair."
        " 14 unless `threshold` is given.",
        source="FineWeb, arXiv 2406.17557",
    )
    rows: int | None = setting(
        None,
        ge=1,
        le=64,
        about="Hashes in a band. 8 unless `threshold` is given.",
        source="FineWeb, arXiv 2406.17557",
    )
    hashes: int | None = setting(
        None,
        ge=1,
        le=4096,
        about="MinHash functions at hand. Left out: as many as bands x rows need, and 128 with"
        " `threshold`.",
        source="datasketch's num_perm",
    )
    threshold: float | None = setting(
        None,
        gt=0.0,
        lt=1.0,
        about="In place of bands and rows: the Jaccard index around which pairs should begin to"
        " be found. datasketch's routine chooses bands and rows.",
    )
    verify: bool = setting(
        True,
        about="Whether candidate pairs must reach `min_jaccard` on their shingles. Off, as in"
        " FineWeb, every pair that shares a band counts.",
    )
    min_jaccard: float = setting(
        0.7,
        gt=0.0,
        le=1.0,
        about="The Jaccard index of shingle sets from which two documents count as the same.",
        source="own choice: the default bands find half the pairs at 0.685, docs/dedupe.md",
    )
    linkage: Literal["direct", "single"] = setting(
        "direct",
        about="`direct`: a document is dropped only for a kept document that it is similar to."
        " `single`: one document of a cluster is kept, chains of pairs allowed, as in FineWeb.",
    )
    order: tuple[Key, ...] = setting(
        DEFAULT_ORDER,
        about="What decides who is kept, most important first: `n_bytes` (longest first),"
        " `source_priority`, `id` (always last).",
    )
    source_priority: tuple[str, ...] = setting(
        (), about="Sources, best first, for `source_priority` in `order`; others come after them."
    )
    bucket_limit: int = setting(
        32,
        ge=2,
        le=4096,
        about="Documents that share a band are compared each with each up to this many. Larger"
        " groups are compared with their first document and eight neighbours in `order`.",
        source="own choice, docs/dedupe.md",
    )
    seed: int = setting(1, ge=0, lt=1 << 32, about="Chooses the MinHash functions.")

    @model_validator(mode="before")
    @classmethod
    def _fill_in_fineweb(cls, given: Any) -> Any:
        """Writes the default bands and rows out, so that a resolved recipe shows them."""
        if not isinstance(given, dict) or given.get("threshold") is not None:
            return given
        filled = dict(given)
        if filled.get("bands") is None:
            filled["bands"] = _FINEWEB_BANDS
        if filled.get("rows") is None:
            filled["rows"] = _FINEWEB_ROWS
        return filled

    @model_validator(mode="after")
    def _check(self) -> NearDedupeConfig:
        check_order(self.order, self.source_priority)
        if self.threshold is not None:
            self._check_threshold(self.threshold)
            return self
        bands, rows = self.shape
        if self.hashes is not None and bands * rows > self.hashes:
            raise ValueError(
                f"{bands} bands x {rows} rows need {bands * rows} hashes, but `hashes` is"
                f" {self.hashes}. Set {_fitting(self.hashes)}, or hashes: {bands * rows}."
            )
        return self

    def _check_threshold(self, threshold: float) -> None:
        bands, rows = self.shape
        if self.bands is not None or self.rows is not None:
            raise ValueError(
                f"threshold: {threshold} chooses {bands} bands x {rows} rows by itself"
                f" ({_curve(bands, rows)}), but bands: {self.bands}, rows: {self.rows} are given"
                " too. Leave out `threshold`, or leave out `bands` and `rows`."
            )
        found = collision_probability(threshold, bands, rows)
        if found < 0.1:
            raise ValueError(
                f"threshold: {threshold} with hashes: {self.hashes} gives {bands} bands x {rows}"
                f" rows, which find {found:.1%} of the pairs there ({_curve(bands, rows)})."
                f" Set hashes: {_DATASKETCH_HASHES} or more, or a lower threshold."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Bands and rows in use."""
        if self.threshold is not None:
            return optimal_shape(self.threshold, self.hashes or _DATASKETCH_HASHES)
        return self.bands or _FINEWEB_BANDS, self.rows or _FINEWEB_ROWS


def _fitting(hashes: int) -> str:
    """Bands and rows that ``hashes`` are enough for, near FineWeb's."""
    if hashes >= _FINEWEB_BANDS * _FINEWEB_ROWS:
        return f"bands: {_FINEWEB_BANDS}, rows: {_FINEWEB_ROWS} (the FineWeb setting)"
    rows = min(_FINEWEB_ROWS, hashes)
    return f"bands: {hashes // rows}, rows: {rows}"


def _curve(bands: int, rows: int) -> str:
    """The S-curve in words."""
    points = ", ".join(
        f"{collision_probability(s, bands, rows):.0%} at {s}" for s in (0.5, 0.6, 0.7, 0.8, 0.9)
    )
    return f"share of pairs found by Jaccard index: {points}"


class NearDedupe(Stage[NearDedupeConfig]):
    """Drops documents that are nearly the same as one that is kept."""

    name: ClassVar[str] = "near_dedupe"
    version: ClassVar[int] = 1
    libraries = ("unicode",)
    Config: ClassVar[type[StageConfig]] = NearDedupeConfig
    summary: ClassVar[str] = "Drop near-duplicates found by MinHash-LSH and verified by Jaccard"
    columns: ClassVar[pa.Schema] = pa.schema(
        [
            pa.field("cluster", ID, metadata={ROLE: ROLE_DOCUMENT}),
            pa.field("cluster_size", pa.int32()),
            pa.field("survivor", ID, metadata={ROLE: ROLE_DOCUMENT}),
            pa.field("jaccard", pa.float32()),
        ]
    )
    needs_corpus: ClassVar[bool] = True

    keys_per_partition: ClassVar[int] = 8_000_000
    """Band keys that one pairing task sorts (about 50 bytes each). Results do not depend on it."""
    pairs_per_task: ClassVar[int] = 1_000_000
    """Candidate pairs that one verification task compares. Results do not depend on it."""

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Artefacts]:
        """Sketch each part; rank documents; pair by band; verify; cluster; decide each part."""
        config = self.config
        bands, rows = config.shape
        shingled = {
            "ngram": config.ngram,
            "char_ngram": config.char_ngram,
            "unicode": UNICODE_VERSION,
        }
        sketches = yield [
            corpus.task(
                f"{_ROUNDS}:sketch_part",
                "sketch",
                {
                    "view": corpus.view(part),
                    "bands": bands,
                    "rows": rows,
                    "seed": config.seed,
                    **shingled,
                },
                label=f"sketch of {part.documents}",
                work=part.text_bytes,
                documents=part.rows,
            )
            for part in corpus.parts
        ]
        documents = sum(receipt.value["documents"] for receipt in sketches)
        (order,) = yield [order_task(corpus, sketches, config.order, config.source_priority)]

        partitions = max(1, -(-documents * bands // self.keys_per_partition))
        pairs = yield [
            corpus.task(
                f"{_ROUNDS}:pair_partition",
                "pairs",
                {
                    "sketches": [receipt.output for receipt in sketches],
                    "order": order.output,
                    "partition": partition,
                    "partitions": partitions,
                    "bucket_limit": config.bucket_limit,
                },
                label=f"pairs, partition {partition + 1} of {partitions}",
            )
            for partition in range(partitions)
        ]
        shingles: Sequence[Receipt] = []
        if config.verify:
            shingles = yield [
                corpus.task(
                    f"{_VERIFY}:write_shingles",
                    "shingles",
                    {
                        "view": corpus.view(part),
                        "part": part.index,
                        "order": order.output,
                        "pairs": [receipt.output for receipt in pairs],
                        **shingled,
                    },
                    label=f"shingles of {part.documents}",
                    work=part.text_bytes,
                    documents=part.rows,
                )
                for part in corpus.parts
            ]
        found = sum(receipt.value["pairs"] for receipt in pairs)
        ranges = max(1, -(-found // self.pairs_per_task))
        verified = yield [
            corpus.task(
                f"{_VERIFY}:verify_pairs",
                "verify",
                {
                    "pairs": [receipt.output for receipt in pairs],
                    "order": order.output,
                    "shingles": [r.output for r in shingles] if config.verify else None,
                    "min_jaccard": config.min_jaccard if config.verify else None,
                    "ranks": [documents * n // ranges, documents * (n + 1) // ranges],
                },
                label=f"verification, {n + 1} of {ranges}",
            )
            for n in range(ranges)
        ]
        (clusters,) = yield [
            corpus.task(
                f"{_ROUNDS}:cluster_documents",
                "clusters",
                {
                    "verified": [receipt.output for receipt in verified],
                    "order": order.output,
                    "linkage": config.linkage,
                },
                label="clusters",
            )
        ]
        decisions = yield decision_tasks(corpus, sketches, order, [clusters])
        return Artefacts(
            per_part={"decisions": [receipt.path(DECISIONS_FILE) for receipt in decisions]},
            record={
                "bands": bands,
                "rows": rows,
                "documents": documents,
                "without_tokens": _total(sketches, "without_tokens"),
                "candidate_pairs": _total(verified, "candidates"),
                "verified_pairs": _total(verified, "verified") if config.verify else None,
                "capped_buckets": _total(pairs, "capped_buckets"),
                "pairs_left_out": _total(pairs, "pairs_left_out"),
                "clusters": clusters.value["clusters"],
                "documents_in_clusters": clusters.value["in_clusters"],
                "removed": clusters.value["removed"],
                "largest_clusters": clusters.value["largest"],
            },
        )

    def annotate(self, batch: Batch) -> pa.Table:
        """``cluster``: id of the first document of the cluster in the survivor order, null for a
        document alone. ``cluster_size``: 1 for such. ``survivor``: the kept document that it is
        dropped for, null if kept. ``jaccard``: with the survivor, where the two were compared."""
        return decisions_for(batch.artefacts["decisions"], batch.rows)

    def decide(self, annotations: pa.Table) -> Verdicts:
        """Drops what has a survivor, as ``near_duplicate``; the score is the Jaccard index."""
        dropped = pc.is_valid(annotations["survivor"])
        compared = self.config.min_jaccard if self.config.verify else None
        return Verdicts.drop_where(dropped, "near_duplicate", annotations["jaccard"], compared)


def _total(receipts: Sequence[Receipt], name: str) -> int:
    return int(np.sum([receipt.value[name] for receipt in receipts], dtype=np.int64))
