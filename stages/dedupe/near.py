"""Near deduplication: MinHash-LSH, verified, with a direct witness for every removal."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from manifests.schema import ID, ROLE, ROLE_DOCUMENT
from pipeline.corpus import Corpus
from pipeline.stage import (
    Artefacts,
    Batch,
    Stage,
    StageConfig,
    Verdicts,
    file_setting,
    setting,
)
from pipeline.task import Receipt, Task
from stages.dedupe.characters import UNICODE_VERSION
from stages.dedupe.components import LARGEST, cluster_rounds
from stages.dedupe.earlier import (
    SIGNATURES_FILE,
    earlier_tasks,
    published_as,
    signatures_path,
    signatures_task,
)
from stages.dedupe.exchange import even_ranges
from stages.dedupe.listing import listed
from stages.dedupe.minhash import collision_probability, optimal_shape
from stages.dedupe.order import (
    AFTER_EARLIER,
    DEFAULT_ORDER,
    ORDER_ABOUT,
    Key,
    check_order,
    effective_order,
    order_arguments,
    ranking_rounds,
)
from stages.dedupe.outcomes import DECISIONS_FILE, decision_rounds, decisions_for

Json = Any

_FINEWEB_BANDS = 14
_FINEWEB_ROWS = 8
_DATASKETCH_HASHES = 128

_ROUNDS = "stages.dedupe.rounds"
_VERIFY = "stages.dedupe.verify"


class EarlierCorpus(StageConfig):
    """A corpus that new documents are compared with."""

    signatures: str = file_setting(
        ..., about="Its workspace, or the file signatures/near_dedupe.json in it."
    )

    @model_validator(mode="before")
    @classmethod
    def _of_a_path(cls, given: Any) -> Any:
        """A path alone is the workspace."""
        if isinstance(given, dict) and isinstance(given.get("signatures"), str):
            given = given["signatures"]
        return {"signatures": signatures_path(given)} if isinstance(given, str) else given


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
        0.75,
        gt=0.0,
        le=1.0,
        about="The Jaccard index of shingle sets from which two documents count as the same.",
        source="own choice: the default bands find 77 % of such pairs, and different licences are"
        " not this alike, docs/dedupe.md",
    )
    min_containment: float | None = setting(
        None,
        gt=0.0,
        le=1.0,
        about="Documents also count as the same when the longer holds this share of the shingles"
        " of the shorter. Left out: containment does not count.",
    )
    number_weight: int = setting(
        5,
        ge=1,
        le=1000,
        about="Two documents must also be alike when every shingle that holds a number counts so"
        " many times: texts of one template that differ in their numbers are not the same. 1: a"
        " number is a word like others.",
        source="own measurement, docs/dedupe.md",
    )
    linkage: Literal["direct", "single"] = setting(
        "direct",
        about="`direct`: a document is dropped only for a kept document that it is similar to."
        " `single`: one document of a cluster is kept, chains of pairs allowed, as in FineWeb.",
    )
    order: tuple[Key, ...] = setting(DEFAULT_ORDER, about=ORDER_ABOUT)
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
    against: tuple[EarlierCorpus, ...] = setting(
        (),
        about="Workspaces of corpora built earlier: a document that is like one of theirs is"
        " dropped. Their signatures are compared (an estimate of the Jaccard index, standard"
        " deviation at most .05), their texts are not read, and they lose nothing.",
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
    version: ClassVar[int] = 2
    libraries = ("unicode",)
    Config: ClassVar[type[StageConfig]] = NearDedupeConfig
    summary: ClassVar[str] = "Drop near-duplicates found by MinHash-LSH and verified by Jaccard"
    columns: ClassVar[pa.Schema] = pa.schema(
        [
            pa.field("cluster", ID, metadata={ROLE: ROLE_DOCUMENT}),
            pa.field("cluster_size", pa.int32()),
            pa.field("survivor", ID, metadata={ROLE: ROLE_DOCUMENT}),
            pa.field("jaccard", pa.float32()),
            pa.field("corpus", pa.string()),
        ]
    )
    needs_corpus: ClassVar[bool] = True

    keys_per_partition: ClassVar[int] = 4_000_000
    """Band keys that one pairing task sorts (about 50 bytes each). Results do not depend on it."""
    pairs_per_task: ClassVar[int] = 1_000_000
    """Candidate pairs that one verification task compares. Results do not depend on it."""
    pairs_per_cluster_task: ClassVar[int] = 4_000_000
    """Similar pairs that one task of the clusters holds (about 100 bytes each), the largest cluster
    apart. Results do not depend on it."""

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Artefacts]:
        """Sketch each part; rank documents; pair by band; verify; cluster; decide each part."""
        config = self.config
        keys = effective_order(corpus, config.order, config.source_priority)
        sketches = yield self._sketch_tasks(corpus, keys)
        earlier, corpora = yield from self._earlier_sketches(corpus, len(keys) + 2)
        everything = [*sketches, *earlier]
        source = yield from listed(corpus, "sketches", everything)
        before = _total(earlier, "documents")
        ranking = yield from ranking_rounds(corpus, everything, source, before)
        shared = {"sketches": source, "ranking": ranking, "earlier": before}

        bands, rows = config.shape
        documents = _total(everything, "documents")
        partitions = max(1, -(-documents * bands // self.keys_per_partition))
        pairs = yield [
            corpus.task(
                f"{_ROUNDS}:pair_partition",
                "pairs",
                {
                    **shared,
                    "partition": partition,
                    "partitions": partitions,
                    "bucket_limit": config.bucket_limit,
                },
                label=f"pairs, partition {partition + 1} of {partitions}",
            )
            for partition in range(partitions)
        ]
        verified = yield from self._verified(corpus, pairs, shared)
        clusters = yield from cluster_rounds(
            corpus, verified, ranking, config.linkage, before, self.pairs_per_cluster_task
        )
        decisions = yield from decision_rounds(corpus, sketches, ranking, clusters, corpora)
        (signatures,) = yield [signatures_task(corpus, self._sketched(), sketches, decisions)]
        return Artefacts(
            per_part={"decisions": [receipt.path(DECISIONS_FILE) for receipt in decisions]},
            published={published_as(corpus.stage): signatures.path(SIGNATURES_FILE)},
            record={
                "bands": bands,
                "rows": rows,
                "order": keys,
                "documents": _total(sketches, "documents"),
                "earlier_documents": before,
                "without_tokens": _total(sketches, "without_tokens"),
                "candidate_pairs": _total(verified, "candidates"),
                "verified_pairs": _total(verified, "verified") if config.verify else None,
                "capped_buckets": _total(pairs, "capped_buckets"),
                "pairs_left_out": _total(pairs, "pairs_left_out"),
                "clusters": _total(clusters, "clusters"),
                "documents_in_clusters": _total(clusters, "in_clusters"),
                "removed": _total(clusters, "removed"),
                "largest_clusters": _largest(clusters),
            },
        )

    def _sketched(self) -> dict[str, Json]:
        """What two sketches must share to be compared."""
        bands, rows = self.config.shape
        return {"bands": bands, "rows": rows, "seed": self.config.seed, **self._shingled()}

    def _shingled(self) -> dict[str, Json]:
        config = self.config
        return {
            "ngram": config.ngram,
            "char_ngram": config.char_ngram,
            "unicode": UNICODE_VERSION,
        }

    def _sketch_tasks(self, corpus: Corpus, keys: Sequence[str]) -> list[Task]:
        order = [AFTER_EARLIER, *keys] if self.config.against else keys
        return [
            corpus.task(
                f"{_ROUNDS}:sketch_part",
                "sketch",
                {
                    **order_arguments(corpus, part, order, self.config.source_priority),
                    **self._sketched(),
                },
                label=f"sketch of {part.documents}",
                work=part.text_bytes,
                documents=part.rows,
            )
            for part in corpus.parts
        ]

    def _earlier_sketches(
        self, corpus: Corpus, words: int
    ) -> Generator[list[Task], list[Receipt], tuple[list[Receipt], list[str]]]:
        """Sketches of earlier corpora, and which of them each is of: the start of the SHA-256 of
        its signatures' list."""
        tasks: list[Task] = []
        corpora: list[str] = []
        for given in self.config.against:
            external = corpus.externals[given.signatures]
            found = earlier_tasks(corpus, external, self._sketched(), words)
            tasks += found
            corpora += [external.sha256[:16]] * len(found)
        receipts = (yield tasks) if tasks else []
        return receipts, corpora

    def _verified(
        self, corpus: Corpus, pairs: Sequence[Receipt], shared: Mapping[str, Json]
    ) -> Generator[list[Task], list[Receipt], list[Receipt]]:
        """The rounds that compare candidate pairs on their shingles."""
        config = self.config
        source = yield from listed(corpus, "pairs", pairs)
        shingles = None
        if config.verify:
            written = yield [
                corpus.task(
                    f"{_VERIFY}:write_shingles",
                    "shingles",
                    {
                        "view": corpus.view(part),
                        "part": part.index,
                        "ranking": shared["ranking"],
                        "pairs": source,
                        **self._shingled(),
                    },
                    label=f"shingles of {part.documents}",
                    work=part.text_bytes,
                    documents=part.rows,
                )
                for part in corpus.parts
            ]
            shingles = yield from listed(corpus, "shingles", written)
        ranges = even_ranges([receipt.value["sample"] for receipt in pairs], self.pairs_per_task)
        compared = {
            "min_jaccard": config.min_jaccard,
            "min_containment": config.min_containment,
            "number_weight": config.number_weight,
        }
        receipts = yield [
            corpus.task(
                f"{_VERIFY}:verify_pairs",
                "verify",
                {
                    **shared,
                    "pairs": source,
                    "shingles": shingles,
                    **(compared if config.verify else {}),
                    "ranks": bounds,
                },
                label=f"verification, {n + 1} of {len(ranges)}",
            )
            for n, bounds in enumerate(ranges)
        ]
        return receipts

    def annotate(self, batch: Batch) -> pa.Table:
        """``cluster``: id of the first document of the cluster in the survivor order, null for a
        document alone. ``cluster_size``: 1 for such. ``survivor``: the kept document that it is
        dropped for, null if kept. ``jaccard``: with the survivor, where the two were compared.
        ``corpus``: the earlier corpus that the survivor is of, null for this one."""
        return decisions_for(batch.artefacts["decisions"], batch.rows)

    def decide(self, annotations: pa.Table) -> Verdicts:
        """Drops what has a survivor, as ``near_duplicate``; the score is the Jaccard index."""
        dropped = pc.is_valid(annotations["survivor"])
        # with containment a pair may pass below the Jaccard index that is asked for
        plainly = self.config.verify and self.config.min_containment is None
        compared = self.config.min_jaccard if plainly else None
        return Verdicts.drop_where(dropped, "near_duplicate", annotations["jaccard"], compared)


def _largest(clusters: Sequence[Receipt]) -> list[list[Json]]:
    """The largest clusters, as ``[id of the first document, size]``."""
    found = [cluster for receipt in clusters for cluster in receipt.value["largest"]]
    ordered = sorted(found, key=lambda cluster: (-cluster[0], cluster[1]))
    return [[name, size] for size, _, name in ordered[:LARGEST]]


def _total(receipts: Sequence[Receipt], name: str) -> int:
    return int(np.sum([receipt.value[name] for receipt in receipts], dtype=np.int64))
