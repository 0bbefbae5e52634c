"""The stage: benchmarks in the recipe, matches as annotations, the rule of Qwen2.5 as decision."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from manifests.schema import KEEP, ROLE, ROLE_MATCHES
from pipeline.corpus import Corpus
from pipeline.stage import Artefacts, Batch, Stage, StageConfig, Verdicts, setting, threshold
from pipeline.task import Receipt, Task, TaskRun
from stages.decontaminate.benchmark import BenchmarkConfig, read_sequences
from stages.decontaminate.index import build_index, load_index, save_index
from stages.decontaminate.match import FLOOR_RATIO, Found, find_matches
from stages.decontaminate.window import MODES
from stages.words import text_buffers

Json = Any

MATCH = pa.struct(
    [
        pa.field("benchmark", pa.string()),
        pa.field("item", pa.string()),
        pa.field("sequence", pa.string()),
        pa.field("start", pa.int32()),
        pa.field("end", pa.int32()),
        pa.field("item_start", pa.int32()),
        pa.field("item_end", pa.int32()),
        pa.field("item_text", pa.string()),
        pa.field("item_words", pa.int32()),
        pa.field("ngram_hits", pa.int32()),
        pa.field("lcs", pa.int32()),
        pa.field("ratio", pa.float32()),
    ]
)
"""One match: ``start:end`` are characters of the document, ``item_start:item_end`` characters of
the item's sequence, ``item_text`` what stands there. ``item_words`` is |s_e|, ``ratio`` is
|LCS| / min(|s_t|, |s_e|), all in words."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class DecontaminateConfig(StageConfig):
    """Which benchmarks are kept out, and how much of an item a document may share."""

    benchmarks: dict[str, BenchmarkConfig] = setting(
        default_factory=dict,
        about="Benchmarks by name; names such as humaneval, gsm8k or mmlu need only a path",
    )
    mode: Literal["paper", "hardened"] = setting(
        "paper",
        about="Gate: n-grams of 13 words (paper) or of 8 (hardened: finds edited copies)",
        source="Qwen2, arXiv 2407.10671, section 5.2.6; 8: measured",
    )
    short_words: int = setting(
        5,
        about="Sequences of at least this many words, but fewer than the gate's n, match as a"
        " whole; shorter ones not at all (their question with its answer may)",
        ge=3,
        le=8,
    )
    common_ngram_min_items: int = setting(
        10,
        about="n-grams that stand in this many benchmark items or more (templates, boilerplate)"
        " cannot open the gate",
        ge=2,
    )
    min_lcs: int = threshold(
        13,
        about="Words of the longest common subsequence from which a document is dropped; of"
        " sequences with fewer words, all",
        source="Qwen2.5, arXiv 2412.15115, section 5",
        ge=1,
    )
    min_ratio: float = threshold(
        0.6,
        about="Share of the shorter of the two, document and sequence, that the longest common"
        " subsequence must reach",
        source="Qwen2.5, arXiv 2412.15115, section 5",
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


def build_index_files(run: TaskRun) -> Json:
    """Task: reads the benchmarks (``locations``), writes the index, returns the record."""
    config = run.arguments["config"]
    sequences = []
    benchmarks: dict[str, Json] = {}
    for name, sha256 in run.arguments["benchmarks"].items():
        benchmark = BenchmarkConfig(path=run.locations[name], **config[f"benchmarks.{name}"])
        found, items = read_sequences(name, Path(run.locations[name]), benchmark)
        benchmarks[name] = {"sha256": sha256, "items": items, "sequences": len(found)}
        sequences += found
    mode = MODES[config["mode"]]
    index, record = build_index(
        sequences,
        mode.n,
        config["short_words"],
        config["common_ngram_min_items"],
        markup=mode.markup,
    )
    save_index(index, run.output)
    (run.output / "record.json").write_text(
        json.dumps({"benchmarks": benchmarks, **record}, sort_keys=True, ensure_ascii=False),
        encoding="utf-8",
    )
    return {"benchmarks": benchmarks, **record}


class Decontaminate(Stage[DecontaminateConfig]):
    """Drops documents that hold a benchmark item, and keeps the two texts' spans as proof."""

    name = "decontaminate"
    version = 1
    Config = DecontaminateConfig
    summary = "drop documents that hold benchmark items (13-gram gate, then LCS)"
    columns = pa.schema(
        [
            pa.field("matches", pa.list_(MATCH), metadata={ROLE: ROLE_MATCHES}),
            pa.field("best_ratio", pa.float32()),
            pa.field("best_lcs", pa.int32()),
            pa.field("benchmark", pa.string()),
            pa.field("capped", pa.bool_()),
        ]
    )

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Artefacts]:
        """One task that builds the index from the benchmarks."""
        externals = {
            name: corpus.externals[self.config.benchmarks[name].path]
            for name in sorted(self.config.benchmarks)
        }
        config = self.measured_config()
        receipts = yield [
            corpus.task(
                "stages.decontaminate.stage:build_index_files",
                "index",
                {
                    "config": config,
                    "benchmarks": {name: file.sha256 for name, file in externals.items()},
                },
                label="benchmark index",
                locations={name: file.location for name, file in externals.items()},
            )
        ]
        return Artefacts(shared={"index": receipts[0].output}, record=receipts[0].value)

    def annotate(self, batch: Batch) -> pa.Table:
        """Matches of every document at or above the floor (see ``match.FLOOR_RATIO``)."""
        index = load_index(batch.artefacts["index"])
        data, offsets = text_buffers(batch.table["text"])
        found = find_matches(data, offsets, index, MODES[self.config.mode])
        rows = batch.table.num_rows
        matches = _structs(found, index.tokens, index.offsets, index.spans, index.sequences)
        bounds = np.searchsorted(found.row, np.arange(rows + 1)).astype(np.int32)
        ratio = matches.field("ratio").to_numpy(zero_copy_only=False)
        best = _first_of_rows(found.row, [-ratio, -found.lcs], rows)
        picked = matches.take(pa.array(best))
        return pa.Table.from_arrays(
            [
                pa.ListArray.from_arrays(pa.array(bounds), matches).cast(
                    self.columns.field("matches").type
                ),
                picked.field("ratio"),
                picked.field("lcs"),
                picked.field("benchmark"),
                pa.array(found.capped),
            ],
            schema=self.columns,
        )

    def decide(self, annotations: pa.Table) -> Verdicts:
        """The rule: |LCS| >= min_lcs (or all of a shorter sequence) and ratio >= min_ratio.

        A dropped document has the ratio of its best match; one that is kept although a ratio was
        high enough has the number of words that was too low.
        """
        rows = annotations.num_rows
        column = annotations["matches"].combine_chunks()
        matches = column.flatten()
        row = column.value_parent_indices().to_numpy(zero_copy_only=False).astype(np.int64)
        lcs = matches.field("lcs").to_numpy(zero_copy_only=False)
        words = matches.field("item_words").to_numpy(zero_copy_only=False)
        ratio = matches.field("ratio").to_numpy(zero_copy_only=False)
        # Compared as they are stored, so that 7 of 10 words are not below 0.7.
        enough = ratio >= np.float32(self.config.min_ratio)
        guilty = enough & (lcs >= np.minimum(self.config.min_lcs, words))
        best = _first_of_rows(row, [~guilty, ~enough, -ratio, -lcs], rows)
        picked = matches.take(pa.array(best))
        dropped = _at(guilty, best)
        by_words = _at(enough, best) & ~dropped
        reason = pc.binary_join_element_wise("contaminated", picked.field("benchmark"), ".")
        score = pc.if_else(
            pa.array(by_words),
            pc.cast(picked.field("lcs"), pa.float64()),
            pc.round(pc.cast(picked.field("ratio"), pa.float64()), 4),
        )
        limit = np.where(by_words, float(self.config.min_lcs), self.config.min_ratio)
        return Verdicts(
            pc.if_else(pa.array(dropped), reason, KEEP),
            score,
            pc.if_else(pc.is_valid(score), pa.array(limit), pa.scalar(None, pa.float64())),
        )


def _first_of_rows(row: Any, keys: list[Any], rows: int) -> Any:
    """For each row its match that comes first by the keys, as a masked array of match numbers."""
    order = np.lexsort((*reversed(keys), row))
    first = np.searchsorted(row[order], np.arange(rows))
    there = first < len(row)
    there[there] = row[order][first[there]] == np.flatnonzero(there)
    chosen = np.zeros(rows, np.int64)
    chosen[there] = order[first[there]]
    return np.ma.masked_array(chosen, mask=~there)


def _at(values: Any, places: Any) -> Any:
    """Booleans at the given places; false where there is no place."""
    result = np.zeros(len(places), bool)
    there = ~np.ma.getmaskarray(places)
    result[there] = values[places.data[there]]
    return result


def _structs(
    found: Found, tokens: Any, offsets: Any, spans: Any, sequences: pa.Table
) -> pa.StructArray:
    named = sequences.take(pa.array(found.sequence))
    first = offsets[found.sequence] + found.item_start
    last = offsets[found.sequence] + found.item_end - 1
    starts, ends = spans[first, 0], spans[last, 1]
    texts = [text[a:b] for text, a, b in zip(named["text"].to_pylist(), starts, ends, strict=True)]
    words = offsets[found.sequence + 1] - offsets[found.sequence]
    columns = [
        named["benchmark"].combine_chunks(),
        named["item"].combine_chunks(),
        named["sequence"].combine_chunks(),
        pa.array(found.start, pa.int32()),
        pa.array(found.end, pa.int32()),
        pa.array(starts, pa.int32()),
        pa.array(ends, pa.int32()),
        pa.array(texts, pa.string()),
        pa.array(words, pa.int32()),
        pa.array(found.hits, pa.int32()),
        pa.array(found.lcs, pa.int32()),
        pa.array((found.lcs / found.shorter).astype(np.float32)),
    ]
    return pa.StructArray.from_arrays(columns, fields=list(MATCH))
