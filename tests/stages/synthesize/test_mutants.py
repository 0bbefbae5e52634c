"""Mutants, stubs, lint, and the verdict on tests that is built on them."""

from __future__ import annotations

import ast

import pytest

from stages.synthesize.lint import faults
from stages.synthesize.mutants import mutants, stubs
from stages.synthesize.sandbox import Limits, Sandbox
from stages.synthesize.source_code import UnreadableCodeError
from stages.synthesize.verification import verify_tests

CLAMP = '''
def clamp(value, low, high):
    """Nearest value between low and high."""
    if value < low:
        return low
    if value > high:
        return high
    return value
'''
GOOD = """
assert clamp(5, 0, 3) == 3
assert clamp(-1, 0, 3) == 0
assert clamp(2, 0, 3) == 2
"""
PATIENT = Limits(seconds=30, cpu_seconds=20)


def test_every_kind_of_change_is_made_once() -> None:
    source = "def f(a, b):\n    c = a + 2 if a < b and b else 'x'\n    return [c]\n"
    made = mutants(source, "f", 100)
    expected = {
        ("comparison", "c = a + 2 if a <= b and b else 'x'"),
        ("boolean", "c = a + 2 if a < b or b else 'x'"),
        ("operator", "c = a - 2 if a < b and b else 'x'"),
        ("constant", "c = a + 3 if a < b and b else 'x'"),
        ("constant", "c = a + 2 if a < b and b else 'xx'"),
        ("constant", "c = a + 2 if a < b and b else ''"),
        ("condition", "c = a + 2 if not (a < b and b) else 'x'"),
        ("return", "return None"),
    }
    lines = source.splitlines()
    changes = set()
    for mutant in made:
        changed = [
            new for new, old in zip(mutant.source.splitlines(), lines, strict=True) if new != old
        ]
        changes.add((mutant.change, *[line.strip() for line in changed]))
        assert mutant.source.splitlines()[mutant.line - 1] == changed[0]
    assert changes == expected


def test_mutants_are_chosen_by_the_source_alone_and_of_many_kinds() -> None:
    few = mutants(CLAMP, "clamp", 3)
    assert few == mutants(CLAMP, "clamp", 3)
    assert {mutant.change for mutant in few} == {"comparison", "condition", "return"}
    assert len({mutant.source for mutant in mutants(CLAMP, "clamp", 100)}) == 7


def test_docstrings_are_no_constants() -> None:
    source = "def f():\n    'one'\n    return 'two'\n"
    assert all('"""one"""' in mutant.source for mutant in mutants(source, "f", 10))


def test_only_the_named_function_changes() -> None:
    source = "def helper(x):\n    return x + 1\n\ndef f(x):\n    return helper(x) - 1\n"
    for program in [mutant.source for mutant in mutants(source, "f", 50)] + stubs(source, "f"):
        assert program.startswith("def helper(x):\n    return x + 1\n")
    with pytest.raises(KeyError, match="no function"):
        mutants(source, "g", 1)
    with pytest.raises(UnreadableCodeError):
        stubs("def f(:", "f")


def test_stubs_answer_without_computing() -> None:
    answers = {stub.splitlines()[-1].strip() for stub in stubs(CLAMP, "clamp")}
    assert {"return None", "return ''", "return []", "return value"} < answers
    assert all(ast.parse(stub) for stub in stubs(CLAMP, "clamp"))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os\ndef f(x):\n    return x\n", ["unused import os"]),
        ("import os\ndef f(x):\n    return os.sep + x\n", []),
        ("def f(x):\n    y = 1\n    return x\n", ["unused variable y"]),
        ("def f(x):\n    _ = 1\n    return [y for y in x]\n", []),
        ("def f(x):\n    y = 1\n    def g():\n        return y\n    return g() + x\n", []),
        ("def f(x):\n    return z + x\n", ["undefined name z"]),
        ("def f(x):\n    return x\ndef f(x):\n    return x\n", ["f is defined twice"]),
        ("from os import *\ndef f(x):\n    return x\n", ["import *"]),
        (
            "def f(x):\n    try:\n        return x()\n    except OSError as e:\n        return e\n",
            [],
        ),
        (CLAMP, []),
    ],
)
def test_lint(source: str, found: list[str]) -> None:
    assert faults(source) == found


def test_good_tests_are_kept(strong_sandbox: Sandbox) -> None:
    verdict = verify_tests(strong_sandbox, CLAMP, "clamp", GOOD, PATIENT)
    assert verdict.kept
    assert verdict.reason is None
    assert verdict.mutants == 7
    assert verdict.killed >= 5  # "<=" for "<" computes the same, twice


@pytest.mark.parametrize(
    ("reference", "tests", "reason"),
    [
        (CLAMP, "assert clamp(1, 1, 1) == 1", "tests_worthless"),
        (CLAMP, "assert clamp(5, 0, 3)", "tests_worthless"),
        (CLAMP, "pass", "tests_worthless"),
        (CLAMP, "import os\nos._exit(0)", "reference_fails"),
        (CLAMP, GOOD + "assert clamp(2, 0, 3) == 3", "reference_fails"),
        (CLAMP.replace("return low", "return low\nelse"), GOOD, "does_not_parse"),
        (CLAMP.replace("clamp", "clasp"), GOOD, "does_not_parse"),
        ("import re\n" + CLAMP, GOOD, "lint"),
        (
            "def clamp(value, low, high):\n    return hash(str(value))\n",
            "assert clamp(0, 0, 0) == FIRST",
            "flaky",
        ),
    ],
)
def test_why_others_are_dropped(
    strong_sandbox: Sandbox, reference: str, tests: str, reason: str
) -> None:
    if reason == "flaky":
        first = strong_sandbox.run("print(hash('0'))", limits=PATIENT, hash_seed=0).stdout
        tests = tests.replace("FIRST", first.decode())
    verdict = verify_tests(strong_sandbox, reference, "clamp", tests, PATIENT)
    assert (verdict.kept, verdict.reason) == (False, reason), verdict


def test_surviving_mutants_make_tests_worthless(strong_sandbox: Sandbox) -> None:
    """Two of three branches untested: no stub passes, but too many mutants do."""
    tests = "assert clamp(5, 0, 3) == 3\nassert clamp(7, 0, 4) == 4\n"
    strict = verify_tests(strong_sandbox, CLAMP, "clamp", tests, PATIENT, min_killed=0.8)
    assert (strict.reason, strict.mutants) == ("tests_worthless", 7)
    assert verify_tests(strong_sandbox, CLAMP, "clamp", tests, PATIENT, min_killed=0.1).kept
