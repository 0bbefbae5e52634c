"""Cuts: up to which sort key documents are taken, so that their tokens fill what is planned.

The documents of a cell have an order (a uint64 key, smallest first). A cut asks for the longest run
from the start whose tokens are at most those wanted. Its key is found without sorting or collecting
documents: every part adds up tokens by the next 16 bits of the keys, among documents that share the
bits found so far; the sums of all parts say in which bin the run ends. Four rounds give all 64
bits, and a bin with one document ends the search, so that it mostly takes two.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.corpus import Corpus
from pipeline.task import Json, Receipt, Task, TaskRun
from stages.balance.groups import DOCUMENTS_FILE

CUTS_FILE = "cuts.json"
HISTOGRAM_FILE = "histogram.parquet"

BITS = 16
LEVELS = 64 // BITS
MERGED = 500
"""Histograms that one task adds up."""

Cut = dict[str, Json]
"""``group``, ``weight`` (as text), ``order``, ``tokens`` (wanted), ``left`` (of them, after the
documents before ``prefix``), ``prefix`` (the key's bits so far), ``key`` (None until it is found:
documents with smaller keys are taken)."""


def find_cuts(
    corpus: Corpus, grouped: Sequence[Receipt], cuts: Sequence[Mapping[str, Json]]
) -> Generator[list[Task], list[Receipt], str]:
    """Rounds that find the key of every cut (``group``, ``weight``, ``order``, ``tokens``). Returns
    the path of the file of cuts."""
    wanted = [{**cut, "left": cut["tokens"], "prefix": 0, "key": None} for cut in cuts]
    (state,) = yield [_narrowing(corpus, 0, {"cuts": wanted}, [])]
    for level in range(LEVELS):
        if not state.value["open"]:
            break
        path = state.path(CUTS_FILE)
        made = yield [
            corpus.task(
                "stages.balance.cuts:histogram_part",
                "histogram",
                {"documents": receipt.path(DOCUMENTS_FILE), "cuts": path, "level": level},
                label=f"histogram {level + 1}, part {number + 1} of {len(grouped)}",
            )
            for number, receipt in enumerate(grouped)
        ]
        paths = [receipt.path(HISTOGRAM_FILE) for receipt in made]
        while len(paths) > MERGED:
            made = yield [
                corpus.task(
                    "stages.balance.cuts:merge_histograms",
                    "merge",
                    {"histograms": paths[start : start + MERGED]},
                    label="sum of histograms",
                )
                for start in range(0, len(paths), MERGED)
            ]
            paths = [receipt.path(HISTOGRAM_FILE) for receipt in made]
        (state,) = yield [_narrowing(corpus, level + 1, {"state": path}, paths)]
    return state.path(CUTS_FILE)


def _narrowing(corpus: Corpus, level: int, cuts: dict[str, Json], paths: list[str]) -> Task:
    return corpus.task(
        "stages.balance.cuts:narrow_cuts",
        "cuts",
        {**cuts, "level": level, "histograms": paths},
        label="cuts",
    )


def read_cuts(path: Path) -> list[Cut]:
    """The cuts in a file."""
    cuts: list[Cut] = json.loads(path.read_text())
    return cuts


def histogram_part(run: TaskRun) -> Json:
    """Tokens and documents of one part by cut and bin: the next bits of the keys that begin like
    the cut."""
    level = run.arguments["level"]
    found = [
        (index, cut)
        for index, cut in enumerate(read_cuts(run.path(run.arguments["cuts"])))
        if cut["key"] is None
    ]
    documents = pl.read_parquet(run.path(run.arguments["documents"]))
    counted = [_EMPTY]
    for order in sorted({cut["order"] for _, cut in found}):
        wanted = pl.DataFrame(
            [
                [index, cut["group"], cut["weight"], cut["prefix"]]
                for index, cut in found
                if cut["order"] == order
            ],
            schema={
                "cut": pl.Int64,
                "group": pl.String,
                "weight": pl.String,
                "prefix": pl.UInt64,
            },
            orient="row",
        )
        joined = documents.join(wanted, on=["group", "weight"])
        keys = joined[order].to_numpy()
        if level:
            alike = (keys >> np.uint64(64 - BITS * level)) == joined["prefix"].to_numpy()
            joined, keys = joined.filter(alike), keys[alike]
        bins = (keys >> np.uint64(64 - BITS * (level + 1))) & np.uint64((1 << BITS) - 1)
        counted.append(
            joined.select(
                "cut",
                pl.Series("bin", bins, pl.Int64),
                "tokens",
                pl.lit(1, pl.Int64).alias("documents"),
            )
        )
    _summed(pl.concat(counted).lazy()).write_parquet(run.output / HISTOGRAM_FILE)
    return None


_EMPTY = pl.DataFrame(
    schema={"cut": pl.Int64, "bin": pl.Int64, "tokens": pl.Int64, "documents": pl.Int64}
)


def merge_histograms(run: TaskRun) -> Json:
    """The sum of some histograms."""
    paths = [run.path(path) for path in run.arguments["histograms"]]
    _summed(pl.scan_parquet(paths)).write_parquet(run.output / HISTOGRAM_FILE)
    return None


def _summed(histograms: pl.LazyFrame) -> pl.DataFrame:
    return (
        histograms.group_by("cut", "bin")
        .agg(pl.col("tokens").sum(), pl.col("documents").sum())
        .sort("cut", "bin")
        .collect()
    )


def narrow_cuts(run: TaskRun) -> Json:
    """The cuts with the next bits of their keys, from the histograms of all parts; without
    histograms the cuts as they are asked for. Returns how many are not found yet."""
    arguments = run.arguments
    if arguments["histograms"]:
        cuts = read_cuts(run.path(arguments["state"]))
        paths = [run.path(path) for path in arguments["histograms"]]
        histograms = _summed(pl.scan_parquet(paths)).partition_by("cut", as_dict=True)
        for (index,), histogram in histograms.items():
            cuts[index] = narrowed(cuts[index], histogram, arguments["level"])
    else:
        cuts = arguments["cuts"]
    (run.output / CUTS_FILE).write_text(json.dumps(cuts, sort_keys=True))
    return {"open": sum(cut["key"] is None for cut in cuts)}


def narrowed(cut: Mapping[str, Any], histogram: pl.DataFrame, level: int) -> Cut:
    """One cut after ``level`` rounds, from tokens and documents by bin, bins rising."""
    before = histogram["tokens"].cum_sum()
    over = int((before <= cut["left"]).sum())
    if over == len(before):
        raise ValueError(f"a cut of {cut['group']} asks for more tokens than there are")
    tokens, documents = histogram["tokens"][over], histogram["documents"][over]
    left = cut["left"] - (before[over] - tokens)
    prefix = (cut["prefix"] << BITS) | int(histogram["bin"][over])
    found = documents == 1 or level == LEVELS
    key = prefix << (64 - BITS * level) if found else None
    return {**cut, "left": left, "prefix": prefix, "key": key}
