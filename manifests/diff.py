"""Diff: what changed between two corpora, what caused it, and which documents moved."""

from __future__ import annotations

from dataclasses import dataclass, field

from manifests.attribution import Attribution
from manifests.causes import Cause, find_causes
from manifests.effects import (
    Amount,
    GroupEffect,
    ReasonEffect,
    StageEffect,
    dimensions_of,
    group_effects,
    kept_amount,
    reason_effects,
    stage_effects,
    waterfall,
)
from manifests.manifest import Manifest
from manifests.moves import Move, find_moves

FORMAT = 1
"""Version of the layout that ``diff.schema.json`` describes."""


@dataclass
class Diff:
    """Causes first, then effects. ``moves`` is None when a workspace's ledgers are gone.
    ``attribution`` says which part of a change comes from which cause, where somebody asked."""

    before: str
    after: str
    format: int = FORMAT
    causes: list[Cause] = field(default_factory=list)
    kept_before: Amount | None = None
    kept_after: Amount | None = None
    stages: list[StageEffect] = field(default_factory=list)
    groups: list[GroupEffect] = field(default_factory=list)
    reasons: list[ReasonEffect] = field(default_factory=list)
    moves: list[Move] | None = None
    attribution: Attribution | None = None


def diff_manifests(before: Manifest, after: Manifest, moves: bool = True) -> Diff:
    """The difference between two manifests; documents are compared when both ledgers are there and
    ``moves`` is not False."""
    result = Diff(
        before.fingerprint,
        after.fingerprint,
        causes=find_causes(before.content, after.content),
        kept_before=kept_amount(before.cube),
        kept_after=kept_amount(after.cube),
    )
    result.stages = stage_effects(
        *(waterfall(side.cube, side.content["stages"]) for side in (before, after))
    )
    for dimension in dimensions_of(before.cube, after.cube):
        result.groups += group_effects(before.cube, after.cube, dimension)
    names = list(dict.fromkeys([*before.stage_names, *after.stage_names]))
    result.reasons = reason_effects(before.cube, after.cube, names)
    if before.fingerprint == after.fingerprint:
        result.moves = []
    elif moves:
        try:
            result.moves = find_moves(before, after)
        except FileNotFoundError:
            result.moves = None
    return result
