"""Near deduplication: MinHash-LSH, verified, with a direct witness for every removal."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.earlier import LABEL_DIGITS
from manifests.schema import ID, ROLE, ROLE_DOCUMENT
from pipeline.corpus import Corpus
from pipeline.draft import Place
from pipeline.stage import Artefacts, Batch, Stage, StageConfig, Verdicts
from pipeline.task import Json, Receipt, Task
from stages.dedupe.characters import UNICODE_VERSION
from stages.dedupe.components import LARGEST, cluster_rounds
from stages.dedupe.earlier import (
    SIGNATURES_FILE,
    earlier_tasks,
    published_as,
    signatures_task,
)
from stages.dedupe.exchange import even_ranges
from stages.dedupe.listing import listed
from stages.dedupe.near_config import NearDedupeConfig
from stages.dedupe.order import (
    AFTER_EARLIER,
    effective_order,
    order_arguments,
    sources_of,
)
from stages.dedupe.outcomes import DECISIONS_FILE, decision_rounds, decisions_for
from stages.dedupe.rank import ranking_rounds

_ROUNDS = "stages.dedupe.rounds"
_VERIFY = "stages.dedupe.verify"

_SPREAD = 4
"""Tasks of a round of which one could do all, so that two cores and four have work too."""


class NearDedupe(Stage[NearDedupeConfig]):
    """Drops documents that are nearly the same as one that is kept."""

    name: ClassVar[str] = "near_dedupe"
    version: ClassVar[int] = 4
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
    document_columns: ClassVar[tuple[str, ...]] = ("id",)  # the rounds have read the texts
    needs_corpus: ClassVar[bool] = True

    keys_per_partition: ClassVar[int] = 4_000_000
    """Band keys that one pairing task sorts (about 50 bytes each). Results do not depend on it."""
    keys_worth_a_partition: ClassVar[int] = 200_000
    """Where all keys would fit into a task or a few: keys from which one more is worth starting.
    Results do not depend on it."""
    pairs_per_task: ClassVar[int] = 1_000_000
    """Candidate pairs that one verification task compares. Results do not depend on it."""
    pairs_worth_a_task: ClassVar[int] = 4_000
    """Where one could compare all pairs: pairs from which one more is worth starting."""
    pairs_per_cluster_task: ClassVar[int] = 4_000_000
    """Similar pairs that one task of the clusters holds (about 100 bytes each), the largest cluster
    apart. Results do not depend on it."""

    def named_sources(self) -> list[tuple[Place, str]]:
        """The sources that stand first."""
        return sources_of(self.config.source_priority)

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Artefacts]:
        """Sketch each part; rank documents; pair by band; verify; cluster; decide each part."""
        config = self.config
        keys = effective_order(corpus, config)
        # before the texts are read, so that what cannot be compared is told at once
        takeovers, corpora = self._earlier_tasks(corpus, len(keys) + 2)
        sketches = yield self._sketch_tasks(corpus, keys)
        earlier = (yield takeovers) if takeovers else []
        everything = [*sketches, *earlier]
        source = yield from listed(corpus, "sketches", everything)
        before = _total(earlier, "documents")
        ranking = yield from ranking_rounds(corpus, everything, source, before)
        shared = {"sketches": source, "ranking": ranking, "earlier": before}

        bands, rows = config.shape
        pairs = yield from self._paired(corpus, _total(everything, "documents") * bands, shared)
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

    def _paired(
        self, corpus: Corpus, keys: int, shared: Mapping[str, Json]
    ) -> Generator[list[Task], list[Receipt], list[Receipt]]:
        """The round that finds candidate pairs, by range of the band keys."""
        partitions = _tasks(keys, self.keys_worth_a_partition, self.keys_per_partition)
        receipts = yield [
            corpus.task(
                f"{_ROUNDS}:pair_partition",
                "pairs",
                {
                    **shared,
                    "partition": partition,
                    "partitions": partitions,
                    "bucket_limit": self.config.bucket_limit,
                },
                label=f"pairs, partition {partition + 1} of {partitions}",
            )
            for partition in range(partitions)
        ]
        return receipts

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

    def faults(self, above: Mapping[str, Stage[Any]]) -> list[tuple[Place, str]]:
        """Limits of a comparison that ``verify: false`` leaves out."""
        fields = type(self.config).model_fields
        return [
            ((name,), "with `verify: false` no pair is compared. Leave out one of the two.")
            for name in ("min_jaccard", "min_containment")
            if not self.config.verify and getattr(self.config, name) != fields[name].default
        ]

    def _earlier_tasks(self, corpus: Corpus, words: int) -> tuple[list[Task], list[str]]:
        """Tasks that take sketches of earlier corpora over, and which corpus each is of: the start
        of the SHA-256 of its signatures' list."""
        tasks: list[Task] = []
        corpora: list[str] = []
        read: dict[str, str] = {}
        for given in self.config.against:
            external = corpus.externals[given.signatures]
            if external.sha256 in read:
                raise ValueError(
                    f"against: {given.signatures} is the same corpus as {read[external.sha256]}."
                    " Name it once."
                )
            read[external.sha256] = given.signatures
            found = earlier_tasks(corpus, external, self._sketched(), words)
            tasks += found
            corpora += [external.sha256[:LABEL_DIGITS]] * len(found)
        return tasks, corpora

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
                        "names": config.name_weight > 1,
                    },
                    label=f"shingles of {part.documents}",
                    work=part.text_bytes,
                    documents=part.rows,
                )
                for part in corpus.parts
            ]
            shingles = yield from listed(corpus, "shingles", written)
        found = _total(pairs, "pairs")
        tasks = _tasks(found, self.pairs_worth_a_task, self.pairs_per_task)
        ranges = even_ranges([receipt.value["sample"] for receipt in pairs], -(-found // tasks))
        compared = {
            "min_jaccard": config.min_jaccard,
            "min_containment": config.min_containment,
            "number_weight": config.number_weight,
            # a name is in as many shingles as a shingle has words
            "slot_weight": (config.name_weight - 1) * config.ngram,
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


def _tasks(size: int, worth_one: int, at_once: int) -> int:
    """How many tasks do work of a size."""
    return max(1, min(_SPREAD, size // worth_one), -(-size // at_once))


def _total(receipts: Sequence[Receipt], name: str) -> int:
    return int(np.sum([receipt.value[name] for receipt in receipts], dtype=np.int64))
