"""Effects: how two cubes differ, by stage, by group and by reason. See ``Manifest.cube``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from manifests.schema import Json

TOKEN_MEASURES = ("repeated_tokens", "n_tokens")
"""What tokens are counted by, the first that there is: with repeats where a balance was made."""

NO_GROUP = "—"
"""The group of documents that were never given one."""


@dataclass(frozen=True)
class Amount:
    """Documents, bytes and tokens. Bytes are None where they are not known, tokens before they are
    counted."""

    documents: int
    bytes: int | None
    tokens: int | None


@dataclass(frozen=True)
class StageEffect:
    """One step of the waterfall: what came to a stage and what it kept, before and after. All None
    on the side whose recipe has no such stage."""

    stage: str
    in_before: Amount | None
    in_after: Amount | None
    kept_before: Amount | None
    kept_after: Amount | None


@dataclass(frozen=True)
class GroupEffect:
    """What is kept of a group (a domain, a source …), before and after. Shares are of tokens, or of
    documents where no tokens are counted; None where nothing is kept."""

    dimension: str
    group: str
    documents_before: int
    documents_after: int
    tokens_before: int
    tokens_after: int
    share_before: float | None
    share_after: float | None


@dataclass(frozen=True)
class ReasonEffect:
    """Documents that a stage dropped for one reason, before and after."""

    stage: str
    reason: str
    documents_before: int
    documents_after: int


def tokens_column(cube: pl.DataFrame) -> str | None:
    """The measure that tokens are counted by."""
    return next((name for name in TOKEN_MEASURES if name in cube.columns), None)


def kept_amount(cube: pl.DataFrame) -> Amount:
    """What is kept in all: tokens with repeats where a balance was made."""
    kept = cube.filter(pl.col("dropped_by").is_null())
    tokens = tokens_column(cube)
    return Amount(
        int(kept["documents"].sum()),
        int(kept["bytes"].sum()) if "bytes" in kept.columns else None,
        int(kept[tokens].sum()) if tokens else None,
    )


def dimensions_of(*cubes: pl.DataFrame) -> list[str]:
    """What all cubes can be grouped by, ``source`` first."""
    rest = {"dropped_by", "reason", "documents", "bytes", *TOKEN_MEASURES}
    first, *others = cubes
    return [
        name
        for name, kind in first.schema.items()
        if name not in rest and kind == pl.String and all(name in other.columns for other in others)
    ]


def mixture_dimension(dimensions: Sequence[str]) -> str | None:
    """The dimension that a mixture is told by where there is room for one."""
    return next((name for name in ("domain", "kind", "source") if name in dimensions), None)


def kept_of(cube: pl.DataFrame, dimension: str) -> pl.DataFrame:
    """Documents and tokens kept, by one dimension: columns ``group, documents, tokens``; a document
    without a value stands under ``—``."""
    tokens = tokens_column(cube)
    return (
        cube.filter(pl.col("dropped_by").is_null())
        .group_by(pl.col(dimension).fill_null(NO_GROUP).alias("group"))
        .agg(
            pl.col("documents").sum(),
            (pl.col(tokens).sum() if tokens else pl.lit(0)).cast(pl.Int64).alias("tokens"),
        )
        .sort("group")
    )


def group_effects(before: pl.DataFrame, after: pl.DataFrame, dimension: str) -> list[GroupEffect]:
    """Every group of a dimension, those whose share moved most first."""
    joined = (
        kept_of(before, dimension)
        .join(kept_of(after, dimension), on="group", how="full", coalesce=True, suffix="_after")
        .fill_null(0)
    )
    shared = "tokens" if tokens_column(before) and tokens_column(after) else "documents"
    totals = [int(joined[name].sum()) for name in (shared, f"{shared}_after")]
    effects = [
        GroupEffect(
            dimension,
            row["group"],
            row["documents"],
            row["documents_after"],
            row["tokens"],
            row["tokens_after"],
            *(
                row[name] / total if total else None
                for name, total in zip((shared, f"{shared}_after"), totals, strict=True)
            ),
        )
        for row in joined.iter_rows(named=True)
    ]
    return sorted(effects, key=_most_moved)


def _most_moved(effect: GroupEffect) -> tuple[float, int, str]:
    shares = (effect.share_after or 0.0) - (effect.share_before or 0.0)
    return (-abs(shares), -abs(effect.tokens_after - effect.tokens_before), effect.group)


def reason_effects(
    before: pl.DataFrame, after: pl.DataFrame, stages: Sequence[str]
) -> list[ReasonEffect]:
    """Every reason that anything was dropped for, by stage, the most changed first."""

    def counts(cube: pl.DataFrame) -> pl.DataFrame:
        return (
            cube.drop_nulls("dropped_by")
            .group_by("dropped_by", "reason")
            .agg(pl.col("documents").sum())
        )

    joined = (
        counts(before)
        .join(
            counts(after), on=["dropped_by", "reason"], how="full", coalesce=True, suffix="_after"
        )
        .with_columns(pl.col("documents", "documents_after").fill_null(0))
    )
    effects = [
        ReasonEffect(*row)
        for row in joined.select("dropped_by", "reason", "documents", "documents_after").rows()
    ]
    order = {stage: number for number, stage in enumerate(stages)}
    return sorted(
        effects,
        key=lambda e: (order[e.stage], -abs(e.documents_after - e.documents_before), e.reason),
    )


def waterfall(cube: pl.DataFrame, stages: Sequence[Mapping[str, Json]]) -> dict[str, list[Amount]]:
    """By stage, what came to it and what it kept. ``stages`` are those of a manifest, in order.

    Tokens stand from the first stage on that follows their counting: what was dropped before was
    never counted.
    """
    names = [stage["name"] for stage in stages]
    counted = next((n for n, stage in enumerate(stages) if "n_tokens" in stage["measures"]), None)
    by_stage = cube.group_by("dropped_by").agg(
        pl.col(name).sum() for name in ("documents", "bytes", "n_tokens") if name in cube.columns
    )
    lost = {row["dropped_by"]: row for row in by_stage.iter_rows(named=True)}
    steps: dict[str, list[Amount]] = {}
    for number, name in enumerate(names):
        living = [lost[stage] for stage in [None, *names[number:]] if stage in lost]
        kept = [lost[stage] for stage in [None, *names[number + 1 :]] if stage in lost]
        with_tokens = counted is not None and number >= counted
        steps[name] = [_amount(rows, cube, with_tokens) for rows in (living, kept)]
    return steps


def _amount(rows: Sequence[Mapping[str, Json]], cube: pl.DataFrame, with_tokens: bool) -> Amount:
    def total(name: str) -> int:
        return sum(row[name] for row in rows)

    return Amount(
        total("documents"),
        total("bytes") if "bytes" in cube.columns else None,
        total("n_tokens") if with_tokens else None,
    )


def stage_effects(
    before: Mapping[str, list[Amount]], after: Mapping[str, list[Amount]]
) -> list[StageEffect]:
    """The waterfalls side by side; stages of one side only come after those of the other."""
    none: list[Amount | None] = [None, None]
    effects = []
    for name in [*before, *(name for name in after if name not in before)]:
        (in_before, kept_before), (in_after, kept_after) = (
            list(side[name]) if name in side else none for side in (before, after)
        )
        effects.append(StageEffect(name, in_before, in_after, kept_before, kept_after))
    return effects
