"""The documents that were dropped or cut for one reason: how many of every group, and a sample to
read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import polars as pl

from manifests.effects import NO_GROUP, dimensions_of
from manifests.explain import NotFoundError
from manifests.manifest import Manifest
from manifests.parts import documents_path, part_files, part_paths
from manifests.schema import KEEP

_SAMPLE = pl.Schema({"id": pl.Binary, "group": pl.String})


@dataclass(frozen=True)
class DroppedGroup:
    """Documents of one group: how many came to the stage (the first of them, where several have
    the reason), and how many were dropped for it."""

    group: str
    documents_in: int
    documents_dropped: int


def dropped_groups(manifest: Manifest, reason: str, dimension: str) -> list[DroppedGroup]:
    """By group of a dimension of the manifest (``source``, ``domain`` …), the documents that were
    dropped for ``reason`` (see ``sample_dropped``), most of them first.

    Documents that were dropped before they had a group stand under ``—``. Raises NotFoundError
    naming the reasons, or the dimensions, that there are.
    """
    dropped_for = {stage["name"]: stage["dropped"] for stage in manifest.content["stages"]}
    words = [(s, word) for s, word in _words(manifest, reason) if word in dropped_for[s]]
    if not words:
        raise NotFoundError(
            f"documents are cut for `{reason}`, none is dropped, and groups are counted by what is"
            " dropped. Leave --by out."
        )
    require_dimension(manifest, dimension)
    stages = manifest.stage_names
    first = min(stages.index(stage) for stage, _ in words)
    came = pl.col("dropped_by").is_null() | pl.col("dropped_by").is_in(stages[first:])
    dropped = pl.struct("dropped_by", "reason").is_in(
        [{"dropped_by": stage, "reason": word} for stage, word in words]
    )
    counted = (
        manifest.cube.group_by(pl.col(dimension).fill_null(NO_GROUP).alias("group"))
        .agg(
            pl.col("documents").filter(came).sum().alias("in"),
            pl.col("documents").filter(dropped).sum().alias("dropped"),
        )
        .filter(pl.col("in") > 0)
        .sort("dropped", "in", "group", descending=[True, True, False])
    )
    return [DroppedGroup(*row) for row in counted.rows()]


def sample_dropped(
    manifest: Manifest, reason: str, count: int, seed: int = 0, by: str | None = None
) -> list[str]:
    """Ids (hexadecimal) of ``count`` documents that were dropped for ``reason``, or kept with a
    piece cut out for it, or fewer if there are not so many. With ``by``, a dimension of the
    manifest, they are taken in turn from all its groups, so that small ones are seen too.

    ``reason`` is a word of the ledger (``near_duplicate``), the part of it before a dot
    (``contaminated`` for all benchmarks), or a stage, for all its reasons. Ids are hashes, so those
    that follow a point in their order, which ``seed`` sets, are a uniform sample; it depends on
    nothing but ids and seed. Raises NotFoundError, naming the reasons or dimensions there are.
    """
    words = _words(manifest, reason)
    if by is not None:
        require_dimension(manifest, by)
    order = sample_order(seed)
    chosen = pl.DataFrame(schema=_SAMPLE)
    for dropped in _dropped(manifest, words, by):
        ordered = pl.concat([chosen, dropped]).sort(order)
        chosen = ordered.group_by("group", maintain_order=True).head(count)
        chosen = chosen.select(_SAMPLE.names())
    turn = pl.int_range(pl.len()).over("group")
    taken = chosen.sort(order).sort(turn, "group", maintain_order=True).head(count)
    return [identity.hex() for identity in taken["id"]]


def sample_order(seed: int) -> tuple[pl.Expr, pl.Expr]:
    """What to sort documents by (columns with ``id``), so that the first ones are a uniform sample:
    their ids, which are hashes, from a point on that ``seed`` sets."""
    start = blake2b(str(seed).encode(), digest_size=16).digest()
    return pl.col("id") < start, pl.col("id")


def require_dimension(manifest: Manifest, dimension: str) -> None:
    """Raises NotFoundError, naming the dimensions of the manifest, if it is none of them."""
    known = dimensions_of(manifest.cube)
    if dimension not in known:
        raise NotFoundError(
            f"this corpus is not counted by `{dimension}`. Dimensions: {', '.join(known)}."
        )


def _words(manifest: Manifest, reason: str) -> list[tuple[str, str]]:
    """The stages and the words of their verdicts and cuts that are meant by a reason."""
    there = [
        (stage["name"], word)
        for stage in manifest.content["stages"]
        for word in sorted({*stage["dropped"], *stage.get("cut", {})})
    ]
    meant = [
        (stage, word)
        for stage, word in there
        if reason in (stage, word) or word.startswith(f"{reason}.")
    ]
    if not meant:
        known = ", ".join(sorted({word for _, word in there}))
        raise NotFoundError(
            f"no document was dropped or cut for `{reason}`. Reasons in this corpus:"
            f" {known or 'none, nothing was dropped or cut'}."
        )
    return meant


def stages_of_reason(manifest: Manifest, reason: str) -> frozenset[str]:
    """The stages that dropped or cut documents for a reason; see ``sample_dropped``."""
    return frozenset(stage for stage, _ in _words(manifest, reason))


def _acted_on(words: list[str], columns: list[str]) -> pl.Expr:
    """Whether a verdict, or one of the cuts where there are any, has one of the words."""
    verdict = pl.col("verdict").cast(pl.String)
    dropped = verdict.is_in(words)
    if "cuts" not in columns:
        return dropped
    reasons = pl.col("cuts").list.eval(pl.element().struct.field("reason").is_in(words))
    return dropped | ((verdict == KEEP) & reasons.list.any()).fill_null(False)


def _dropped(
    manifest: Manifest, words: list[tuple[str, str]], by: str | None
) -> Iterator[pl.DataFrame]:
    """By part and stage, the documents that were dropped or cut for the words: ``id, group``."""
    by_stage: dict[str, list[str]] = {}
    for stage, word in words:
        by_stage.setdefault(stage, []).append(word)
    for _, files in part_files(manifest):
        paths = part_paths(manifest, files)
        group = None if by is None else _group_column(manifest, files, by)
        for stage, meant in by_stage.items():
            verdicts = pl.scan_parquet(paths[stage, "verdicts"])
            grouped = (
                verdicts.with_columns(pl.lit(NO_GROUP).alias("group"))
                if group is None
                else pl.concat([verdicts, group], how="horizontal")
            )
            yield (
                grouped.filter(_acted_on(meant, verdicts.collect_schema().names()))
                .select(_SAMPLE.names())
                .collect()
            )


def _group_column(manifest: Manifest, files: pl.DataFrame, by: str) -> pl.LazyFrame:
    """``group``: the value of a dimension for every document of a part."""
    path = documents_path(manifest, files)
    if by != "source":
        owner = next(s["name"] for s in manifest.content["stages"] if by in s["dimensions"])
        path = part_paths(manifest, files)[owner, "annotations"]
    value = pl.col(by).cast(pl.String).fill_null(NO_GROUP)
    return pl.scan_parquet(path).select(value.alias("group"))
