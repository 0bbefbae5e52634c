"""Attribution: which part of a change comes from which cause.

Between two corpora stand others, in which some of the causes hold already. Each step from one to
the next has its own causes, and its own effect; the effects of all steps add up to the whole, since
every step begins where the one before it ends. What a step has is its effect in this order: what
two causes do only together stands with the later of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import polars as pl

from manifests.effects import dimensions_of, kept_amount, kept_of, tokens_column

How = Literal["derived", "built", "rest"]


@dataclass(frozen=True)
class Step:
    """From one corpus to the next: the causes that set in (``what`` of each), how the corpus at the
    end of the step is known, whether just this would have been built, and why not."""

    causes: tuple[str, ...]
    how: How
    exact: bool
    note: str = ""


@dataclass(frozen=True)
class Effect:
    """What one step changes of one measure: of all that is kept (``dimension`` None), or of one
    group, ``share`` in percentage points."""

    documents: int
    tokens: int
    dimension: str | None = None
    group: str | None = None
    share: float | None = None


@dataclass
class Attribution:
    """Steps in order, and by step its effects. The sums over all steps are the whole change."""

    steps: list[Step] = field(default_factory=list)
    effects: list[list[Effect]] = field(default_factory=list)


def attribute(cubes: Sequence[pl.DataFrame], steps: Sequence[Step]) -> Attribution:
    """The effects of steps between corpora: ``cubes`` are one more than ``steps``."""
    result = Attribution(list(steps))
    dimensions = dimensions_of(*cubes)
    for before, after in pairwise(cubes):
        was, then = kept_amount(before), kept_amount(after)
        tokens = (then.tokens or 0) - (was.tokens or 0)
        effects = [Effect(then.documents - was.documents, tokens)]
        for dimension in dimensions:
            effects += _of_groups(before, after, dimension)
        result.effects.append(effects)
    return result


def _of_groups(before: pl.DataFrame, after: pl.DataFrame, dimension: str) -> list[Effect]:
    shared = "tokens" if all(tokens_column(cube) for cube in (before, after)) else "documents"
    sides = [kept_of(cube, dimension) for cube in (before, after)]
    totals = [max(1, int(side[shared].sum())) for side in sides]
    values = [{row["group"]: row for row in side.iter_rows(named=True)} for side in sides]
    nothing = {"documents": 0, "tokens": 0}
    effects = []
    for group in sorted({*values[0], *values[1]}):
        a, b = (side.get(group, nothing) for side in values)
        share = 100 * (b[shared] / totals[1] - a[shared] / totals[0])
        effects.append(
            Effect(
                b["documents"] - a["documents"], b["tokens"] - a["tokens"], dimension, group, share
            )
        )
    return effects
