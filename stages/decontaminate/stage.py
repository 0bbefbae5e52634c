"""The stage: benchmarks in the recipe, matches as annotations, the rule of Qwen2.5 as decision."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from manifests.schema import CUTS, KEEP, ROLE, ROLE_MATCHES
from pipeline.corpus import Corpus
from pipeline.stage import Batch, Stage, StageConfig, Verdicts, setting, threshold
from pipeline.task import Json
from pipeline.text_buffers import text_buffers
from stages.decontaminate.benchmark import BenchmarkConfig
from stages.decontaminate.frequency import Counts, is_common, load_counts
from stages.decontaminate.hits import Booleans
from stages.decontaminate.index import Index, load_index
from stages.decontaminate.mask import Span, mask_spans
from stages.decontaminate.match import FLOOR_RATIO, Found, find_matches
from stages.decontaminate.matches import (
    MATCH,
    first_of_rows,
    match_structs,
    values_at,
    with_later,
)
from stages.decontaminate.part import load_matches
from stages.decontaminate.rounds import Round, all_rounds
from stages.decontaminate.rule import guilty, least_ratio
from stages.decontaminate.window import MODES
from stages.words import I64

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class DecontaminateConfig(StageConfig):
    """Which benchmarks are kept out, and how much of an item a document may share."""

    benchmarks: dict[str, BenchmarkConfig] = setting(
        default_factory=dict,
        about="Benchmarks by name; names such as humaneval, gsm8k or mmlu need only a path",
    )
    mode: Literal["paper", "hardened"] = setting(
        "paper",
        about="Gate: n-grams of 13 words (paper) or of 5 (hardened: finds edited copies, in a"
        " narrower window and at a higher ratio)",
        source="Qwen2, arXiv 2407.10671, section 5.2.6; 5: measured, docs/decontaminate.md",
    )
    short_words: int = setting(
        5,
        about="Sequences of at least this many words, but fewer than 13, match as a whole; shorter"
        " ones not at all (their question with its answer may)",
        ge=3,
        le=8,
    )
    common_ngram_min_items: int = setting(
        10,
        about="n-grams that stand in this many benchmark items or more (templates, boilerplate)"
        " cannot open the gate",
        ge=2,
    )
    action: Literal["drop", "mask"] = setting(
        "drop",
        about="Drop documents that hold an item, or cut out the spans where they do; those of which"
        " too much is items are dropped then too. A benchmark may have an action of its own",
    )
    common_ngram_min_documents: int = threshold(
        20,
        about="n-grams that stand in this many documents or more without the rest of their item,"
        " and in `common_ngram_min_share` of all documents, cannot open the gate alone",
        source="own choice, docs/DECISIONS.md",
        ge=1,
    )
    common_ngram_min_share: float = threshold(
        0.001,
        about="Share of all documents for `common_ngram_min_documents`",
        source="own choice, docs/DECISIONS.md",
        ge=0.0,
        le=1.0,
    )
    min_lcs: int = threshold(
        13,
        about="Words of the longest common subsequence from which a document is dropped; of"
        " sequences with fewer words, all",
        source="Qwen2.5, arXiv 2412.15115, section 5",
        ge=1,
    )
    min_ratio: float | None = threshold(
        None,
        about="Share of the shorter of the two, document and sequence, that the longest common"
        " subsequence must reach; by default 0.6 in paper mode, 0.7 in hardened mode",
        source="0.6: Qwen2.5, arXiv 2412.15115, section 5; 0.7: measured",
        ge=FLOOR_RATIO,
        le=1.0,
    )

    @model_validator(mode="after")
    def _benchmarks_are_known(self) -> DecontaminateConfig:
        for name, benchmark in self.benchmarks.items():
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"a benchmark's name becomes a reason in the ledger: `{name}` has characters"
                    " other than letters, digits, `_`, `-` and `.`. Rename it."
                )
            benchmark.resolve(name)
        return self


class Decontaminate(Stage[DecontaminateConfig]):
    """Drops documents that hold a benchmark item, and keeps the two texts' spans as proof."""

    name = "decontaminate"
    version = 5
    libraries = ("unicode",)
    Config = DecontaminateConfig
    summary = "drop documents that hold benchmark items (n-gram gate, then LCS), or mask the items"
    columns = pa.schema(
        [
            pa.field("matches", pa.list_(MATCH), metadata={ROLE: ROLE_MATCHES}),
            pa.field("best_ratio", pa.float32()),
            pa.field("best_lcs", pa.int32()),
            pa.field("benchmark", pa.string()),
            pa.field("capped", pa.bool_()),
            pa.field("masked", CUTS),
        ]
    )
    needs_corpus = True
    cuts = True

    def may_cut(self) -> bool:
        """Only with ``action: mask``, of a benchmark or of the stage."""
        actions = {one.action or self.config.action for one in self.config.benchmarks.values()}
        return "mask" in (actions or {self.config.action})

    def read_columns(self) -> tuple[str, ...]:
        """The texts only where something is masked: the rounds have read them."""
        return ("text",) if self.may_cut() else ("id",)

    def dropping(self) -> frozenset[str]:
        """The benchmarks whose items are not masked: documents that hold one are dropped."""
        benchmarks = self.config.benchmarks.items()
        default = self.config.action
        return frozenset(name for name, one in benchmarks if (one.action or default) == "drop")

    def measured_config(self) -> dict[str, Json]:
        """A text is masked until it passes the rule: then the rule's thresholds are measured by."""
        measured = super().measured_config()
        return measured | (self.decision_config() if self.may_cut() else {})

    def rounds(self, corpus: Corpus) -> Round:
        """The index; the matches of every part; in how many documents the n-grams stand."""
        measured = {
            name: {k: v for k, v in value.items() if k != "action"}
            if isinstance(value, dict)
            else value
            for name, value in super().measured_config().items()
            if name != "action"
        }
        files = {name: benchmark.path for name, benchmark in self.config.benchmarks.items()}
        limits = {
            "min_documents": self.config.common_ngram_min_documents,
            "min_share": self.config.common_ngram_min_share,
        }
        return all_rounds(corpus, files, measured, limits)

    def annotate(self, batch: Batch) -> pa.Table:
        """Matches of every document at or above the floor (see ``match.FLOOR_RATIO``), as the
        rounds found them."""
        index = load_index(batch.artefacts["index"])
        counts = load_counts(batch.artefacts["counts"])
        found = load_matches(batch.artefacts["matches"], batch.rows)
        rows = len(batch.rows)
        row, matches = found.row, match_structs(found, index, counts)
        ratio = matches.field("ratio").to_numpy(zero_copy_only=False)
        picked = matches.take(pa.array(first_of_rows(row, [-ratio, -found.lcs], rows)))
        masked = pa.nulls(rows, CUTS)
        if self.may_cut():
            row, matches, masked = self._mask(batch.table["text"], found, matches, index, counts)
        bounds = np.searchsorted(row, np.arange(rows + 1)).astype(np.int32)
        return pa.Table.from_arrays(
            [
                pa.ListArray.from_arrays(pa.array(bounds), matches).cast(
                    self.columns.field("matches").type
                ),
                picked.field("ratio"),
                picked.field("lcs"),
                picked.field("benchmark"),
                pa.array(found.capped),
                masked,
            ],
            schema=self.columns,
        )

    def _mask(
        self,
        texts: pa.ChunkedArray,
        found: Found,
        matches: pa.StructArray,
        index: Index,
        counts: Counts,
    ) -> tuple[I64, pa.StructArray, pa.Array]:
        """Rows and matches with those that were found in what the first cuts left, and ``CUTS`` of
        every text: null where nothing is to be cut, or where cutting does not do."""
        rounds: list[pa.StructArray] = []

        def search(left: pa.ChunkedArray) -> list[list[Span]]:
            again = find_matches(*text_buffers(left), index, MODES[self.config.mode])
            rounds.append(match_structs(again, index, counts))
            return self._spans(len(left), again, rounds[-1])

        spans = self._spans(len(texts), found, matches)
        masks = mask_spans(texts, spans, search, self.dropping())
        cuts = [_as_cuts(mask.cuts) if mask and mask.cuts else None for mask in masks]
        row, matches = with_later(found.row, matches, masks, rounds, texts)
        return row, matches, pa.array(cuts, CUTS)

    def _spans(self, rows: int, found: Found, matches: pa.StructArray) -> list[list[Span]]:
        """For each row the spans of its matches that are over the rule."""
        spans: list[list[Span]] = [[] for _ in range(rows)]
        for k in np.flatnonzero(self.over(matches)):
            name = matches.field("benchmark")[int(k)].as_py()
            start, end = int(found.byte_start[k]), int(found.byte_end[k])
            spans[found.row[k]].append(Span(start, end, name, int(k)))
        return spans

    def over(self, matches: pa.StructArray) -> Booleans:
        """Which matches (``MATCH``) are over the rule (``rule.guilty``), and have an n-gram that is
        not common in the corpus."""
        return self._guilty(matches) & ~self._common(matches)

    def _guilty(self, matches: pa.StructArray) -> Booleans:
        lcs, words, ratio = (_numbers(matches, name) for name in ("lcs", "item_words", "ratio"))
        config = self.config
        return guilty(lcs, words, ratio, config.mode, config.min_lcs, config.min_ratio)

    def _common(self, matches: pa.StructArray) -> Booleans:
        return is_common(
            _numbers(matches, "ngram_documents"),
            _numbers(matches, "ngram_share"),
            self.config.common_ngram_min_documents,
            self.config.common_ngram_min_share,
        )

    def decide(self, annotations: pa.Table) -> Verdicts:
        """Drops documents with a match that is ``over`` the rule, or gives their masks as cuts.

        It is dropped for the best such match of a benchmark that drops, if there is one. Matches
        that were found in what masks left are not looked at: those before them decided. The score
        is the ratio of the best match. Of a document that is kept although a ratio was high enough,
        it is what kept it: the number of words that was too low, or the share of documents that
        have the match's n-grams, which was too high.
        """
        rows = annotations.num_rows
        column = annotations["matches"].combine_chunks()
        matches = column.flatten()
        row = column.value_parent_indices().to_numpy(zero_copy_only=False).astype(np.int64)
        least = least_ratio(self.config.mode, self.config.min_ratio)
        ratio, lcs = _numbers(matches, "ratio"), _numbers(matches, "lcs")
        enough = ratio >= np.float32(least)
        alike, common = self._guilty(matches), self._common(matches)
        later = _numbers(matches, "mask_round") > 0
        dropping = pa.array(sorted(self.dropping()), pa.string())
        drops = pc.is_in(matches.field("benchmark"), dropping).to_numpy(zero_copy_only=False)
        spared = alike & ~common & ~drops
        keys = [later, ~alike | common, spared, ~alike, ~enough, -ratio, -lcs]
        best = first_of_rows(row, keys, rows)
        picked = matches.take(pa.array(best))
        by_share = pa.array(values_at(alike & common, best))
        by_words = pa.array(values_at(enough & ~alike, best))
        score = pc.case_when(
            pc.make_struct(by_share, by_words),
            pc.round(pc.cast(picked.field("ngram_share"), pa.float64()), 6),
            pc.cast(picked.field("lcs"), pa.float64()),
            pc.round(pc.cast(picked.field("ratio"), pa.float64()), 4),
        )
        limit = pc.case_when(
            pc.make_struct(by_share, by_words, pc.is_valid(score)),
            self.config.common_ngram_min_share,
            float(self.config.min_lcs),
            least,
        )
        dropped = pa.array(values_at(alike & ~common, best))
        masked = annotations["masked"].combine_chunks()
        if self.may_cut():
            dropped = pc.and_(dropped, pc.is_null(masked))
        reason = pc.binary_join_element_wise("contaminated", picked.field("benchmark"), ".")
        return Verdicts(
            pc.if_else(dropped, reason, KEEP), score, limit, masked if self.may_cut() else None
        )


def _numbers(matches: pa.StructArray, name: str) -> Any:
    return matches.field(name).to_numpy(zero_copy_only=False)


def _as_cuts(spans: Sequence[Span]) -> list[dict[str, Json]]:
    return [
        {"start": span.start, "end": span.end, "reason": f"contaminated.{span.benchmark}"}
        for span in spans
    ]
