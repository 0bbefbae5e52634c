"""The arithmetic of mixtures: shares, caps, water-filling and UniMax, against oracles."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stages.balance.mixture import (
    completed_targets,
    effective_tokens,
    even_shares,
    exact,
    fill,
    tempered_shares,
    weighted_shares,
    whole,
)

NAMES = ["a", "b", "c", "d", "e", "f"]
SIZES = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 10**12).map(Fraction), min_size=1)
WEIGHTS = st.dictionaries(st.sampled_from(NAMES), st.floats(0, 100).map(lambda x: round(x, 3)))


@st.composite
def fillings(draw, most=10**9):
    keys = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    asked = {key: draw(st.fractions(0, 10, max_denominator=1000)) for key in keys}
    capacity = {key: draw(st.integers(0, most)) for key in keys}
    return asked, capacity, draw(st.integers(0, most * len(keys)))


@given(fillings())
def test_filling_gives_whole_tokens_that_add_up_and_never_pass_a_cap(case):
    asked, capacity, budget = case
    amounts = fill(asked, capacity, budget)
    wanted = [key for key in asked if asked[key] > 0]
    assert sum(amounts.values()) == min(budget, sum(capacity[key] for key in wanted))
    assert all(0 <= amounts[key] <= capacity[key] for key in asked)
    assert all(amounts[key] == 0 for key in asked if not asked[key])


@given(fillings())
def test_below_their_caps_groups_keep_the_asked_proportions(case):
    asked, capacity, budget = case
    amounts = fill(asked, capacity, budget)
    wanted = [key for key in asked if asked[key] > 0 and capacity[key] > 0]
    free = [key for key in wanted if amounts[key] < capacity[key]]
    for one, other in itertools.product(free, wanted):
        # one token of rounding apart, nobody stands above the level of those that are not full
        assert (amounts[other] - 1) / asked[other] <= (amounts[one] + 1) / asked[one]


@given(fillings(most=20))
def test_no_other_amounts_come_closer_to_the_asked_proportions(case):
    """Of all amounts with the same sum under the caps, water-filling has the least Σ x²/w: the
    oracle tries them all. Rounding x by d < 1 adds d²/w, since the gradient 2x/w is the same for
    all groups that are not full."""
    asked, capacity, budget = case
    wanted = sorted(key for key in asked if asked[key] > 0)[:3]
    asked = {key: asked[key] for key in wanted}
    amounts = fill(asked, capacity, budget)

    def distance(values):
        return sum(Fraction(x * x) / w for x, w in zip(values, asked.values(), strict=True))

    choices = itertools.product(*(range(capacity[key] + 1) for key in wanted))
    total = sum(amounts.values())
    best = min(distance(values) for values in choices if sum(values) == total)
    slack = sum(1 / weight for weight in asked.values())
    assert best <= distance([amounts[key] for key in wanted]) <= best + slack


@given(fillings())
def test_filling_is_what_bisection_finds(case):
    asked, capacity, budget = case
    amounts = fill(asked, capacity, budget)
    total = sum(amounts.values())
    low, high = Fraction(0), Fraction(10**14)
    for _ in range(120):
        middle = (low + high) / 2
        read = sum(min(middle * asked[key], capacity[key]) for key in asked)
        low, high = (middle, high) if read < total else (low, middle)
    for key in asked:
        assert abs(amounts[key] - min(high * asked[key], capacity[key])) <= 1


@given(fillings(), st.randoms())
def test_the_order_of_groups_does_not_matter(case, random):
    asked, capacity, budget = case
    keys = list(asked)
    random.shuffle(keys)
    assert fill({key: asked[key] for key in keys}, capacity, budget) == fill(
        asked, capacity, budget
    )


@given(fillings(), st.sampled_from(NAMES), st.fractions(0, 10, max_denominator=1000))
def test_asking_more_of_a_group_never_gives_it_less(case, key, more):
    asked, capacity, budget = case
    assume(key in asked)
    before = fill(asked, capacity, budget)
    after = fill(asked | {key: asked[key] + more}, capacity, budget)
    assert after[key] >= before[key]


def unimax_as_published(sizes, budget, epochs):
    """Algorithm 1 of Chung et al. 2023 (arXiv 2304.09151)."""
    left, given_to = Fraction(budget), {}
    ordered = sorted(sizes, key=lambda name: (sizes[name], name))
    for index, name in enumerate(ordered):
        even = left / (len(ordered) - index)
        most = epochs * sizes[name]
        given_to[name] = most if even > most else even
        left -= given_to[name]
    return given_to


@given(
    st.dictionaries(st.sampled_from(NAMES), st.integers(1, 10**9), min_size=1),
    st.integers(1, 10**10),
    st.integers(1, 20),
)
def test_even_shares_with_a_cap_are_unimax(sizes, budget, epochs):
    shares = even_shares({name: Fraction(size) for name, size in sizes.items()})
    amounts = fill(shares, {name: epochs * size for name, size in sizes.items()}, budget)
    published = unimax_as_published(sizes, budget, epochs)
    assert all(abs(amounts[name] - published[name]) < 1 for name in sizes)


@given(SIZES, WEIGHTS)
def test_shares_sum_to_exactly_one_and_weight_zero_removes(sizes, weights):
    assume(any(sizes[name] * exact(weights.get(name, 1.0)) for name in sizes))
    for shares in (weighted_shares(sizes, weights), even_shares(sizes), tempered_shares(sizes, 5)):
        assert sum(shares.values()) == 1
        assert all(shares[name] == 0 for name in sizes if not sizes[name])
    weighted = weighted_shares(sizes, weights)
    assert all(weighted[name] == 0 for name in sizes if weights.get(name) == 0)


@given(SIZES, st.floats(0.01, 100).map(lambda x: round(x, 2)))
def test_only_the_proportions_of_weights_matter(sizes, factor):
    assume(any(sizes.values()))
    assert weighted_shares(sizes, dict.fromkeys(sizes, factor)) == weighted_shares(sizes, {})


def test_temperature_one_is_natural_and_more_is_more_even():
    sizes = {"en": Fraction(10**9), "sw": Fraction(10**3)}
    assert tempered_shares(sizes, 1) == weighted_shares(sizes, {})
    # n^(1/3): 1000 to 10
    assert float(tempered_shares(sizes, 3)["sw"]) == pytest.approx(10 / 1010)
    assert float(tempered_shares(sizes, 1000)["sw"]) == pytest.approx(0.5, abs=0.01)


def test_targets_are_completed_by_the_natural_proportions_of_the_rest():
    sizes = {"math": Fraction(100), "web": Fraction(600), "books": Fraction(300)}
    shares = completed_targets(sizes, {"math": 0.4})
    assert shares == {"math": Fraction(2, 5), "web": Fraction(2, 5), "books": Fraction(1, 5)}
    # A named group that the corpus lacks leaves its share to the others.
    shares = completed_targets(sizes, {"math": 0.4, "code": 0.2})
    assert shares == {"math": Fraction(1, 2), "web": Fraction(1, 3), "books": Fraction(1, 6)}
    assert completed_targets({"math": Fraction(100)}, {"math": 0.4}) == {"math": 1}


def test_a_mixture_that_leaves_nothing_names_the_groups():
    with pytest.raises(ValueError, match="Groups there are: a, b"):
        weighted_shares({"a": Fraction(10), "b": Fraction(0)}, {"a": 0})
    with pytest.raises(ValueError, match="Groups there are: a"):
        completed_targets({"a": Fraction(10)}, {"b": 1.0})


@given(st.dictionaries(st.sampled_from(NAMES), st.fractions(0, 100), min_size=1))
def test_rounding_keeps_the_sum_and_moves_nothing_by_a_whole_token(amounts):
    total = round(sum(amounts.values()))
    assume(sum(int(a) for a in amounts.values()) <= total)
    rounded = whole(amounts, total)
    assert all(abs(rounded[key] - amounts[key]) <= 1 for key in amounts)
    if total - sum(int(a) for a in amounts.values()) <= len(amounts):
        assert sum(rounded.values()) == total


def test_a_decimal_is_the_fraction_that_is_written():
    assert exact(0.1) + exact(0.2) == exact(0.3)
    assert exact("3/2") == Fraction(3, 2)


def test_effective_tokens_are_those_of_the_paper():
    # Muennighoff et al. 2023: four epochs of U tokens are worth about 3.73 U.
    assert effective_tokens(10**9, 4 * 10**9) == pytest.approx(3.73e9, rel=2e-3)
    assert effective_tokens(100, 100) == 100
    assert effective_tokens(0, 0) == 0
    # However often they are read, they are worth at most U (1 + R*).
    assert effective_tokens(1, 10**6) == pytest.approx(1 + 15.387756)


@given(st.integers(1, 10**12), st.floats(0, 100), st.floats(0, 100))
def test_effective_tokens_grow_but_never_beyond_what_is_read(unique, less, more):
    less, more = sorted((less, more))
    few, many = (effective_tokens(unique, round(unique * (1 + r))) for r in (less, more))
    assert unique <= few <= many <= round(unique * (1 + more)) * (1 + 1e-12)
