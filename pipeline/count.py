"""The cube: documents, bytes and tokens by source, annotation and verdict; what manifests count."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from manifests.schema import KEEP
from pipeline.task import Json, TaskRun

BASE_MEASURES = ("documents", "bytes")


def count_part(run: TaskRun) -> Json:
    """Counts one part. Arguments: ``documents``; ``verdicts`` as ``[stage, path]`` in order;
    ``dimensions`` and ``measures`` as ``[column, path]``. Returns the cube's rows."""
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
        values = pl.from_arrow(pq.read_table(run.path(path), columns=[name])[name])
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
    (run.output / "cube.json").write_text(json.dumps(cube.rows()))
    return {"columns": cube.columns, "rows": [list(row) for row in cube.rows()]}


def cube_keys(arguments: Mapping[str, Json]) -> list[str]:
    """The columns that the cube groups by, in order."""
    return ["source", *(name for name, _ in arguments["dimensions"]), "dropped_by", "reason"]


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
