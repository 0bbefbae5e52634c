"""Every document's group, and what the choice within the group needs: tokens and sort keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.corpus import open_view
from pipeline.draft import Place
from pipeline.task import Json, TaskRun
from stages.balance.config import BalanceConfig
from stages.balance.expression import Kind, document_kinds, kind_of, parse
from stages.balance.grammar import DOCUMENT_COLUMNS, ExpressionError
from stages.balance.mixture import exact
from stages.sampling import U64, hash_ids

UNKNOWN = "unknown"
"""The group of documents that an earlier stage gave no label."""

OTHER = "other"
"""The group of documents for which no condition holds."""

DOCUMENTS_FILE = "documents.parquet"
TOKENS = "tokenize.n_tokens"


def annotations_read(config: BalanceConfig) -> list[str]:
    """The annotations that a config's expressions name, as ``stage.column``, and the tokens."""
    named = {column for each in config.expressions().values() for column in each.columns()}
    return sorted({TOKENS, *(column for column in named if "." in column)})


def column_kinds(schemas: Mapping[str, pa.Schema]) -> dict[str, Kind]:
    """Kinds of the columns that expressions may name, from the annotation schemas of stages."""
    kinds = document_kinds()
    for stage, schema in schemas.items():
        for field in schema:
            kind = kind_of(field.type)
            if kind is not None:
                kinds[f"{stage}.{field.name}"] = kind
    return kinds


def expression_faults(config: BalanceConfig, kinds: Mapping[str, Kind]) -> list[tuple[Place, str]]:
    """What is wrong with the config's expressions when these are the columns: place and message."""
    faults: list[tuple[Place, str]] = []
    wanted: dict[str | int, Kind] = {"by": "text", "groups": "boolean"}
    for place, expression in config.expressions().items():
        try:
            expression.compile(kinds, (wanted.get(place[0], "number"),))
        except ExpressionError as error:
            faults.append((place, str(error)))
    return faults


def group_arguments(config: BalanceConfig) -> dict[str, Json]:
    """What ``group_part`` has to know of a config: mixtures and budgets are no part of it, so that
    changing them groups nothing again."""
    rehydration = config.rehydration
    return {
        "by": [] if config.groups else list(config.by),
        "groups": [[name, text] for name, text in config.groups.items()],
        "quality": config.quality if "quality" in config.orders() else None,
        "rehydration": rehydration
        and [rehydration.by, [[s, str(exact(w))] for s, w in sorted(rehydration.weights.items())]],
        "seed": config.seed,
    }


def group_part(run: TaskRun) -> Json:
    """Writes, for every living document of a part: row, group, rehydration weight (a fraction as
    text), tokens, and one uint64 a order by which documents are taken, smallest first. Returns
    ``[group, weight, documents, tokens]``."""
    view = open_view(run.store, run.arguments["view"], ("id", *DOCUMENT_COLUMNS))
    frame, kinds = readable(view.table)
    groups = group_names(run.arguments["by"], run.arguments["groups"], kinds)
    weights = rehydration_weights(run.arguments["rehydration"], kinds)
    frame = frame.with_columns(groups.alias("group"), weights.alias("weight"))
    hashes = hash_ids(view.table["id"], run.arguments["seed"])
    keys = {"random": hashes}
    if run.arguments["quality"] is not None:
        score = parse(run.arguments["quality"]).compile(kinds, ("number",)).values
        scores = frame.with_columns(score.cast(pl.Float32).alias("score"))["score"]
        keys["quality"] = descending_keys(scores, hashes)
    documents = frame.select(
        pl.Series("row", view.rows, pl.Int32),
        "group",
        "weight",
        pl.col(TOKENS).fill_null(0).alias("tokens"),
        *(pl.Series(name, key, pl.UInt64) for name, key in keys.items()),
    )
    documents.write_parquet(run.output / DOCUMENTS_FILE, compression="zstd")
    counted = (
        documents.group_by("group", "weight")
        .agg(pl.len().cast(pl.Int64).alias("documents"), pl.col("tokens").sum())
        .sort("group", "weight")
    )
    return [list(row) for row in counted.rows()]


def readable(table: pa.Table) -> tuple[pl.DataFrame, dict[str, Kind]]:
    """The columns that expressions can hold, as a frame: texts as strings, whole numbers as int64;
    and their kinds."""
    kinds = {name: kind for name in table.column_names if (kind := kind_of(table[name].type))}
    columns = {}
    for name, kind in kinds.items():
        column = table[name]
        if kind == "text":
            column = column.cast(pa.large_string())
        elif pa.types.is_integer(column.type):
            column = column.cast(pa.int64())
        columns[name] = pl.Series(name, pl.from_arrow(column))
    return pl.DataFrame(columns), kinds


def group_names(
    by: Sequence[str], groups: Sequence[tuple[str, str]], kinds: Mapping[str, Kind]
) -> pl.Expr:
    """The name of every document's group, from expressions or from conditions."""
    if by:
        values = [parse(text).compile(kinds, ("text",)).values for text in by]
        return pl.concat_str([value.fill_null(UNKNOWN) for value in values], separator="/")
    chosen = pl.lit(OTHER)
    for name, text in reversed(groups):
        holds = parse(text).compile(kinds, ("boolean",)).values.fill_null(False)
        chosen = pl.when(holds).then(pl.lit(name)).otherwise(chosen)
    return chosen


def rehydration_weights(table: Json, kinds: Mapping[str, Kind]) -> pl.Expr:
    """As how many documents each one counts: a fraction as text."""
    chosen = pl.lit("1")
    if table is not None:
        text, weights = table
        size = parse(text).compile(kinds, ("number",)).values
        for least, weight in weights:
            chosen = pl.when(size >= least).then(pl.lit(weight)).otherwise(chosen)
    return chosen


def descending_keys(scores: pl.Series, hashes: U64) -> U64:
    """Sort keys (uint64) that put high scores (float32) first and missing ones last, and order
    equal scores by hash."""
    missing = (scores.is_null() | scores.is_nan()).fill_null(True).to_numpy()
    # IEEE 754: with the sign bit flipped, or all bits of negative numbers, floats sort as integers.
    numbers = scores.fill_null(0.0).to_numpy().astype(np.float32) + np.float32(0.0)  # no -0
    bits: np.ndarray[Any, np.dtype[np.uint32]] = numbers.view(np.uint32)
    rising = np.where(bits >> np.uint32(31), ~bits, bits | np.uint32(1 << 31))
    falling = np.where(missing, np.uint32(0xFFFFFFFF), ~rising).astype(np.uint64)
    keys: U64 = (falling << np.uint64(32)) | (hashes >> np.uint64(32))
    return keys
