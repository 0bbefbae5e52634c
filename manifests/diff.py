"""Diff: what changed between two corpora, what caused it, and which documents moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from manifests.fates import fates
from manifests.manifest import Manifest

Json = Any

_SAMPLE = 5
"""Documents named for each kind of move."""


@dataclass(frozen=True)
class Cause:
    """One difference in what the corpora were made from."""

    what: str
    before: Json
    after: Json


@dataclass(frozen=True)
class StageEffect:
    """A stage's documents: what came in and what it dropped, before and after."""

    stage: str
    in_before: int | None
    in_after: int | None
    dropped_before: int | None
    dropped_after: int | None


@dataclass(frozen=True)
class GroupEffect:
    """What is kept of a group (a domain, a source …), before and after."""

    dimension: str
    group: str
    documents_before: int
    documents_after: int
    tokens_before: int
    tokens_after: int


@dataclass(frozen=True)
class Move:
    """Documents whose fate changed alike, with the locators of a few."""

    before: str
    after: str
    documents: int
    sample: list[str]


@dataclass
class Diff:
    """Causes first, then effects. ``moves`` is None when a workspace's ledgers are gone."""

    before: str
    after: str
    causes: list[Cause] = field(default_factory=list)
    stages: list[StageEffect] = field(default_factory=list)
    groups: list[GroupEffect] = field(default_factory=list)
    moves: list[Move] | None = None


def diff_manifests(before: Manifest, after: Manifest) -> Diff:
    """The difference between two manifests; documents are compared when both ledgers are there."""
    result = Diff(before.fingerprint, after.fingerprint, _causes(before.content, after.content))
    if before.fingerprint == after.fingerprint:
        result.moves = []
        return result
    result.stages = _stage_effects(before.content, after.content)
    for dimension in _dimensions(before, after):
        result.groups += _group_effects(before, after, dimension)
    try:
        result.moves = _moves(fates(before), fates(after))
    except FileNotFoundError:
        result.moves = None
    return result


def _causes(before: Mapping[str, Json], after: Mapping[str, Json]) -> list[Cause]:
    causes = []
    if before["tamis"] != after["tamis"]:
        causes.append(Cause("tamis", before["tamis"], after["tamis"]))
    for source in sorted({*before["inputs"], *after["inputs"]}):
        old, new = before["inputs"].get(source), after["inputs"].get(source)
        if old != new:
            causes.append(Cause(f"input {source}", _input(old), _input(new)))
    for key in ("version", "libraries", "config"):
        causes += _changes(f"ingest.{key}", before["ingest"][key], after["ingest"][key])
    old_sources = {source["name"]: _read_as(source) for source in before["recipe"]["sources"]}
    new_sources = {source["name"]: _read_as(source) for source in after["recipe"]["sources"]}
    for name in sorted({*old_sources} & {*new_sources}):
        causes += _changes(f"sources.{name}", old_sources[name], new_sources[name])
    old_stages = {stage["name"]: stage for stage in before["stages"]}
    new_stages = {stage["name"]: stage for stage in after["stages"]}
    for name in [*old_stages, *(name for name in new_stages if name not in old_stages)]:
        old, new = old_stages.get(name), new_stages.get(name)
        if old is None or new is None:
            causes.append(Cause(f"stages.{name}", _presence(old), _presence(new)))
            continue
        causes += _changes(f"stages.{name}", old["config"], new["config"])
        for key in ("use", "version", "libraries"):
            causes += _changes(f"stages.{name} {key}", old[key], new[key])
    common = [name for name in old_stages if name in new_stages]
    order = [name for name in new_stages if name in old_stages]
    if common != order:
        causes.append(Cause("order of stages", " ".join(common), " ".join(order)))
    return causes


def _read_as(source: Mapping[str, Json]) -> dict[str, Json]:
    """How a source is read; where its files lie is no cause, their checksums are."""
    return {key: value for key, value in source.items() if key != "path"}


def _input(summary: Mapping[str, Json] | None) -> str | None:
    if summary is None:
        return None
    return f"{summary['files']} files, {summary['bytes']} bytes, {summary['checksum'][:12]}"


def _presence(stage: Json) -> str | None:
    return None if stage is None else "present"


def _changes(place: str, before: Json, after: Json) -> list[Cause]:
    """Leaves in which two configs differ."""
    if before == after:
        return []
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for key in sorted({*before, *after}):
            found += _changes(f"{place}.{key}", before.get(key), after.get(key))
        return found
    return [Cause(place, before, after)]


def _stage_effects(before: Mapping[str, Json], after: Mapping[str, Json]) -> list[StageEffect]:
    old = {stage["name"]: stage for stage in before["stages"]}
    new = {stage["name"]: stage for stage in after["stages"]}
    effects = []
    for name in [*old, *(name for name in new if name not in old)]:
        a, b = _documents(old.get(name)), _documents(new.get(name))
        if a != b:
            effects.append(StageEffect(name, a[0], b[0], a[1], b[1]))
    return effects


def _documents(stage: Mapping[str, Json] | None) -> tuple[int | None, int | None]:
    if stage is None:
        return None, None
    came = stage["in"]["documents"]
    return came, came - stage["kept"]["documents"]


def _dimensions(before: Manifest, after: Manifest) -> list[str]:
    both = [name for name in before.cube.columns if name in after.cube.columns]
    measures = set(before.content["cube"]["measures"])
    return [name for name in both if name not in measures | {"dropped_by", "reason"}]


def tokens_measure(manifest: Manifest) -> str | None:
    """The measure that tokens are counted by: with repeats where a balance was made."""
    columns = manifest.content["cube"]["measures"]
    return next((name for name in ("repeated_tokens", "n_tokens") if name in columns), None)


def kept_by(manifest: Manifest, dimension: str) -> pl.DataFrame:
    """Documents and tokens kept, by one dimension: columns ``group, documents, tokens``."""
    tokens = tokens_measure(manifest)
    return (
        manifest.cube.filter(pl.col("dropped_by").is_null())
        .group_by(pl.col(dimension).fill_null("—").alias("group"))
        .agg(
            pl.col("documents").sum(),
            (pl.col(tokens).sum() if tokens else pl.lit(0)).cast(pl.Int64).alias("tokens"),
        )
        .sort("group")
    )


def _group_effects(before: Manifest, after: Manifest, dimension: str) -> list[GroupEffect]:
    joined = (
        kept_by(before, dimension)
        .join(kept_by(after, dimension), on="group", how="full", coalesce=True, suffix="_after")
        .fill_null(0)
    )
    effects = [
        GroupEffect(dimension, group, documents, documents_after, tokens, tokens_after)
        for group, documents, tokens, documents_after, tokens_after in joined.rows()
        if (documents, tokens) != (documents_after, tokens_after)
    ]
    return sorted(
        effects, key=lambda e: (-abs(e.tokens_after - e.tokens_before), e.dimension, e.group)
    )


def _moves(before: pl.DataFrame, after: pl.DataFrame) -> list[Move]:
    def fate(suffix: str) -> pl.Expr:
        by, why = pl.col(f"dropped_by{suffix}"), pl.col(f"reason{suffix}")
        absent = pl.col(f"source{suffix}").is_null()
        return (
            pl.when(absent)
            .then(pl.lit("not in the corpus"))
            .when(by.is_null())
            .then(pl.lit("kept"))
            .otherwise(pl.format("dropped by {}: {}", by, why))
        )

    joined = before.join(after, on="id", how="full", coalesce=True, suffix="_after").select(
        pl.coalesce("locator", "locator_after").alias("locator"),
        fate("").alias("before"),
        fate("_after").alias("after"),
    )
    moved = (
        joined.filter(pl.col("before") != pl.col("after"))
        .sort("locator")
        .group_by("before", "after")
        .agg(pl.len().alias("documents"), pl.col("locator").sort().head(_SAMPLE))
        .sort(pl.col("documents"), "before", "after", descending=[True, False, False])
    )
    return [Move(a, b, count, sample) for a, b, count, sample in moved.rows()]
