"""Mixtures: shares, caps and what water-filling promises, on random corpora."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stages.mixture import (
    completed_targets,
    effective_tokens,
    plan_epochs,
    plan_mixture,
    target_shares,
)

NAMES = ["a", "b", "c", "d", "e", "f"]
COUNTS = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 10**12), min_size=1)
WEIGHTS = st.dictionaries(
    st.sampled_from(NAMES), st.one_of(st.just(0.0), st.floats(0.01, 100)), max_size=6
)
CAPS = st.floats(0.5, 20)


def planned(tokens, weights, budget_share, cap):
    """A plan for a share of all tokens that there are."""
    assume(any(tokens[n] * weights.get(n, 1.0) > 0 for n in tokens))
    shares = target_shares(tokens, weights)
    budget = max(1, int(sum(tokens.values()) * budget_share))
    return shares, budget, plan_mixture(tokens, shares, budget, cap)


@given(COUNTS, WEIGHTS, st.floats(0.01, 30), CAPS)
def test_shares_add_up_and_caps_hold(tokens, weights, budget_share, cap):
    _, budget, plan = planned(tokens, weights, budget_share, cap)
    assert math.fsum(p.share for p in plan.values()) == pytest.approx(1)
    assert math.fsum(p.target for p in plan.values()) == pytest.approx(1)
    read = math.fsum(p.planned_tokens for p in plan.values())
    most = math.fsum(cap * n for name, n in tokens.items() if weights.get(name, 1.0) > 0)
    assert read == pytest.approx(min(budget, most))
    for name, group in plan.items():
        assert group.epochs <= cap * (1 + 1e-12)
        if weights.get(name, 1.0) == 0:
            assert group.epochs == 0
            assert group.share == 0


@given(COUNTS, WEIGHTS, st.floats(0.01, 30), CAPS)
def test_groups_below_their_cap_keep_the_asked_proportions(tokens, weights, budget_share, cap):
    shares, _, plan = planned(tokens, weights, budget_share, cap)
    free = [n for n in plan if plan[n].epochs < cap * (1 - 1e-9) and shares[n] > 0 and tokens[n]]
    levels = [plan[n].planned_tokens / shares[n] for n in free]
    assert all(level == pytest.approx(levels[0], rel=1e-6) for level in levels)
    # A group at its cap would have got at least that level, had it been allowed to.
    full = [n for n in plan if n not in free and shares[n] > 0 and tokens[n]]
    if levels:
        assert all(plan[n].planned_tokens / shares[n] <= levels[0] * (1 + 1e-6) for n in full)


@given(COUNTS, WEIGHTS, st.floats(0.01, 5), CAPS, st.floats(0.01, 100))
def test_only_the_proportions_of_weights_matter(tokens, weights, budget_share, cap, factor):
    _, budget, plan = planned(tokens, weights, budget_share, cap)
    scaled = {name: weights.get(name, 1.0) * factor for name in tokens}
    again = plan_mixture(tokens, target_shares(tokens, scaled), budget, cap)
    for name in plan:
        assert again[name].epochs == pytest.approx(plan[name].epochs, rel=1e-6, abs=1e-12)


def bisected(tokens, shares, budget, cap):
    """The oracle: λ by bisection instead of by sorting."""
    low, high = 0.0, 1e15
    for _ in range(200):
        middle = (low + high) / 2
        read = sum(min(middle * shares[n], cap * tokens[n]) for n in tokens)
        low, high = (middle, high) if read < budget else (low, middle)
    return {n: min(low * shares[n], cap * tokens[n]) for n in tokens}


@given(
    st.dictionaries(st.sampled_from(NAMES), st.integers(1, 10**6), min_size=1),
    st.lists(st.floats(0.01, 1), min_size=6, max_size=6),
    st.floats(0.01, 3.9),
)
def test_water_filling_is_what_bisection_finds(tokens, raw, budget_share):
    total = sum(raw[: len(tokens)])
    shares = {n: raw[i] / total for i, n in enumerate(sorted(tokens))}
    budget = sum(tokens.values()) * budget_share
    plan = plan_mixture(tokens, shares, budget, 4.0)
    for name, read in bisected(tokens, shares, budget, 4.0).items():
        assert plan[name].planned_tokens == pytest.approx(read, rel=1e-6, abs=1e-6)


@given(COUNTS, WEIGHTS, CAPS)
def test_weights_without_a_budget_are_epochs(tokens, weights, cap):
    assume(any(tokens[n] * weights.get(n, 1.0) > 0 for n in tokens))
    plan = plan_epochs(tokens, weights, cap)
    assert math.fsum(p.share for p in plan.values()) == pytest.approx(1)
    for name, group in plan.items():
        assert group.epochs == (min(weights.get(name, 1.0), cap) if tokens[name] else 0)
        assert group.capped == (weights.get(name, 1.0) > cap)


def test_targets_are_completed_by_the_natural_proportions_of_the_rest():
    tokens = {"math": 100, "web": 600, "books": 300}
    shares = completed_targets(tokens, {"math": 0.4})
    assert shares == pytest.approx({"math": 0.4, "web": 0.4, "books": 0.2})
    # A named group that the corpus lacks leaves its share to the others.
    shares = completed_targets(tokens, {"math": 0.4, "code": 0.2})
    assert shares == pytest.approx({"math": 0.5, "web": 1 / 3, "books": 1 / 6})
    assert completed_targets({"math": 100}, {"math": 0.4}) == {"math": 1.0}


def test_a_mixture_that_leaves_nothing_names_the_groups():
    with pytest.raises(ValueError, match="Groups there are: a, b"):
        target_shares({"a": 10, "b": 0}, {"a": 0})
    with pytest.raises(ValueError, match="Groups there are: a"):
        completed_targets({"a": 10}, {"b": 1.0})


def test_effective_tokens_are_those_of_the_paper():
    # Muennighoff et al. 2023: four epochs of U tokens are worth about 3.73 U.
    assert effective_tokens(1e9, 4e9) == pytest.approx(3.73e9, rel=2e-3)
    assert effective_tokens(100, 100) == 100
    assert effective_tokens(0, 0) == 0
    # However often they are read, they are worth at most U (1 + R*).
    assert effective_tokens(1.0, 1e6) == pytest.approx(1 + 15.387756)


@given(st.floats(1, 1e12), st.floats(0, 100), st.floats(0, 100))
def test_effective_tokens_grow_but_never_beyond_what_is_read(unique, less, more):
    less, more = sorted((less, more))
    few, many = (effective_tokens(unique, unique * (1 + r)) for r in (less, more))
    assert unique <= few <= many <= unique * (1 + more) * (1 + 1e-12)
