"""Boilerplate: lines and paragraphs that stand in many documents are cut, and their share noted."""

from __future__ import annotations

from collections.abc import Generator
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from manifests.schema import CUT, CUTS
from pipeline.corpus import Corpus
from pipeline.cuts import lists_by_row
from pipeline.stage import Artefacts, Batch, Stage, StageConfig, Verdicts, setting, threshold
from pipeline.task import Receipt, Task
from stages.dedupe.arrays import Flags
from stages.dedupe.characters import UNICODE_VERSION
from stages.dedupe.kinds import KIND, check_kinds, rows_of_kinds
from stages.dedupe.line_counts import READ, look_up, repeated_lines
from stages.dedupe.listing import listed
from stages.dedupe.segments import (
    Scope,
    Unit,
    document_scopes,
    find_segments,
    scope_keys,
    segment_keys,
    segment_texts,
)
from stages.dedupe.shares import drop_above
from stages.line_votes import STATISTICS, measure_lines

LINE = pa.struct(
    [
        pa.field("start", pa.int32()),
        pa.field("end", pa.int32()),
        pa.field("before", pa.int32()),
        pa.field("after", pa.int32()),
        pa.field("opens", pa.bool_()),
        pa.field("closes", pa.bool_()),
        pa.field("documents", pa.int64()),
    ]
)
"""A repeated line: bytes of the document's text, as in ``Segments``, and how many documents of the
scope have it."""


class BoilerplateLinesConfig(StageConfig):
    """What counts as repeated, and what is done with it."""

    unit: Unit = setting(
        "line",
        about="`line`: what stands between line breaks. `paragraph`: between blank lines; safer for"
        " texts with hard line breaks, of which single lines are no unit of meaning.",
        source="CCNet, arXiv 1911.00359, which removes repeated paragraphs; extracted web pages"
        " have one a line",
    )
    scope: Scope = setting(
        "host",
        about="Documents among which a line is counted: those of one `source`, of one `host` (by"
        " URL; of one source where there is none), or all (`global`).",
        source="own choice: a site's menus and notices are its own",
    )
    min_documents: int = setting(
        7,
        ge=2,
        about="Documents of the scope that must have a line before it is boilerplate.",
        source="Llama 3, arXiv 2407.21783, section 3.1.1: lines that appear more than 6 times in a"
        " bucket of 30 million documents",
    )
    min_share: float = setting(
        2e-7,
        ge=0.0,
        le=1.0,
        about="Share of the scope's documents that must have it, besides: scopes larger than"
        " 35 million documents need more than `min_documents`.",
        source="the same number of Llama 3 as a share",
    )
    min_words: int = setting(
        6,
        ge=1,
        about="Lines of fewer words (or characters, in scripts without spaces) are left alone:"
        " headings such as `See also` give a text its structure.",
        source="own choice, docs/dedupe.md",
    )
    kinds: tuple[str, ...] = setting(
        ("prose", "list", "markup"),
        about="Kinds of documents that are looked at. Code and mathematics repeat lines because"
        " their languages do, and a licence header is part of a file.",
        source="own choice, docs/dedupe.md",
    )
    code_lines: bool = setting(
        False,
        about="Whether lines that look like code or formulas may be cut: an example that begins"
        " with the same import as others is no boilerplate.",
        source="own choice, docs/dedupe.md",
    )
    cut: bool = threshold(True, about="Whether they are cut; otherwise they are noted only.")
    max_share: float | None = threshold(
        None,
        ge=0.0,
        lt=1.0,
        about="Largest share of a document's bytes that may be boilerplate: with more it is"
        " dropped. By default only a document of nothing else is.",
    )

    @model_validator(mode="after")
    def _check(self) -> BoilerplateLinesConfig:
        check_kinds(self.kinds)
        if "code" in self.kinds and not self.code_lines:
            raise ValueError(
                "kinds names code, of which nothing is cut unless lines of code may be. Set"
                " code_lines: true, or leave code out of kinds."
            )
        return self


class BoilerplateLines(Stage[BoilerplateLinesConfig]):
    """Cuts lines that many documents of a source or site have."""

    name: ClassVar[str] = "boilerplate_lines"
    version: ClassVar[int] = 2
    libraries = ("unicode",)
    Config: ClassVar[type[StageConfig]] = BoilerplateLinesConfig
    summary: ClassVar[str] = "Cut lines or paragraphs that stand in many documents"
    document_columns = READ
    reads = (KIND,)
    columns: ClassVar[pa.Schema] = pa.schema(
        [
            pa.field("lines", pa.list_(LINE)),
            pa.field("boilerplate_lines", pa.int32()),
            pa.field("boilerplate_share", pa.float32()),
        ]
    )
    needs_corpus: ClassVar[bool] = True
    cuts: ClassVar[bool] = True

    keys_per_partition: ClassVar[int] = 16_000_000
    """Keys that one counting task sorts (about 50 bytes each). Results do not depend on it."""

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Artefacts]:
        """Count the lines of each part; add up by range of keys; hand each part its own."""
        config = self.config
        counted = yield self._counting(corpus)
        source = yield from listed(corpus, "lines", counted)
        keys = sum(receipt.value["keys"] for receipt in counted)
        partitions = max(1, -(-keys // self.keys_per_partition))
        merged = yield [
            corpus.task(
                "stages.dedupe.line_counts:add_partition",
                "repeated",
                {
                    "counts": source,
                    "partition": partition,
                    "partitions": partitions,
                    "min_documents": config.min_documents,
                },
                label=f"repeated lines, partition {partition + 1} of {partitions}",
            )
            for partition in range(partitions)
        ]
        repeated = yield from listed(corpus, "repeated lines", merged)
        selected = yield [
            corpus.task(
                "stages.dedupe.line_counts:select_part",
                "select",
                {"counts": receipt.output, "repeated": repeated},
                label=f"repeated lines of {part.documents}",
                documents=part.rows,
            )
            for part, receipt in zip(corpus.parts, counted, strict=True)
        ]
        return Artefacts(
            per_part={"repeated": [receipt.output for receipt in selected]},
            record={
                "documents": sum(receipt.value["documents"] for receipt in counted),
                "lines": sum(receipt.value["lines"] for receipt in counted),
                "repeated_lines": sum(receipt.value["repeated"] for receipt in merged),
            },
        )

    def _counting(self, corpus: Corpus) -> list[Task]:
        """Tasks that count the lines of each part."""
        return [
            corpus.task(
                "stages.dedupe.line_counts:count_part",
                "lines",
                {
                    "view": corpus.view(part, self.reads),
                    "unit": self.config.unit,
                    "scope": self.config.scope,
                    "min_words": self.config.min_words,
                    "kinds": list(self.config.kinds),
                    "unicode": UNICODE_VERSION,
                },
                label=f"lines of {part.documents}",
                work=part.text_bytes,
                documents=part.rows,
            )
            for part in corpus.parts
        ]

    def annotate(self, batch: Batch) -> pa.Table:
        """``lines``: those that enough documents have. ``boilerplate_lines``: their number.
        ``boilerplate_share``: their share of the text's bytes, 4 decimals."""
        config = self.config
        table = batch.table
        rows = rows_of_kinds(table, config.kinds)
        table = table.take(pa.array(rows))
        segments = find_segments(table["text"], config.unit)
        scopes = document_scopes(table, config.scope)
        keys, words = segment_keys(table["text"], segments, scopes)
        known = repeated_lines(batch.artefacts["repeated"])
        documents = look_up(known, keys)
        of_scope = look_up(known, scope_keys(scopes))
        needed = np.maximum(config.min_documents, np.ceil(config.min_share * of_scope))
        enough = (words >= config.min_words) & (documents >= needed[segments.row])
        chosen = np.flatnonzero(enough)
        if not config.code_lines:
            texts = segment_texts(table["text"], segments).take(pa.array(chosen))
            chosen = chosen[~_looks_like_code(texts)]
        segments = segments.take(chosen)
        segments = segments._replace(row=rows[segments.row])
        size = pc.binary_length(batch.table["text"]).to_numpy()
        taken = np.bincount(segments.row, segments.end - segments.start, minlength=len(size))
        lines = [*segments[1:], documents[chosen]]
        return pa.table(
            [
                lists_by_row(segments.row, lines, LINE, len(size)),
                pa.array(np.bincount(segments.row, minlength=len(size)), pa.int32()),
                pa.array(np.round(taken / np.maximum(size, 1), 4), pa.float32()),
            ],
            schema=self.columns,
        )

    def decide(self, annotations: pa.Table) -> Verdicts:
        """Cuts the lines with the blank lines that they leave behind; drops what has more of them
        than ``max_share``, as ``mostly_boilerplate``."""
        decided = drop_above(
            annotations["boilerplate_share"], self.config.max_share, "mostly_boilerplate"
        )
        cuts = pa.nulls(annotations.num_rows, CUTS)
        if self.config.cut:
            cuts = _cuts(annotations["lines"].combine_chunks(), f"boilerplate_{self.config.unit}")
        return Verdicts(decided.verdict, decided.score, decided.threshold, cuts)


def _looks_like_code(texts: pa.Array) -> Flags:
    """Whether each line, seen by itself, votes for code or mathematics."""
    votes = measure_lines(texts)
    share = votes[:, STATISTICS.index("code_share")] + votes[:, STATISTICS.index("math_share")]
    return np.asarray(share > 0.5, np.bool_)


def _cuts(lines: pa.ListArray, reason: str) -> pa.ListArray:
    """Cuts (``CUTS``) of neighbouring lines together. After a blank line, those behind them go too,
    so that two stay one; at the end of a text, the white space before them."""
    flat = pc.list_flatten(lines)
    row = pc.list_parent_indices(lines).to_numpy().astype(np.int64)
    start, end, before, after, opens, closes = (
        flat.field(name).to_numpy(zero_copy_only=False)
        for name in ("start", "end", "before", "after", "opens", "closes")
    )
    first = np.ones(len(row), bool)
    first[1:] = (row[1:] != row[:-1]) | (start[1:] != after[:-1])
    last = np.append(first[1:], True)[: len(row)]
    opens, closes = opens[first], closes[last]
    starts = np.where(closes, before[first], start[first])
    ends = np.where(closes | opens, after[last], end[last])
    return lists_by_row(row[first], [starts, ends, [reason] * len(starts)], CUT, len(lines))
