"""Functions that stand alone, what of completions is code, and where test cases come from."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.synthesize.cases import (
    ASSERTION,
    EXAMPLE,
    VALUES,
    Case,
    agreeing,
    asserted_calls,
    derive_cases,
    example_calls,
    literal,
    made_arguments,
    stable_answers,
)
from stages.synthesize.code_samples import written_program
from stages.synthesize.functions import (
    normalized,
    pure_function,
    pure_functions,
    with_docstring,
)
from stages.synthesize.sandbox import Limits, Sandbox
from stages.synthesize.sandboxed.values import encode

PATIENT = Limits(seconds=30, cpu_seconds=10)

MODULE = '''
import math, os
from collections import Counter as Bag
import numpy as np
LIMIT = 3

def area(radius: float) -> float:
    """Area of a circle.

    >>> area(0.0)
    0.0
    """
    return math.pi * radius ** 2

def common(words, n=1):
    """The n most common words."""
    # the author's comment stays
    return [word for word, _ in Bag(words).most_common(n)]

def undocumented(x): return x
def touches(path):
    """Reads."""
    return os.stat(path)
def reads(path):
    """Reads."""
    return open(path).read()
def above(x):
    """Uses a global."""
    return x > LIMIT
def arrays(x):
    """Uses numpy."""
    return np.sum(x)
def stars(*x):
    """Any number."""
    return x
def silent(x):
    """Returns nothing."""
    x.append(1)
def generator(x):
    """Yields."""
    yield x
    return x
@staticmethod
def decorated(x):
    """Decorated."""
    return x
class A:
    def method(self):
        """A method."""
        return 1
'''


def test_pure_functions_are_found_and_no_others() -> None:
    area, common = pure_functions(MODULE)
    assert area.name == "area"
    assert area.source.startswith("import math\n\n\ndef area(radius: float)")
    assert area.annotations == ("float",)
    assert area.head.startswith('def area(radius: float) -> float:\n    """Area of a circle.')
    assert "math.pi" not in area.head
    assert common.source.startswith("from collections import Counter as Bag\n\n\ndef common(")
    assert "# the author's comment stays" in common.source
    assert list(pure_functions("print 'python 2'\ndef f(x):\n  'd'\n  return x")) == []
    assert list(pure_functions(MODULE, most_lines=3)) == []


def test_the_named_function_or_the_last_one_is_read() -> None:
    program = "def f(x):\n    return x\ndef g(x):\n    return -x\n"
    last, first = pure_function(program, None), pure_function(program, "f")
    assert last is not None
    assert first is not None
    assert (last.name, first.name) == ("g", "f")
    assert pure_function(program, "h") is None


def test_copies_on_the_surface_are_the_same() -> None:
    original = 'def f(a, b):\n    """Doc."""\n    total = a + b  # sum\n    return total\n'
    renamed = "def f(x: int, y) -> int:\n    s = (x + y)\n\n    return s\n"
    other = "def f(x, y):\n    s = x - y\n    return s\n"
    assert normalized(original) == normalized(renamed) != normalized(other)


def test_a_docstring_is_replaced_or_added() -> None:
    for source in ("def f(x):\n    return x\n", 'def f(x):\n    """Old."""\n    return x\n'):
        function = pure_function(source, "f")
        assert function is not None
        changed = with_docstring(function, 'New, "quoted".\n\nTwo lines.')
        again = pure_function(changed, "f")
        assert again is not None
        assert again.docstring == 'New, "quoted".\n\nTwo lines.'
        assert normalized(changed) == normalized(source)


@pytest.mark.parametrize(
    ("completion", "program"),
    [
        ("Sure!\n```python\ndef f(x):\n    return 1\n```\nDone.", "def f(x):\n    return 1\n"),
        ("```\ndef f(x):\n    return 1\n", "def f(x):\n    return 1\n"),
        ("def f(x):\n    return 1\n\nThat is all.", "def f(x):\n    return 1\n"),
        ("def f(x):\n    return 1\ndef g(", "def f(x):\n    return 1\n"),
        ("def f(x):\n    return 1\n```\n\nor\n\n```\nx\n```\n", "def f(x):\n    return 1\n"),
        ("    return 1\n", "HEAD\n    return 1\n"),
        ("return 1", "HEAD\n    return 1\n"),
        ("I cannot do that.", None),
        ("", None),
        ("def f(" + "(" * 5000, None),
    ],
)
def test_the_program_in_a_completion(completion: str, program: str | None) -> None:
    head = "def f(x):\n    '''Doc.'''"
    expected = program.replace("HEAD", head) if program else None
    assert written_program(completion, head) == expected


literals = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.sets(st.integers(), min_size=1, max_size=3)
    ),
    max_leaves=6,
)


@given(literals)
def test_literals_are_read_back_as_they_were(value: object) -> None:
    text = literal(value)
    if text is not None:
        assert encode(ast.literal_eval(text)) == encode(value)


def test_what_has_no_literal() -> None:
    for value in (float("nan"), float("inf"), set(), [float("nan")], object(), "x" * 500, range(3)):
        assert literal(value) is None
    assert literal({"b", "a"}) == "{'a', 'b'}"
    assert literal((1,)) == "(1,)"


def test_assertions_and_examples_are_read() -> None:
    text = """
    assert f(1, 'a') == [1]
assert f(2) is True
assert not f([3])
assert f(4)
assert g(5) == 5
assert f(x) == 6
assert f(7) > 6
assert f(8, k=1) == 8
assert f(9) == (9
the end"""
    assert list(asserted_calls(text, "f")) == [
        ((1, "a"), [1]),
        ((2,), True),
        (([3],), False),
        ((4,), True),
    ]
    assert list(example_calls("Doc.\n\n>>> f(1, [2])\n3\n>>> g(1)\n>>> f(x)\n", "f")) == [(1, [2])]


def test_arguments_follow_annotations() -> None:
    (function,) = pure_functions('def f(a: int, b: list[str]):\n    """D."""\n    return a\n')
    for first, second in made_arguments(function):
        assert type(first) is int
        assert type(second) is list
        assert all(type(item) is str for item in second)
    assert made_arguments(function) == made_arguments(function)


def test_cases_tell_a_function_from_its_mutants(strong_sandbox: Sandbox) -> None:
    source = (
        'def grade(points: int):\n    """Grade."""\n    if points > 6:\n        return "good"\n'
        '    return "bad" if points < 1 else "fair"\n'
    )
    (function,) = pure_functions(source)
    cases = derive_cases(strong_sandbox, function, [((3,), EXAMPLE)], 4, PATIENT)
    assert {case.expected for case in cases} == {"'good'", "'bad'", "'fair'"}
    assert {case.origin for case in cases} <= {EXAMPLE, VALUES}
    found = {case.arguments: case for case in cases}
    assert len(found) == len(cases) <= 4
    assert any(-5 <= int(case.arguments) <= 1 for case in cases)  # at a border


def test_answers_that_are_no_facts_make_no_case(strong_sandbox: Sandbox) -> None:
    source = (
        'def f(x: int):\n    """D."""\n    if x == 0:\n        raise ValueError\n'
        "    if x == 1:\n        return object()\n"
        "    if x == 2:\n        return {str(x), 'b', 'c'}\n"
        "    if x == 7:\n        return list({'a', 'b', 'c', 'd', 'e'})\n    return x\n"
    )
    (function,) = pure_functions(source)
    answers = stable_answers(strong_sandbox, function, [(0,), (1,), (2,), (7,), (12,)], PATIENT)
    assert [answer is not None for answer in answers] == [False, False, True, False, True]
    cases = [Case("2", "{'2', 'b', 'c'}", ASSERTION), Case("2", "{'2'}", ASSERTION)]
    assert agreeing([answers[2], answers[2]], cases) == [True, False]
    assert agreeing([], cases) == [False, False]
