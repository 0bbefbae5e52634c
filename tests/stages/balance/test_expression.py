"""Expressions over annotations: what they mean, and what they say when they mean nothing."""

import operator

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.balance.expression import parse
from stages.balance.grammar import ExpressionError

KINDS = {"source": "text", "kind.kind": "text", "quality.score": "number", "n.n": "number"}
KINDS |= {"decontaminate.capped": "boolean"}
FRAME = pl.DataFrame(
    {
        "source": ["web", "web-2", "it's", "books"],
        "kind.kind": ["code", "math", None, "code"],
        "quality.score": pl.Series([0.2, 2.5, None, 3.0], dtype=pl.Float32),
        "n.n": [1, 0, 2, None],
        "decontaminate.capped": [True, False, None, True],
    }
)


def values(text, frame=FRAME, kinds=KINDS):
    typed = parse(text).compile(kinds, ("text", "number", "boolean"))
    return frame.with_columns(typed.values.alias("value"))["value"].to_list()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind = 'code'", [True, False, None, True]),
        ('kind.kind != "code"', [False, True, None, False]),
        ("`kind.kind` = 'code' AND quality.score >= 2.5", [False, False, None, True]),
        ("quality.score >= 0.2", [True, True, None, True]),  # float32 against a decimal
        ("quality.score in [2.5, 3)", [False, True, None, False]),
        ("quality.score in [2.5, 3]", [False, True, None, True]),
        ("quality.score not in [0, 1)", [False, True, None, True]),
        ("kind in ('math', 'list')", [False, True, None, False]),
        ("kind not in ('math')", [True, False, None, True]),
        ("kind is null", [False, False, True, False]),
        ("kind is not null and not kind = 'code'", [False, True, False, False]),
        ("source = 'it''s'", [False, False, True, False]),
        ("starts_with(source, 'web') or contains(source, 'ook')", [True, True, False, True]),
        ("coalesce(kind, 'none')", ["code", "math", "none", "code"]),
        ("band(quality.score, 0.2, 2.5)", ["0.2..2.5", "2.5..", None, "2.5.."]),
        ("band(-n, -1.5, 0)", ["-1.5..0", "0..", "..-1.5", None]),
        ("1 + n * 2 > 3 - -1", [False, False, True, None]),
        ("0 / n > 1", [False, None, False, None]),  # 0/0 is no number
        ("decontaminate.capped", [True, False, None, True]),
        ("true", [True] * 4),
    ],
)
def test_what_expressions_mean(text, expected):
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("quality.scor > 1", r"no column `quality.scor`. Did you mean `quality.score`"),
        ("nothing > 1", r"no column `nothing`: no stage above .* use one of: .*kind.*source"),
        ("kind >", "character 7: a column, a text, a number"),
        ("kind = 'a", "character 8: `'` means nothing"),
        ("kind = 'a' kind", "character 12: the end, or an operator was expected, not `kind`"),
        ("source = 1", "a text and a number cannot be compared"),
        ("source + 1", r"`\+` takes a number, and was given a text"),
        ("source and true", "`and` takes a boolean"),
        ("__import__('os')", "no function `__import__`. Known: band, coalesce"),
        ("band(quality.score, 3, 2)", "edges that rise"),
        ("quality.score not 1", "`in` was expected"),
        ("(" * 5000, "nested too deeply"),
        ("-" * 5000 + "1", "nested too deeply"),
        ("1" + "+1" * 4900, "nested too deeply"),
        ("", "character 1: a column"),
        (" " * 20_000, "10,000 are most"),
    ],
)
def test_faults_name_the_place_and_what_there_is(text, fault):
    with pytest.raises(ExpressionError, match=fault):
        values(text)


def test_the_kind_of_the_value_is_checked():
    with pytest.raises(ExpressionError, match=r"a number, but a text is wanted.*band\("):
        parse("quality.score").compile(KINDS, ("text",))


def test_columns_and_stages_that_are_named():
    expression = parse("kind = 'code' and quality.score > 1 and source = 'web' or kind is null")
    assert expression.columns() == ("kind.kind", "quality.score", "source")
    assert expression.stages() == ("kind", "quality")


NUMBERS = st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=1, max_size=20)
LEAVES = st.sampled_from(["x = 1", "x > 2", "x <= -1", "x is null", "true", "x in [-2, 2)"])
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda t: f"({t[0]}) {t[1]} ({t[2]})"
        ),
        inner.map(lambda t: f"not ({t})"),
    ),
    max_leaves=8,
)


def kleene(text, x):
    """The oracle: SQL's logic of three values, for one number, by Python's own parser."""

    def compared(function, limit):
        return None if x is None else function(x, limit)

    leaves = {
        "x = 1": compared(operator.eq, 1),
        "x > 2": compared(operator.gt, 2),
        "x <= -1": compared(operator.le, -1),
        "x is null": x is None,
        "true": True,
        "x in [-2, 2)": None if x is None else -2 <= x < 2,
    }

    class Three:
        def __init__(self, value):
            self.value = value

        def __and__(self, other):
            both = (self.value, other.value)
            return Three(False if False in both else None if None in both else True)

        def __or__(self, other):
            both = (self.value, other.value)
            return Three(True if True in both else None if None in both else False)

        def __invert__(self):
            return Three(None if self.value is None else not self.value)

    for number, leaf in enumerate(leaves):
        text = text.replace(leaf, f"v{number}")
    text = text.replace(" and ", " & ").replace(" or ", " | ").replace("not ", "~")
    names = {f"v{number}": Three(value) for number, value in enumerate(leaves.values())}
    return eval(text, {"__builtins__": {}}, names).value  # only what this test wrote


@given(CONDITIONS, NUMBERS)
def test_conditions_follow_the_logic_of_three_values(text, numbers):
    frame = pl.DataFrame({"x.x": pl.Series(numbers, dtype=pl.Int64)})
    assert values(text, frame, {"x.x": "number"}) == [kleene(text, x) for x in numbers]
