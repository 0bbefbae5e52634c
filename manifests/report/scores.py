"""Scores: how the scores that stages compared with their thresholds are distributed.

A pass over the verdicts counts documents by verdict, threshold and score (four significant digits);
all else is made of these counts, so memory does not grow with the corpus.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from manifests.manifest import Manifest
from manifests.schema import KEEP

BINS = (12, 40)
"""Bins of a histogram: 2·n^(1/3) of n documents (the Rice rule), within these bounds."""
_DIGITS = 4
_TAIL = 0.005
"""Share of the documents at either end that may lie outside of what is drawn."""
_STRETCH = 1.5
"""The tails are drawn where they make the range no longer than this."""
_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Histogram:
    """Documents by score: ``kept`` and ``dropped`` in bins of ``width`` from ``start``.

    Edges lie on the first threshold. ``reasons`` are those for which documents were dropped by this
    score; ``below`` and ``above`` count documents outside of the bins.
    """

    stage: str
    reasons: tuple[str, ...]
    start: float
    width: float
    kept: list[int]
    dropped: list[int]
    thresholds: list[float]
    below: int
    above: int

    @property
    def edges(self) -> list[float]:
        """The lower edges of the bins, and the upper one of the last."""
        return [round(self.start + n * self.width, 10) for n in range(len(self.kept) + 1)]


def score_histograms(manifest: Manifest) -> list[Histogram]:
    """Histograms of all stages that compare scores, in the order of the stages.

    Where a stage tells the scores of what it keeps, or has one reason, it has one histogram; others
    compare every reason's score with its own threshold and have one a reason, the most documents
    first. Raises FileNotFoundError when ledgers are gone.
    """
    found = []
    for stage in manifest.stage_names:
        for reasons, counts in _compared(_counts(manifest, stage)):
            found.append(_histogram(stage, reasons, counts))
    return found


def _counts(manifest: Manifest, stage: str) -> pl.DataFrame:
    """Documents by ``verdict, threshold, score``."""
    files = manifest.files.filter((pl.col("stage") == stage) & (pl.col("role") == "verdicts"))
    empty = pl.DataFrame(
        schema={
            "verdict": pl.String,
            "score": pl.Float64,
            "threshold": pl.Float64,
            "documents": pl.Int64,
        }
    )
    if not len(files):
        return empty
    verdicts = pl.scan_parquet([manifest.workspace / path for path in files["path"]])
    return (
        verdicts.select(
            pl.col("verdict").cast(pl.String),
            pl.col("score").round_sig_figs(_DIGITS),
            "threshold",
        )
        .drop_nulls(["verdict", "score"])
        .group_by("verdict", "score", "threshold")
        .agg(pl.len().cast(pl.Int64).alias("documents"))
        .collect(engine="streaming")
        .sort("verdict", "score", "threshold")
    )


def _compared(counts: pl.DataFrame) -> Iterator[tuple[tuple[str, ...], pl.DataFrame]]:
    """Counts of scores that are compared alike, with their reasons."""
    dropped = counts.filter(pl.col("verdict") != KEEP)
    totals = dropped.group_by("verdict").agg(pl.col("documents").sum())
    reasons = totals.sort("documents", "verdict", descending=[True, False])["verdict"].to_list()
    if len(dropped) < len(counts) or len(reasons) == 1:
        yield tuple(reasons), counts
        return
    for reason in reasons:
        yield (reason,), dropped.filter(pl.col("verdict") == reason)


def _histogram(stage: str, reasons: tuple[str, ...], counts: pl.DataFrame) -> Histogram:
    thresholds = sorted(counts["threshold"].drop_nulls().unique().to_list())
    low, high = _range(counts.sort("score"), thresholds)
    width = _width(high - low, counts)
    anchor = thresholds[0] if thresholds else low
    start = round(anchor - math.ceil(round((anchor - low) / width, 6)) * width, 10)
    scores = counts["score"].to_numpy()
    documents = counts["documents"].to_numpy()
    # what floating point leaves of an edge belongs to the bin above it
    bins = np.floor((scores - start) / width + 1e-6).astype(np.int64)
    last = math.floor((high - start) / width + 1e-6)
    inside = (bins >= 0) & (bins <= last)
    keep = (counts["verdict"] == KEEP).to_numpy()

    def counted(which: np.ndarray) -> list[int]:
        chosen = inside & which
        weights = documents[chosen]
        return [int(n) for n in np.bincount(bins[chosen], weights, minlength=last + 1)]

    return Histogram(
        stage,
        reasons,
        start,
        width,
        counted(keep),
        counted(~keep),
        thresholds,
        int(documents[bins < 0].sum()),
        int(documents[bins > last].sum()),
    )


def _range(counts: pl.DataFrame, thresholds: list[float]) -> tuple[float, float]:
    """From where to where scores are drawn: all of them, or all but the tails; thresholds too."""
    scores = counts["score"].to_numpy()
    reached = np.cumsum(counts["documents"].to_numpy()) / counts["documents"].sum()
    low, high = float(scores[0]), float(scores[-1])
    inner = [float(scores[np.searchsorted(reached, share)]) for share in (_TAIL, 1 - _TAIL)]
    ends = [min([inner[0], *thresholds]), max([inner[1], *thresholds])]
    if high - low > _STRETCH * (ends[1] - ends[0]):
        return ends[0], ends[1]
    return min([low, *thresholds]), max([high, *thresholds])


def _width(span: float, counts: pl.DataFrame) -> float:
    """A round width of bins for so wide a range; a whole one where all scores are whole."""
    if span <= 0:
        return 1.0
    documents = int(counts["documents"].sum())
    bins = min(max(BINS[0], round(2 * documents ** (1 / 3))), BINS[1])
    size = 10.0 ** math.floor(math.log10(span / bins))
    width = next(round(nice * size, 12) for nice in _NICE if span / (nice * size) <= bins + 1e-9)
    whole = counts.select(pl.col("score", "threshold").floor() == pl.col("score", "threshold"))
    if whole["score"].all() and whole["threshold"].all():
        return max(1.0, float(math.ceil(width)))
    return width
