"""The arithmetic of mixtures: from weights or target shares to epochs per group, repeats capped.

A corpus is split into groups with n_i tokens each. A mixture asks for shares p_i; a group can be
read at most E times (Muennighoff et al. 2023, arXiv 2305.16264: up to four epochs of a text are
worth nearly as much as new text), so of D tokens in all it can fill at most E·n_i/D. The shares
that come closest keep the asked proportions among the groups that are not full ("water-filling"):

    p_i = min(λ·w_i, E·n_i/D),  Σ p_i = 1
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

HALF_LIFE = 15.387756
"""R* of Muennighoff et al. 2023: how fast repeated tokens lose their worth."""


@dataclass(frozen=True)
class GroupPlan:
    """One group of a mixture: tokens there are, what was asked, what is planned."""

    tokens: int
    weight: float
    """Multiplier on the group's natural share: asked share over natural share."""
    target: float
    """Asked share of the tokens read, 0 … 1."""
    share: float
    """Planned share, 0 … 1; below the target where the cap binds."""
    epochs: float
    """How often the group is read: 0.2 keeps a fifth of its documents, 2.5 reads all of them twice
    and half of them once more."""
    capped: bool
    """Whether the cap on epochs keeps it from its target."""

    @property
    def planned_tokens(self) -> float:
        """Tokens read of this group, repeats included."""
        return self.tokens * self.epochs


def target_shares(
    tokens: Mapping[str, int], weights: Mapping[str, float], default_weight: float = 1.0
) -> dict[str, float]:
    """Asked shares from multipliers on natural shares: p_i ∝ w_i·n_i. They sum to 1.

    Groups without a weight have ``default_weight``. Raises ValueError when nothing would be left.
    """
    wanted = {name: weights.get(name, default_weight) * tokens[name] for name in sorted(tokens)}
    total = math.fsum(wanted.values())
    if total <= 0:
        raise ValueError(
            "the weights leave no token: every group of the corpus has weight 0 or no tokens."
            f" Groups there are: {', '.join(sorted(tokens)) or 'none'}."
        )
    return {name: value / total for name, value in wanted.items()}


def completed_targets(tokens: Mapping[str, int], targets: Mapping[str, float]) -> dict[str, float]:
    """Asked shares from some given ones: groups without one share what is left, by their tokens.

    When no other group has tokens, or a named group has none, the given shares are scaled so that
    all sum to 1. Raises ValueError when nothing would be left.
    """
    given = {name: targets[name] for name in sorted(targets) if tokens.get(name, 0) > 0}
    others = {name: tokens[name] for name in sorted(tokens) if name not in targets}
    rest = max(0.0, 1.0 - math.fsum(targets.values()))
    natural = sum(others.values())
    shares = dict(given)
    shares |= {name: rest * n / natural if natural else 0.0 for name, n in others.items()}
    shares |= {name: 0.0 for name in tokens if name not in shares}
    total = math.fsum(shares.values())
    if total <= 0:
        raise ValueError(
            "the targets leave no token: none of the groups that they name is in the corpus."
            f" Groups there are: {', '.join(sorted(tokens)) or 'none'}."
        )
    return {name: shares[name] / total for name in sorted(tokens)}


def plan_mixture(
    tokens: Mapping[str, int],
    shares: Mapping[str, float],
    budget: float,
    max_epochs: float,
) -> dict[str, GroupPlan]:
    """Epochs per group by water-filling.

    ``tokens`` there are per group, ``shares`` asked (sum 1, same keys), ``budget`` tokens to read
    in all, ``max_epochs`` the cap E. When even E epochs of every wanted group do not fill the
    budget, all of them are read E times and the plan holds fewer tokens than the budget.
    """
    natural_total = sum(tokens.values())
    wanted = sorted(name for name in tokens if shares[name] > 0 and tokens[name] > 0)
    full: set[str] = set()
    # A group is full when λ·share·D ≥ E·n, so groups fill in the order of share/n, highest first.
    for name in sorted(wanted, key=lambda name: (-shares[name] / tokens[name], name)):
        if _level(tokens, shares, budget, max_epochs, wanted, full) * shares[name] < (
            max_epochs * tokens[name]
        ):
            break
        full.add(name)
    level = _level(tokens, shares, budget, max_epochs, wanted, full)
    read = {
        name: 0.0
        if name not in wanted
        else max_epochs * tokens[name]
        if name in full
        else level * shares[name]
        for name in sorted(tokens)
    }
    total = math.fsum(read.values())
    plans = {}
    for name, amount in read.items():
        share = amount / total if total else 0.0
        natural = tokens[name] / natural_total if natural_total else 0.0
        plans[name] = GroupPlan(
            tokens=tokens[name],
            weight=shares[name] / natural if natural else 0.0,
            target=shares[name],
            share=share,
            epochs=amount / tokens[name] if tokens[name] else 0.0,
            capped=name in full and share < shares[name] * (1 - 1e-12),
        )
    return plans


def plan_epochs(
    tokens: Mapping[str, int],
    weights: Mapping[str, float],
    max_epochs: float,
    default_weight: float = 1.0,
) -> dict[str, GroupPlan]:
    """Weights read as epochs: every group is read ``min(w_i, E)`` times, whatever that adds up to.

    This is the mixture that weights ask for when no budget is given: a weight of 1 keeps all
    documents once, 0.2 a fifth of them, 3 reads all three times.
    """
    shares = target_shares(tokens, weights, default_weight)
    epochs = {
        name: min(weights.get(name, default_weight), max_epochs) if tokens[name] else 0.0
        for name in sorted(tokens)
    }
    total = math.fsum(epochs[name] * tokens[name] for name in epochs)
    plans = {}
    for name, times in epochs.items():
        weight = weights.get(name, default_weight)
        plans[name] = GroupPlan(
            tokens=tokens[name],
            weight=weight,
            target=shares[name],
            share=times * tokens[name] / total,
            epochs=times,
            capped=weight > max_epochs,
        )
    return plans


def effective_tokens(unique: float, read: float) -> float:
    """What ``read`` tokens are worth when only ``unique`` of them are different, in new tokens.

    D = U + U·R*·(1 - e^(-R/R*)) with R = read/U - 1 repeats (Muennighoff et al. 2023, eq. 5).
    """
    if unique <= 0 or read <= 0:
        return 0.0
    repeats = max(0.0, read / unique - 1)
    return unique + unique * HALF_LIFE * (1 - math.exp(-repeats / HALF_LIFE))


def _level(
    tokens: Mapping[str, int],
    shares: Mapping[str, float],
    budget: float,
    max_epochs: float,
    wanted: list[str],
    full: set[str],
) -> float:
    """λ·D: tokens per unit of asked share for the groups that are not full."""
    left = budget - math.fsum(max_epochs * tokens[name] for name in full)
    open_share = math.fsum(shares[name] for name in wanted if name not in full)
    if open_share <= 0 or left <= 0:
        return 0.0
    return left / open_share
