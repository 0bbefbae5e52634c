"""The cube: documents, bytes and tokens by source, annotation and verdict; what manifests count."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.cuts import CutCounts, add_cuts, count_cuts
from manifests.parquet import read_columns
from manifests.schema import KEEP
from pipeline.cuts import united_cuts
from pipeline.task import Json, TaskRun

BASE_MEASURES = ("documents", "bytes")
COUNTS_FILE = "counts.json"
COUNTS_PER_SUM = 64
"""Counts that one task adds up; so many are left for the driver."""


def count_part(run: TaskRun) -> Json:
    """Counts one part. Arguments: ``documents``; ``verdicts`` as ``[stage, path]`` in order;
    ``dimensions`` and ``measures`` as ``[column, path]``. Writes ``counts.json``: columns and rows
    of the cube, and where stages cut, what they cut."""
    documents = run.path(run.arguments["documents"])
    frame = pl.read_parquet(documents, columns=["source", "text"]).select(
        pl.col("source").cast(pl.String),
        pl.col("text").str.len_bytes().cast(pl.Int64).alias("bytes"),
    )
    dropped = pl.Series("dropped_by", [None] * len(frame), pl.String)
    reason = pl.Series("reason", [None] * len(frame), pl.String)
    for stage, path in run.arguments["verdicts"]:
        verdict = pl.read_parquet(run.path(path), columns=["verdict"])["verdict"].cast(pl.String)
        now = (verdict.is_not_null() & (verdict != KEEP)).fill_null(False)
        dropped = dropped.set(now, stage)
        reason = reason.zip_with(~now, verdict)
    frame = frame.with_columns(dropped, reason.alias("reason"))
    for name, path in [*run.arguments["dimensions"], *run.arguments["measures"]]:
        values = pl.from_arrow(read_columns(run.path(path), [name])[name])
        assert isinstance(values, pl.Series)
        frame = frame.with_columns(values.alias(name))
    keys = cube_keys(run.arguments)
    measures = [name for name, _ in run.arguments["measures"]]
    cube = (
        frame.with_columns(pl.col(name).cast(pl.String) for name in keys)
        .group_by(keys)
        .agg(
            pl.len().cast(pl.Int64).alias("documents"),
            pl.col("bytes").sum(),
            *(pl.col(name).cast(pl.Int64).sum() for name in measures),
        )
        .sort(keys, nulls_last=False)
    )
    counted = {"columns": cube.columns, "rows": [list(row) for row in cube.rows()]}
    counted |= _count_cuts(run, frame["dropped_by"].is_null())
    return _write(run, counted)


def add_counts(run: TaskRun) -> Json:
    """Adds up ``counts`` (paths of ``counts.json``) whose first ``keys`` columns are no numbers;
    writes another."""
    counts = (json.loads(run.path(path).read_text()) for path in run.arguments["counts"])
    return _write(run, merge_counts(counts, run.arguments["keys"]))


def _write(run: TaskRun, counted: Json) -> Json:
    (run.output / COUNTS_FILE).write_text(json.dumps(counted, separators=(",", ":")))
    return {"rows": len(counted["rows"])}


def _count_cuts(run: TaskRun, kept: pl.Series) -> dict[str, Json]:
    """``cuts``: by stage, what it cut from documents that it kept. ``cut``: documents and bytes
    cut from what all stages keep, where cuts of several stages overlap counted once."""
    together = united_cuts(run.store, [path for _, path in run.arguments["verdicts"]])
    if together is None:
        return {}
    by_stage = {}
    for stage, path in run.arguments["verdicts"]:
        if "cuts" in pq.read_schema(run.path(path)).names:
            by_stage[stage] = count_cuts(read_columns(run.path(path), ["cuts"])["cuts"])
    of_kept = together.filter(kept.to_arrow())
    spans = pc.list_flatten(of_kept)
    size = pc.sum(pc.subtract(spans.field("end"), spans.field("start"))).as_py() or 0
    documents = pc.sum(pc.greater(pc.list_value_length(of_kept), 0)).as_py() or 0
    return {"cuts": by_stage, "cut": {"documents": documents, "bytes": size}}


def cube_keys(arguments: Mapping[str, Json]) -> list[str]:
    """The columns that the cube groups by, in order."""
    return ["source", *(name for name, _ in arguments["dimensions"]), "dropped_by", "reason"]


def merge_counts(counts: Iterable[Mapping[str, Json]], keys: int) -> dict[str, Json]:
    """What ``count_part`` says, of several parts together. One of them is held at a time."""
    cuts: list[Mapping[str, Json]] = []

    def cubes() -> Iterator[Mapping[str, Json]]:
        for count in counts:
            cuts.append({key: count[key] for key in ("cuts", "cut") if key in count})
            yield count

    return merge_cubes(cubes(), keys) | merge_cuts(cuts)


def merge_cubes(cubes: Iterable[Mapping[str, Json]], keys: int) -> dict[str, Json]:
    """One cube from those of all parts: rows with equal keys added up, sorted by key."""
    total: dict[tuple[str | None, ...], list[int]] = {}
    columns: Sequence[str] = []
    for cube in cubes:
        columns = cube["columns"]
        for row in cube["rows"]:
            key, values = tuple(row[:keys]), row[keys:]
            have = total.get(key)
            total[key] = (
                list(values) if have is None else [a + b for a, b in zip(have, values, strict=True)]
            )
    ordered = sorted(
        total, key=lambda key: tuple((value is not None, value or "") for value in key)
    )
    rows: list[list[Any]] = [[*key, *total[key]] for key in ordered]
    return {"columns": list(columns), "rows": rows}


def merge_cuts(counts: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """What ``count_part`` says of cuts, over all parts: ``cuts`` by stage and reason, ``cut`` of
    what is kept. Empty when no stage cuts."""
    with_cuts = [count for count in counts if "cut" in count]
    if not with_cuts:
        return {}
    by_stage: dict[str, CutCounts] = {}
    for count in with_cuts:
        for stage, cuts in count["cuts"].items():
            by_stage[stage] = add_cuts(by_stage.get(stage, {}), cuts)
    whole = {unit: sum(count["cut"][unit] for count in with_cuts) for unit in BASE_MEASURES}
    return {"cuts": by_stage, "cut": whole}
