"""The plan: how many tokens of every group each phase reads, and where in the group's order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from stages.balance.config import BalanceConfig, MixtureConfig
from stages.balance.mixture import (
    completed_targets,
    even_shares,
    exact,
    fill,
    tempered_shares,
    weighted_shares,
)

Cell = tuple[str, Fraction]
"""Documents of one group that count the same: its name, and their rehydration weight."""


@dataclass(frozen=True)
class PhasePlan:
    """What one phase reads."""

    mixture: MixtureConfig
    weights: Mapping[str, Fraction]
    """By group: asked share over natural share."""
    targets: Mapping[str, Fraction]
    """By group: asked share of the phase's tokens; they sum to 1."""
    capacity: Mapping[str, int]
    """By group: the tokens that its cap lets this phase read, after the phases before it."""
    starts: Mapping[Cell, int]
    """By cell: the tokens that phases before it read in the same order, where this one goes on."""
    amounts: Mapping[Cell, int]
    """By cell: tokens to read, repeats included."""

    def group_amounts(self) -> dict[str, int]:
        """Tokens to read by group."""
        amounts = dict.fromkeys(self.targets, 0)
        for (group, _), amount in self.amounts.items():
            amounts[group] += amount
        return amounts


def plan_phases(config: BalanceConfig, tokens: Mapping[Cell, int]) -> list[PhasePlan]:
    """The plan of every phase, in order, for the tokens of every cell.

    Caps hold for all phases together. A phase in random order goes on where the random phases
    before it ended, so it reads first what they did not; one by quality begins with the best
    documents. Raises ValueError when a mixture would leave nothing.
    """
    read = dict.fromkeys(tokens, 0)
    at_random = dict.fromkeys(tokens, 0)
    plans = []
    for mixture in config.mixtures():
        starts = dict(at_random) if mixture.order == "random" else dict.fromkeys(tokens, 0)
        plan = _plan_phase(config, mixture, tokens, read, starts)
        for cell, amount in plan.amounts.items():
            read[cell] += amount
            at_random[cell] += amount if mixture.order == "random" else 0
        plans.append(plan)
    return plans


def _plan_phase(
    config: BalanceConfig,
    mixture: MixtureConfig,
    tokens: Mapping[Cell, int],
    read: Mapping[Cell, int],
    starts: Mapping[Cell, int],
) -> PhasePlan:
    counted = {cell: cell[1] * amount for cell, amount in tokens.items()}
    sizes = _by_group(counted)
    room = {
        cell: max(0, math.floor(cap_of(mixture, cell[0]) * amount) - read[cell])
        for cell, amount in tokens.items()
    }
    capacity = {group: int(amount) for group, amount in _by_group(room).items()}
    total = sum(sizes.values(), Fraction(0))
    if not total:
        nothing = dict.fromkeys(sizes, Fraction(0))
        empty = dict.fromkeys(tokens, 0)
        return PhasePlan(mixture, nothing, nothing, capacity, starts, empty)
    targets = asked_shares(config, mixture, sizes)
    if mixture.reads_by_weight():
        given = config.asked_weights(mixture)
        weights = {group: exact(given.get(group, 1.0)) for group in sizes}
        amounts = {
            cell: min(room[cell], math.floor(weights[cell[0]] * size))
            for cell, size in counted.items()
        }
        return PhasePlan(mixture, weights, targets, capacity, starts, amounts)
    budget = sum(tokens.values()) if mixture.tokens == "all" else mixture.tokens
    amounts = {}
    for group, amount in fill(targets, capacity, budget).items():
        cells = {cell: size for cell, size in counted.items() if cell[0] == group}
        amounts |= fill(cells, room, amount)
    weights = {
        group: targets[group] * total / size if size else Fraction(0)
        for group, size in sizes.items()
    }
    return PhasePlan(mixture, weights, targets, capacity, starts, amounts)


def asked_shares(
    config: BalanceConfig, mixture: MixtureConfig, sizes: Mapping[str, Fraction]
) -> dict[str, Fraction]:
    """The shares that a mixture asks for, in whichever way it is stated."""
    if mixture.targets is not None:
        return completed_targets(sizes, mixture.targets)
    if mixture.temperature is not None:
        return tempered_shares(sizes, mixture.temperature)
    if mixture.unimax:
        return even_shares(sizes)
    return weighted_shares(sizes, config.asked_weights(mixture))


def cap_of(mixture: MixtureConfig, group: str) -> Fraction:
    """How often the group may be read at most."""
    return exact(mixture.caps.get(group, mixture.max_epochs))


def _by_group(amounts: Mapping[Cell, Fraction | int]) -> dict[str, Fraction]:
    total: dict[str, Fraction] = {}
    for (group, _), amount in sorted(amounts.items()):
        total[group] = total.get(group, Fraction(0)) + amount
    return total
