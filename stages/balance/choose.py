"""How often each document is read, from the plan and the cuts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from manifests.parquet import read_columns
from pipeline.task import Json, TaskRun
from stages.balance.cuts import read_cuts
from stages.balance.plan import Cell, PhasePlan

CHOSEN_FILE = "chosen.parquet"
READING_FILE = "reading.json"

COLUMNS = pa.schema(
    [
        pa.field("group", pa.string()),
        pa.field("repeats", pa.int32()),
        pa.field("phase_repeats", pa.list_(pa.int32())),
        pa.field("weight", pa.float64()),
        pa.field("repeated_tokens", pa.int64()),
    ]
)
"""A document's group, how often it is read in all and by phase (null where there are no phases),
the weight of its group, and its tokens times repeats."""


def positions(plan: PhasePlan, tokens: Mapping[Cell, int], cell: Cell) -> list[tuple[int, int]]:
    """Where a phase begins and ends in a cell: how often it was read whole, and the tokens read
    once more."""
    size, start = tokens[cell], plan.starts[cell]
    return [divmod(at, size) if size else (0, 0) for at in (start, start + plan.amounts[cell])]


def cuts_of(plans: Sequence[PhasePlan], tokens: Mapping[Cell, int]) -> list[dict[str, Json]]:
    """The cuts that the plans need, each once, sorted."""
    wanted = {
        (group, str(weight), plan.mixture.order, once_more)
        for plan in plans
        for group, weight in tokens
        for _, once_more in positions(plan, tokens, (group, weight))
        if once_more
    }
    names = ("group", "weight", "order", "tokens")
    return [dict(zip(names, cut, strict=True)) for cut in sorted(wanted)]


def reading_of(
    plans: Sequence[PhasePlan],
    tokens: Mapping[Cell, int],
    weights: Mapping[str, float],
    phased: bool,
) -> dict[str, Json]:
    """What ``choose_part`` needs of the plans: the order of every phase, by cell the weight of its
    group and the phases' positions, and whether the recipe has phases."""
    return {
        "phased": phased,
        "orders": [plan.mixture.order for plan in plans],
        "cells": [
            [
                group,
                str(weight),
                weights[group],
                [positions(plan, tokens, (group, weight)) for plan in plans],
            ]
            for group, weight in sorted(tokens)
        ],
    }


def write_reading(run: TaskRun) -> Json:
    """Writes what every part reads of the plans, once."""
    (run.output / READING_FILE).write_text(json.dumps(run.arguments["reading"]))
    return None


def choose_part(run: TaskRun) -> Json:
    """Writes how often each living document of a part is read, in all and by phase. Returns, by
    cell: ``[group, weight, documents read, tokens read once, tokens read by phase]``.

    A document is read once more than its cell as a whole when its key is smaller than the cut's,
    so what is chosen depends on the document and the cut alone.
    """
    reading = json.loads(run.path(run.arguments["reading"]).read_text())
    cells = _cells(reading, run.path(run.arguments["cuts"]))
    documents = pl.read_parquet(run.path(run.arguments["documents"])).join(
        cells, on=["group", "weight"], how="left", maintain_order="left"
    )
    phases = [f"phase {phase}" for phase in range(len(reading["orders"]))]
    documents = documents.with_columns(
        (_reads(order, f"{name} end") - _reads(order, f"{name} start")).alias(name)
        for name, order in zip(phases, reading["orders"], strict=True)
    ).with_columns(pl.sum_horizontal(phases).alias("repeats"))
    by_phase = pl.concat_list(phases) if reading["phased"] else pl.lit(None)
    documents.select(
        "row",
        "group",
        "repeats",
        by_phase.cast(pl.List(pl.Int32)).alias("phase_repeats"),
        pl.col("group weight").alias("weight"),
        (pl.col("tokens") * pl.col("repeats")).alias("repeated_tokens"),
    ).write_parquet(run.output / CHOSEN_FILE, compression="zstd")
    counted = (
        documents.group_by("group", "weight")
        .agg(
            (pl.col("repeats") > 0).sum().cast(pl.Int64).alias("documents"),
            pl.col("tokens").filter(pl.col("repeats") > 0).sum().alias("unique"),
            *((pl.col("tokens") * pl.col(name)).sum().alias(name) for name in phases),
        )
        .sort("group", "weight")
    )
    return [[*row[:4], list(row[4:])] for row in counted.rows()]


def _cells(reading: Mapping[str, Json], cuts: Path) -> pl.DataFrame:
    """One row a cell: the weight of its group; whole reads and the key of the cut at both ends of
    every phase."""
    keys = {
        (cut["group"], cut["weight"], cut["order"], cut["tokens"]): cut["key"]
        for cut in read_cuts(cuts)
    }
    schema: dict[str, Any] = {
        "group": pl.String,
        "weight": pl.String,
        "group weight": pl.Float64,
    }
    for phase in range(len(reading["orders"])):
        for side in ("start", "end"):
            schema |= {f"phase {phase} {side}": pl.Int64, f"phase {phase} {side} key": pl.UInt64}
    rows = []
    for group, weight, group_weight, phases in reading["cells"]:
        row = [group, weight, group_weight]
        for order, sides in zip(reading["orders"], phases, strict=True):
            for whole, more in sides:
                row += [whole, keys[group, weight, order, more] if more else 0]
        rows.append(row)
    return pl.DataFrame(rows, schema=schema, orient="row")


def _reads(order: str, end: str) -> pl.Expr:
    """How often a document is read up to a position."""
    return pl.col(end) + (pl.col(order) < pl.col(f"{end} key")).cast(pl.Int64)


@lru_cache(maxsize=4)
def _chosen(path: Path) -> tuple[np.ndarray[Any, np.dtype[np.int32]], pa.Table]:
    table = read_columns(path)
    columns = [table[field.name].combine_chunks().cast(field.type) for field in COLUMNS]
    return table["row"].to_numpy(), pa.table(columns, schema=COLUMNS)


def chosen_for(path: Path, rows: np.ndarray[Any, np.dtype[np.int64]]) -> pa.Table:
    """What ``choose_part`` wrote about some living rows of the part, with ``COLUMNS``."""
    there, table = _chosen(path)
    return table.take(pa.array(np.searchsorted(there, rows)))
