"""Exact deduplication: of documents with one text, the first in the survivor order is kept."""

from __future__ import annotations

from collections.abc import Generator
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.schema import ID, ROLE, ROLE_DOCUMENT
from pipeline.corpus import Corpus, open_view
from pipeline.draft import Place
from pipeline.stage import Artefacts, Batch, Stage, StageConfig, Verdicts, setting
from pipeline.task import Json, Receipt, Task, TaskRun
from stages.dedupe.arrays import Bytes, Ints, Words64, id_column
from stages.dedupe.characters import UNICODE_VERSION
from stages.dedupe.exchange import buckets, gather
from stages.dedupe.hashing import hash_texts, hash_words
from stages.dedupe.key_sort import sort_by_key
from stages.dedupe.listing import listed, outputs_of
from stages.dedupe.order import (
    SurvivorOrder,
    effective_order,
    order_arguments,
    sources_of,
    write_order,
)
from stages.dedupe.outcomes import DECISIONS_FILE, Outcomes, decision_rounds, decisions_for
from stages.dedupe.rank import ranking_rounds
from stages.dedupe.ranking import Ranking
from stages.dedupe.stored import save


class ExactDedupeConfig(SurvivorOrder):
    """What makes two texts one, and which of the documents is kept."""

    normalization: Literal["none", "text"] = setting(
        "none",
        about="`none`: equal byte for byte. `text`: equal words in equal order, where case, width,"
        " punctuation, spaces and markup do not matter and numbers do.",
    )


class ExactDedupe(Stage[ExactDedupeConfig]):
    """Drops documents whose text is that of a document that is kept."""

    name: ClassVar[str] = "exact_dedupe"
    version: ClassVar[int] = 2
    libraries = ("unicode",)
    Config: ClassVar[type[StageConfig]] = ExactDedupeConfig
    summary: ClassVar[str] = "Drop documents with the same text as another (128-bit hash)"
    columns: ClassVar[pa.Schema] = pa.schema(
        [
            pa.field("hash", pa.binary(16)),
            pa.field("survivor", ID, metadata={ROLE: ROLE_DOCUMENT}),
            pa.field("copies", pa.int32()),
        ]
    )
    needs_corpus: ClassVar[bool] = True

    keys_per_partition: ClassVar[int] = 8_000_000
    """Hashes that one task sorts (about 70 bytes each). Results do not depend on it."""

    def named_sources(self) -> list[tuple[Place, str]]:
        """The sources that stand first."""
        return sources_of(self.config.source_priority)

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Artefacts]:
        """Hash each part; rank documents; group by hash; decide each part."""
        config = self.config
        arguments: dict[str, Json] = {"normalization": config.normalization}
        if config.normalization == "text":
            arguments["unicode"] = UNICODE_VERSION
        keys = effective_order(corpus, config)
        sketches = yield [
            corpus.task(
                "stages.dedupe.exact:sketch_part",
                "sketch",
                {**order_arguments(corpus, part, keys, config.source_priority), **arguments},
                label=f"hashes of {part.documents}",
                work=part.text_bytes,
                documents=part.rows,
            )
            for part in corpus.parts
        ]
        documents = sum(receipt.value["documents"] for receipt in sketches)
        source = yield from listed(corpus, "sketches", sketches)
        ranking = yield from ranking_rounds(corpus, sketches, source)
        partitions = max(1, -(-documents // self.keys_per_partition))
        groups = yield [
            corpus.task(
                "stages.dedupe.exact:group_partition",
                "groups",
                {
                    "sketches": source,
                    "ranking": ranking,
                    "partition": partition,
                    "partitions": partitions,
                },
                label=f"copies, partition {partition + 1} of {partitions}",
            )
            for partition in range(partitions)
        ]
        decisions = yield from decision_rounds(corpus, sketches, ranking, groups)
        return Artefacts(
            per_part={"decisions": [receipt.path(DECISIONS_FILE) for receipt in decisions]},
            record={
                "documents": documents,
                "order": keys,
                "without_text": sum(r.value["without_text"] for r in sketches),
                "groups": sum(receipt.value["groups"] for receipt in groups),
                "removed": sum(receipt.value["removed"] for receipt in groups),
                "most_copies": max(receipt.value["most_copies"] for receipt in groups),
            },
        )

    def annotate(self, batch: Batch) -> pa.Table:
        """``hash``: of the text. ``survivor``: the kept document with the same text, null if kept.
        ``copies``: documents with this text, the kept one included."""
        hashes, _ = text_hashes(batch.table["text"], self.config.normalization)
        found = decisions_for(batch.artefacts["decisions"], batch.rows)
        return pa.table(
            [id_column(_as_bytes(hashes)), found["survivor"], found["cluster_size"]],
            schema=self.columns,
        )

    def decide(self, annotations: pa.Table) -> Verdicts:
        """Drops what has a survivor, as ``exact_duplicate``."""
        return Verdicts.drop_where(pc.is_valid(annotations["survivor"]), "exact_duplicate")


def text_hashes(text: pa.ChunkedArray, normalization: str) -> tuple[Words64, Ints]:
    """128-bit hashes (uint64, rows x 2) and lengths; a text of length 0 is nobody's copy."""
    return hash_words(text) if normalization == "text" else hash_texts(text)


def _as_bytes(hashes: Words64) -> Bytes:
    return np.ascontiguousarray(hashes.astype("<u8")).view(np.uint8).reshape(-1, 16)


def sketch_part(run: TaskRun) -> Json:
    """Hashes of a part's living documents, sorted by the first half: ``first.npy``, ``second.npy``
    (uint64), ``index.npy`` (uint32); and what the survivor order reads: 20 bytes a document, and 44
    for an order of ``n_bytes`` and ``id``."""
    view = open_view(run.store, run.arguments["view"])
    hashes, lengths = text_hashes(view.table["text"], run.arguments["normalization"])
    index = np.flatnonzero(lengths).astype(np.uint32)
    first = hashes[index, 0]
    ordered, order = sort_by_key(first)
    save(run.output / "first.npy", ordered)
    save(run.output / "second.npy", hashes[index[order], 1])
    save(run.output / "index.npy", index[order])
    n_bytes = pc.binary_length(view.table["text"]).to_numpy()
    write_order(run.output, view, n_bytes, run.arguments["order"], run.arguments["priority"])
    return {"documents": len(view.rows), "without_text": len(view.rows) - len(index)}


def group_partition(run: TaskRun) -> Json:
    """Groups of one range of hashes, as ``Outcomes``: the first of each by rank is kept."""
    arguments = run.arguments
    ranking = Ranking.open(run.store, arguments["ranking"])
    columns, ranks = gather(
        outputs_of(run, "sketches"),
        ["first", "second"],
        ranking,
        arguments["partition"],
        arguments["partitions"],
    )
    members, bounds = buckets(columns, ranks)
    sizes = np.diff(bounds)
    cluster = np.repeat(members[bounds[:-1]], sizes)
    survivor = np.where(cluster == members, -1, cluster)
    none = np.full(len(members), np.nan, np.float32)
    Outcomes(members, cluster, np.repeat(sizes, sizes), survivor, none).save(run.output, ranking)
    return {
        "groups": len(sizes),
        "removed": len(members) - len(sizes),
        "most_copies": int(sizes.max(initial=1)),
    }
