"""Flow: how documents, bytes and tokens go from sources through stages to what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from manifests.effects import Amount, mixture_dimension, waterfall
from manifests.manifest import Manifest

TOKENS = "n_tokens"
"""The measure that counts a document's tokens once, however often it is read."""


@dataclass(frozen=True)
class Loss:
    """What a stage dropped for one reason."""

    reason: str
    amount: Amount


@dataclass(frozen=True)
class FlowStep:
    """A stage: what came to it, what it kept, and what it dropped, the most documents first."""

    stage: str
    came: Amount
    kept: Amount
    losses: list[Loss]


@dataclass(frozen=True)
class Flow:
    """``sources`` are the documents that ingest wrote; their tokens are those that were counted.
    ``kept`` is what all stages kept, by the values of ``dimension``, the largest first."""

    sources: dict[str, Amount]
    steps: list[FlowStep]
    dimension: str
    kept: dict[str, Amount]


def flow_of(manifest: Manifest) -> Flow:
    """The flow of a corpus, from the manifest's cube alone."""
    cube = manifest.cube
    losses = _by(cube.drop_nulls("dropped_by"), ["dropped_by", "reason"])
    steps = []
    for stage, (came, kept) in waterfall(cube, manifest.content["stages"]).items():
        own = [
            Loss(key[1], _without_tokens(amount) if kept.tokens is None else amount)
            for key, amount in losses.items()
            if key[0] == stage
        ]
        steps.append(FlowStep(stage, came, kept, own))
    dimension = mixture_dimension(cube.columns) or "source"
    sources = _by(cube, ["source"])
    kept_by = _by(cube.filter(pl.col("dropped_by").is_null()), [dimension])
    return Flow(
        {source: amount for (source,), amount in sources.items()},
        steps,
        dimension,
        {group: amount for (group,), amount in kept_by.items()},
    )


def _by(cube: pl.DataFrame, keys: list[str]) -> dict[tuple[str, ...], Amount]:
    """Amounts by the values of columns, the most documents first."""
    rows = (
        cube.group_by(pl.col(key).fill_null("—") for key in keys)
        .agg(pl.col(name).sum() for name in ("documents", "bytes", TOKENS) if name in cube.columns)
        .sort("documents", *keys, descending=[True, *(False for _ in keys)])
    )
    return {
        tuple(str(row[key]) for key in keys): _amount(row) for row in rows.iter_rows(named=True)
    }


def _amount(row: Mapping[str, Any]) -> Amount:
    return Amount(row["documents"], row.get("bytes"), row.get(TOKENS))


def _without_tokens(amount: Amount) -> Amount:
    return Amount(amount.documents, amount.bytes, None)
