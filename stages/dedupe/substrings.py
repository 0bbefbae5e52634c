"""Exact substrings: runs of many words that stand elsewhere too are cut, all but the first.

Lee et al. 2022, "Deduplicating Training Data Makes Language Models Better", arXiv 2107.06499.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import model_validator

from manifests.schema import CUT, CUTS
from pipeline.corpus import Corpus
from pipeline.cuts import lists_by_row
from pipeline.draft import Place
from pipeline.stage import Artefacts, Batch, Stage, StageConfig, Verdicts, setting, threshold
from pipeline.task import Receipt, Task
from stages.dedupe.arrays import Flags, Ints
from stages.dedupe.kinds import KIND, check_kinds
from stages.dedupe.listing import Listed, listed
from stages.dedupe.order import sources_of
from stages.dedupe.shares import drop_above
from stages.dedupe.windows import WINDOWS_FILE
from stages.words import Words, hash_words

SPAN = pa.struct(
    [
        pa.field("start", pa.int32()),
        pa.field("end", pa.int32()),
        pa.field("words", pa.int32()),
        pa.field("kept_in", pa.string()),
    ]
)
"""A repeated run of words: bytes of the document's text, its number of words, and the id (32
hexadecimal digits) of a document that keeps the words it begins with."""


class ExactSubstringsConfig(StageConfig):
    """How long a repeated run must be, and which of its copies stays."""

    words: int = setting(
        50,
        ge=8,
        le=10_000,
        about="Words of the shortest run that is cut; characters, in scripts without spaces. Case,"
        " punctuation and spaces do not matter, numbers do.",
        source="Lee et al., arXiv 2107.06499, section 4.1: 50 tokens",
    )
    kinds: tuple[str, ...] = setting(
        ("prose", "list", "markup"),
        about="Kinds of documents that are looked at. A program that lacks a piece is none.",
        source="own choice, docs/dedupe.md",
    )
    source_priority: tuple[str, ...] = setting(
        (),
        about="Sources, best first: the first copy of a run stays, by source in this order (others"
        " come after them), then by id, then by place in the document.",
    )
    cut: bool = threshold(True, about="Whether they are cut; otherwise they are noted only.")
    max_share: float | None = threshold(
        None,
        ge=0.0,
        lt=1.0,
        about="Largest share of a document's bytes that may stand elsewhere: with more it is"
        " dropped. By default only a document of nothing else is.",
    )

    @model_validator(mode="after")
    def _check(self) -> ExactSubstringsConfig:
        check_kinds(self.kinds)
        return self


class ExactSubstrings(Stage[ExactSubstringsConfig]):
    """Cuts runs of words that a document before it has too."""

    name: ClassVar[str] = "exact_substrings"
    version: ClassVar[int] = 2
    libraries = ("unicode",)
    Config: ClassVar[type[StageConfig]] = ExactSubstringsConfig
    summary: ClassVar[str] = "Cut runs of 50 words and more that stand elsewhere too"
    reads = (KIND,)
    columns: ClassVar[pa.Schema] = pa.schema(
        [pa.field("spans", pa.list_(SPAN)), pa.field("repeated_share", pa.float32())]
    )
    needs_corpus: ClassVar[bool] = True
    cuts: ClassVar[bool] = True

    windows_per_partition: ClassVar[int] = 8_000_000
    """Windows that one task sorts (up to 90 bytes each). Results do not depend on it."""

    def named_sources(self) -> list[tuple[Place, str]]:
        """The sources that stand first."""
        return sources_of(self.config.source_priority)

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Artefacts]:
        """Hash the windows of each part; group them by range of keys; hand each part its own."""
        config = self.config
        sketches = yield [
            corpus.task(
                "stages.dedupe.windows:sketch_part",
                "sketch",
                {
                    "view": corpus.view(part, self.reads),
                    "words": config.words,
                    "kinds": list(config.kinds),
                },
                label=f"windows of {part.documents}",
                work=part.text_bytes,
                documents=part.rows,
            )
            for part in corpus.parts
        ]
        source = yield from listed(corpus, "windows", sketches)
        windows = sum(receipt.value["windows"] for receipt in sketches)
        partitions = max(1, -(-windows // self.windows_per_partition))
        ranks = {name: rank for rank, name in enumerate(config.source_priority)}
        groups = yield [
            corpus.task(
                "stages.dedupe.windows:group_partition",
                "groups",
                {
                    "sketches": source,
                    "priorities": [ranks.get(part.source, len(ranks)) for part in corpus.parts],
                    "partition": partition,
                    "partitions": partitions,
                },
                label=f"repeated windows, partition {partition + 1} of {partitions}",
            )
            for partition in range(partitions)
        ]
        repeated = yield from listed(corpus, "repeated windows", groups)
        collected = yield _collecting(corpus, source, repeated)
        return Artefacts(
            per_part={"windows": [receipt.path(WINDOWS_FILE) for receipt in collected]},
            record={
                "documents": sum(receipt.value["documents"] for receipt in sketches),
                "windows": windows,
                "repeated_windows": sum(receipt.value["repeated_windows"] for receipt in groups),
            },
        )

    def annotate(self, batch: Batch) -> pa.Table:
        """``spans``: runs of words that stand before, in the order of the config.
        ``repeated_share``: their share of the text's bytes, 4 decimals."""
        table = _windows(str(batch.artefacts["windows"]))
        table = table.filter(pc.is_in(table["row"], value_set=pa.array(batch.rows)))
        row = np.searchsorted(batch.rows, table["row"].to_numpy())
        chosen = np.unique(row)
        text = batch.table["text"].take(pa.array(chosen))
        words = hash_words(text)
        size = pc.binary_length(batch.table["text"]).to_numpy().astype(np.int64)
        place = np.searchsorted(chosen, row)
        owner, spans = _spans(words, place, table, size[chosen], self.config.words)
        owner = chosen[owner]
        repeated = np.bincount(owner, spans[1] - spans[0], minlength=len(size))
        return pa.table(
            [
                lists_by_row(owner, spans, SPAN, len(size)),
                pa.array(np.round(repeated / np.maximum(size, 1), 4), pa.float32()),
            ],
            schema=self.columns,
        )

    def decide(self, annotations: pa.Table) -> Verdicts:
        """Cuts the spans, as ``repeated_substring``; drops what has more of them than
        ``max_share``, as ``mostly_repeated``."""
        share = annotations["repeated_share"]
        decided = drop_above(share, self.config.max_share, "mostly_repeated")
        cuts = pa.nulls(annotations.num_rows, CUTS)
        if self.config.cut:
            cuts = _cuts(annotations["spans"].combine_chunks())
        return Verdicts(decided.verdict, decided.score, decided.threshold, cuts)


def _collecting(corpus: Corpus, sketches: Listed, groups: Listed) -> list[Task]:
    """Tasks that hand each part its repeated windows."""
    return [
        corpus.task(
            "stages.dedupe.windows:collect_part",
            "collect",
            {
                "part": part.index,
                "sketches": sketches,
                "groups": groups,
            },
            label=f"repeated windows of {part.documents}",
            documents=part.rows,
        )
        for part in corpus.parts
    ]


def _spans(
    words: Words, row: Ints, windows: pa.Table, size: Ints, length: int
) -> tuple[Ints, list[Any]]:
    """Rows, and the columns of ``SPAN``, of what is repeated.

    A word is, when a repeated window has it and no window that is the first of its group does: of
    every run the first copy stays whole, even where another copy overlaps it. A span goes on to
    the next word, so that no punctuation is left.
    """
    begin = words.offsets[row] + windows["place"].to_numpy()
    end = begin + windows["count"].to_numpy() + length - 1
    first = windows["first"].to_numpy()
    cut = _covered(begin[~first], end[~first], len(words.starts))
    cut &= ~_covered(begin[first], end[first], len(words.starts))
    opens, closes = cut.copy(), cut.copy()
    edge = np.zeros(len(cut) + 1, np.bool_)  # where another document begins
    edge[words.offsets] = True
    opens[1:] &= ~cut[:-1] | edge[1:-1]
    closes[:-1] &= ~cut[1:] | edge[1:-1]
    head, tail = np.flatnonzero(opens), np.flatnonzero(closes)
    rows = np.searchsorted(words.offsets, head, "right") - 1
    starts = np.where(edge[head], 0, words.starts[head])
    following = np.minimum(tail + 1, max(len(cut) - 1, 0))
    ends = np.where(edge[tail + 1], size[rows], words.starts[following])
    # of the windows that begin before a span, the one that reaches furthest covers its head
    reach = np.maximum.accumulate(end[~first])
    furthest = np.maximum.accumulate(np.where(end[~first] == reach, np.arange(len(reach)), 0))
    place = furthest[np.searchsorted(begin[~first], head, "right") - 1]
    kept_in = windows["kept_in"].filter(pa.array(~first)).take(pa.array(place))
    names = [identity.hex() for identity in kept_in.to_pylist()]
    return rows, [starts, ends, tail - head + 1, names]


def _covered(begin: Ints, end: Ints, words: int) -> Flags:
    """Which of all words lie in one of the ranges."""
    depth = np.bincount(begin, minlength=words + 1) - np.bincount(end, minlength=words + 1)
    return np.asarray(np.cumsum(depth)[:words] > 0, np.bool_)


def _cuts(spans: pa.ListArray) -> pa.ListArray:
    """The spans as cuts (``CUTS``)."""
    flat = pc.list_flatten(spans)
    start, end = flat.field("start").to_numpy(), flat.field("end").to_numpy()
    columns = [start, end, ["repeated_substring"] * len(flat)]
    return lists_by_row(pc.list_parent_indices(spans).to_numpy(), columns, CUT, len(spans))


@lru_cache(maxsize=4)
def _windows(path: str) -> pa.Table:
    return pq.read_table(path)
