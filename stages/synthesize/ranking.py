"""Verified first, then ranked: the reward chooses among the solutions of a problem that passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.task import Json
from stages.synthesize.diversity import Fault

BELOW, OUTRANKED = "reward_below_threshold", "reward_outranked"
UNSCORED = "reward_unscored"


@dataclass(frozen=True)
class Choice:
    """What became of one solution. ``reason`` is None when it is kept.

    ``rank`` is its place among the scored solutions that passed, from 1; None without a score or
    when it did not pass. ``margin`` is its score less that of the best other solution that passed,
    None where there is no other.
    """

    reason: str | None
    rank: int | None = None
    margin: float | None = None

    def fault(self, score: float | None) -> Fault | None:
        """Why a solution of this score is not kept; None when it is."""
        if self.reason is None:
            return None
        return Fault(self.reason, f"score {score}, rank {self.rank}")


def reward_told(model: Json, score: float | None, choice: Choice | None) -> dict[str, Json]:
    """What provenance says of a reward: by which model, and how far it decided, where it did; no
    margin where no other solution passed."""
    told = {"model": model, "score": score}
    decided = {} if choice is None else {"rank": choice.rank, "margin": choice.margin}
    return told | {key: value for key, value in decided.items() if value is not None}


def choose(
    scores: Sequence[float | None],
    passed: Sequence[bool],
    top_k: int,
    minimum: float | None = None,
) -> list[Choice | None]:
    """The choice on each solution of ONE problem; None for those that did not pass verification,
    which no reward can save. The ``top_k`` highest scores are kept, ties by order, if they reach
    ``minimum``."""
    scored = {
        place: score
        for place, (score, ok) in enumerate(zip(scores, passed, strict=True))
        if ok and score is not None
    }
    ranked = sorted(scored, key=lambda place: (-scored[place], place))
    choices: list[Choice | None] = [Choice(UNSCORED) if ok else None for ok in passed]
    for rank, place in enumerate(ranked, start=1):
        others = [scored[other] for other in ranked if other != place]
        margin = round(scored[place] - max(others), 4) if others else None
        reason = None if rank <= top_k else OUTRANKED
        if minimum is not None and scored[place] < minimum:
            reason = BELOW
        choices[place] = Choice(reason, rank, margin)
    return choices
