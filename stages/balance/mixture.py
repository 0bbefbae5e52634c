"""The arithmetic of mixtures, in whole numbers and fractions: shares asked for, and tokens.

A corpus is split into groups with n_i tokens each. A mixture asks for shares w_i of D tokens; a
group can be read at most E_i times (Muennighoff et al. 2023, arXiv 2305.16264: up to four epochs of
a text are worth nearly as much as new text), so it can fill at most E_i·n_i of them. The amounts
that come closest keep the asked proportions among the groups that are not full ("water-filling"):

    x_i = min(λ·w_i, E_i·n_i),  Σ x_i = D

All of it is exact: a decimal in a recipe is the fraction that it is written as, and amounts are
whole tokens that add up. So no result depends on the order of groups or on a machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Context, Decimal
from fractions import Fraction
from typing import Protocol, Self, TypeVar

HALF_LIFE = 15.387756
"""R* of Muennighoff et al. 2023: how fast repeated tokens lose their worth."""

_DIGITS = Context(prec=30)
"""Decimal arithmetic in software: a root has the same digits on every machine."""


class _Key(Protocol):
    def __lt__(self, other: Self, /) -> bool: ...


K = TypeVar("K", bound=_Key)
"""What groups are called: names, or anything else that can be sorted."""


def exact(number: float | str) -> Fraction:
    """The number as it is written: 0.3 is 3/10, not the float beside it."""
    return Fraction(number) if isinstance(number, str) else Fraction(repr(number))


def weighted_shares(
    sizes: Mapping[str, Fraction], weights: Mapping[str, float]
) -> dict[str, Fraction]:
    """Asked shares from multipliers on natural shares: p_i ∝ w_i·n_i. They sum to 1.

    ``sizes`` are tokens by group; groups without a weight have 1. Raises ValueError when nothing
    would be left.
    """
    wanted = {name: exact(weights.get(name, 1.0)) * size for name, size in sizes.items()}
    return _normalised(wanted, "every group of the corpus has weight 0 or no tokens")


def completed_targets(
    sizes: Mapping[str, Fraction], targets: Mapping[str, float]
) -> dict[str, Fraction]:
    """Asked shares from some given ones: groups without one share what is left, by their tokens.

    When no other group has tokens, or a named group has none, the given shares are scaled so that
    all sum to 1. Raises ValueError when nothing would be left.
    """
    given = {name: exact(share) for name, share in targets.items()}
    rest = max(Fraction(0), 1 - sum(given.values()))
    others = sum(size for name, size in sizes.items() if name not in given)
    wanted = {
        name: (given[name] if size else Fraction(0))
        if name in given
        else (rest * size / others if others else Fraction(0))
        for name, size in sizes.items()
    }
    return _normalised(wanted, "none of the groups that the targets name is in the corpus")


def tempered_shares(sizes: Mapping[str, Fraction], temperature: float) -> dict[str, Fraction]:
    """Asked shares p_i ∝ n_i^(1/T): T = 1 is natural, and the larger T, the more even they are.

    Multilingual models sample so (Arivazhagan et al. 2019, arXiv 1907.05019, T = 5; XLM-R, arXiv
    1911.02116, 1/T = 0.3). The root is rounded to 30 digits.
    """
    exponent = _DIGITS.divide(Decimal(1), Decimal(repr(temperature)))
    wanted = {}
    for name, size in sizes.items():
        tokens = _DIGITS.divide(Decimal(size.numerator), Decimal(size.denominator))
        wanted[name] = Fraction(_DIGITS.power(tokens, exponent)) if size else Fraction(0)
    return _normalised(wanted, "no group has tokens")


def even_shares(sizes: Mapping[str, Fraction]) -> dict[str, Fraction]:
    """The same share for every group that has tokens. With a cap on epochs, ``fill`` makes UniMax
    (Chung et al. 2023, arXiv 2304.09151) of it: as even as N epochs of the small ones allow."""
    return _normalised(
        {name: Fraction(size > 0) for name, size in sizes.items()}, "no group has tokens"
    )


def _normalised(wanted: Mapping[str, Fraction], otherwise: str) -> dict[str, Fraction]:
    total = sum(wanted.values(), Fraction(0))
    if total <= 0:
        there = ", ".join(sorted(wanted)) or "none"
        raise ValueError(f"the mixture leaves no token: {otherwise}. Groups there are: {there}.")
    return {name: wanted[name] / total for name in sorted(wanted)}


def fill(asked: Mapping[K, Fraction], capacity: Mapping[K, int], budget: int) -> dict[K, int]:
    """Whole tokens a group by water-filling: in proportion to ``asked`` (≥ 0, any sum), at most
    ``capacity``, in all ``budget``, or less where even all wanted groups cannot hold it."""
    wanted = sorted(key for key in asked if asked[key] > 0 and capacity[key] > 0)
    total = min(budget, sum(capacity[key] for key in wanted))
    # A group is full when λ·w ≥ capacity, so groups fill in the order of capacity / w.
    order = sorted(wanted, key=lambda key: Fraction(capacity[key]) / asked[key])
    left, weight = Fraction(total), sum((asked[key] for key in wanted), Fraction(0))
    amounts: dict[K, Fraction] = {}
    for key in order:
        amount = left * asked[key] / weight
        if amount < capacity[key]:
            break
        amounts[key] = Fraction(capacity[key])
        left -= capacity[key]
        weight -= asked[key]
    for key in wanted:
        if key not in amounts:
            amounts[key] = left * asked[key] / weight
    return dict.fromkeys(asked, 0) | whole(amounts, total)


def whole(amounts: Mapping[K, Fraction], total: int) -> dict[K, int]:
    """The amounts as whole numbers that add up to ``total``, each rounded down or up: up where the
    fraction is largest (Hamilton's method), the first in order where two are equal."""
    floors = {key: math.floor(amount) for key, amount in amounts.items()}
    missing = total - sum(floors.values())
    by_fraction = sorted(sorted(amounts), key=lambda key: floors[key] - amounts[key])
    for key in by_fraction[:missing]:
        floors[key] += 1
    return floors


def effective_tokens(unique: int, read: int) -> float:
    """What ``read`` tokens are worth when only ``unique`` of them are different, in new tokens.

    D′ = U + U·R*·(1 - e^(-R/R*)) with R = read/U - 1 repeats (Muennighoff et al. 2023, eq. 5).
    """
    if unique <= 0 or read <= 0:
        return 0.0
    repeats = max(0.0, read / unique - 1)
    return unique + unique * HALF_LIFE * (1 - math.exp(-repeats / HALF_LIFE))
