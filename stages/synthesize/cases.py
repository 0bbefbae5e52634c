"""Test cases: where their arguments come from, and what a function answers to them."""

from __future__ import annotations

import ast
import doctest
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.fingerprint import fingerprint
from pipeline.task import Json
from stages.synthesize.functions import Function
from stages.synthesize.grading import Call, call_answers, same
from stages.synthesize.mutants import mutants, stubs
from stages.synthesize.sandbox import Limits, Sandbox
from stages.synthesize.sandboxed.values import ValueRefusedError, canonical, decode
from stages.synthesize.source_code import UnreadableCodeError, parsed

EXAMPLE, GIVEN, ASSERTION, VALUES = "example", "given", "assertion", "values"
"""Where arguments come from: a doctest, a test of a file, an assertion of a model, pools of
values."""

_POOLS: dict[str, tuple[object, ...]] = {
    "int": (0, 1, 2, 7, -3, 12, 100),
    "float": (0.0, 1.5, -2.25, 10.0),
    "str": ("", "a", "hello world", "The quick brown fox", "a-b_c.d", "12 34", "Level"),
    "bool": (True, False),
    "bytes": (b"", b"abc"),
    "list[int]": ([], [1], [3, 1, 2], [5, 5, -1, 0], [1, 2, 3, 4, 5, 6]),
    "list[str]": ([], ["a"], ["b", "a", "b"], ["one", "two", "three"]),
    "list[list]": ([[1, 2], [3]], [[], [1]]),
    "tuple": ((1, 2), ("a", 1), ()),
    "dict": ({}, {"a": 1}, {"b": 2, "a": [1]}),
    "None": (None,),
}
_UNKNOWN = ("int", "str", "list[int]", "list[str]", "float", "dict", "tuple")
_CALLS = 120
_CASES = 40
_MUTANTS = 8
_LONGEST = 120
"""Characters of one argument list or result: a test must be readable."""


@dataclass(frozen=True)
class Case:
    """Arguments, the answer, both as Python writes them, and where the arguments come from."""

    arguments: str
    expected: str
    origin: str

    @property
    def values(self) -> tuple[object, ...]:
        """The arguments."""
        found: tuple[object, ...] = ast.literal_eval(f"({self.arguments},)")
        return found

    def assertion(self, function: str) -> str:
        """One line of a test."""
        if self.expected in ("True", "False", "None"):
            return f"assert {function}({self.arguments}) is {self.expected}"
        return f"assert {function}({self.arguments}) == {self.expected}"


def literal(value: object) -> str | None:
    """The value as Python writes it, sets in sorted order; None for what has no literal (NaN,
    empty sets, values that are not built in) or a long one."""
    text = _literal(value)
    return text if text is not None and len(text) <= _LONGEST else None


def _literal(value: object) -> str | None:
    if type(value) in (type(None), bool, int, str, bytes):
        return repr(value)
    if type(value) is float:
        return repr(value) if math.isfinite(value) else None
    if isinstance(value, dict) and type(value) is dict:
        pairs = [(_literal(key), _literal(item)) for key, item in value.items()]
        if any(key is None or item is None for key, item in pairs):
            return None
        return "{" + ", ".join(f"{key}: {item}" for key, item in pairs) + "}"
    if not isinstance(value, (list, tuple, set)) or type(value) not in (list, tuple, set):
        return None
    items = [_literal(item) for item in value]
    known = [item for item in items if item is not None]
    if len(known) != len(items) or (isinstance(value, set) and not items):
        return None
    if isinstance(value, list):
        return "[" + ", ".join(known) + "]"
    if isinstance(value, set):
        return "{" + ", ".join(sorted(known)) + "}"
    return "(" + ", ".join(known) + ("," if len(known) == 1 else "") + ")"


def asserted_calls(source: str, function: str) -> Iterator[tuple[tuple[object, ...], object]]:
    """Arguments and expected value of every ``assert function(literals) == literal`` (or ``is``) in
    a text, most of which may be no Python."""
    for line in source.splitlines():
        line = line.strip()
        if not line.startswith("assert ") or len(line) > 10 * _LONGEST:
            continue
        try:
            (statement,) = parsed(line).body
        except (UnreadableCodeError, ValueError):
            continue
        found = _asserted(statement, function)
        if found is not None:
            yield found


def _asserted(statement: ast.stmt, function: str) -> tuple[tuple[object, ...], object] | None:
    if not isinstance(statement, ast.Assert):
        return None
    test = statement.test
    expected: ast.expr = ast.Constant(True)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test, expected = test.operand, ast.Constant(False)
    elif isinstance(test, ast.Compare):
        if len(test.ops) != 1 or not isinstance(test.ops[0], (ast.Eq, ast.Is)):
            return None
        expected, test = test.comparators[0], test.left
    if not isinstance(test, ast.Call) or test.keywords:
        return None
    if not isinstance(test.func, ast.Name) or test.func.id != function:
        return None
    try:
        return tuple(ast.literal_eval(a) for a in test.args), ast.literal_eval(expected)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def example_calls(docstring: str, function: str) -> Iterator[tuple[object, ...]]:
    """Arguments of the calls in a docstring's examples (``>>> function(literals)``)."""
    try:
        examples = doctest.DocTestParser().get_examples(docstring)
    except ValueError:
        return
    for example in examples:
        for arguments, _ in asserted_calls(f"assert {example.source.strip()}", function):
            yield arguments


def made_arguments(function: Function) -> list[tuple[object, ...]]:
    """Arguments from pools of values, by annotation, or of all kinds where there is none."""
    profiles = itertools.product(*[_kinds(note) for note in function.annotations])
    found: dict[str, tuple[object, ...]] = {}
    for profile in profiles:
        for arguments in itertools.product(*[_POOLS[kind] for kind in profile]):
            text = literal(arguments)
            if text is not None:
                found.setdefault(text, arguments)
            if len(found) >= 50 * _CALLS:
                break
    return [found[text] for text in sorted(found, key=fingerprint)[:_CALLS]]


def _kinds(annotation: str | None) -> tuple[str, ...]:
    if annotation is None:
        return _UNKNOWN
    note = annotation.lower().replace("typing.", "").replace("t.", "")
    exact = tuple(kind for kind in _POOLS if kind == note)
    if exact:
        return exact
    found = [
        kind for kind in ("int", "float", "str", "bool", "bytes", "dict") if note.startswith(kind)
    ]
    if note.startswith(("list", "sequence", "iterable")):
        inner = "list[str]" if "str" in note else "list[int]"
        found = ["list[list]"] if note.count("list") + note.count("sequence") > 1 else [inner]
    if "none" in note or "optional" in note:
        found.append("None")
    return tuple(found) or _UNKNOWN


def derive_cases(
    sandbox: Sandbox,
    function: Function,
    preferred: Sequence[tuple[tuple[object, ...], str]],
    count: int,
    limits: Limits,
) -> list[Case]:
    """Up to ``count`` cases from what a function answers: those that tell it from wrong versions.

    ``preferred`` arguments come first, with their origin; then arguments made from pools, of the
    same types as the preferred ones where there are any. Answers
    that raise, have no literal, or differ between two runs make no case.
    """
    calls = [(arguments, origin) for arguments, origin in preferred if literal(arguments)]
    types = {tuple(map(type, arguments)) for arguments, _ in calls}
    made = made_arguments(function)
    alike = [arguments for arguments in made if not types or tuple(map(type, arguments)) in types]
    calls += [(arguments, VALUES) for arguments in alike]
    answers = stable_answers(sandbox, function, [arguments for arguments, _ in calls], limits)
    cases: dict[str, Case] = {}
    for (arguments, origin), answer in zip(calls, answers, strict=False):
        expected = None if answer is None else literal(decode(answer))
        if expected is not None:
            text = ", ".join(str(literal(argument)) for argument in arguments)
            cases.setdefault(text, Case(text, expected, origin))
    several = _different_first(list(cases.values()))[:_CASES]
    return _telling(sandbox, function, several, count, replace(limits, cpu_seconds=1))


def stable_answers(
    sandbox: Sandbox, function: Function, arguments: Sequence[tuple[object, ...]], limits: Limits
) -> list[Json | None]:
    """The encoded answers to calls, None where one raised, changed its arguments' meaning between
    two runs under different hash seeds, or is no value; shorter when the process ended early."""
    try:
        calls = [Call(function.name, given) for given in arguments]
        once = call_answers(sandbox, function.source, calls, limits, hash_seed=0).answers
        calls = calls[: len(once)]  # what came to no end is not tried again
        again = call_answers(sandbox, function.source, calls, limits, hash_seed=1).answers
    except ValueRefusedError:
        return []
    answers: list[Json | None] = []
    for first, second in zip(once, again, strict=False):
        try:
            alike = first.error is None and canonical(first.value) == canonical(second.value)
        except ValueRefusedError:
            alike = False
        answers.append(first.value if alike else None)
    return answers


def agreeing(function_answers: Sequence[Json | None], cases: Sequence[Case]) -> list[bool]:
    """For each case whether the encoded answer is the expected value, of the same types."""
    found = []
    for place, case in enumerate(cases):
        answer = function_answers[place] if place < len(function_answers) else None
        found.append(answer is not None and same(ast.literal_eval(case.expected), answer))
    return found


def _different_first(cases: Sequence[Case]) -> list[Case]:
    """Cases with an answer that none before them has, then the others."""
    first: dict[str, Case] = {}
    for case in cases:
        first.setdefault(case.expected, case)
    return [*first.values(), *(case for case in cases if first[case.expected] is not case)]


def _telling(
    sandbox: Sandbox, function: Function, cases: Sequence[Case], count: int, limits: Limits
) -> list[Case]:
    """Up to ``count`` of the cases, chosen greedily: first those that wrong versions of the
    function (mutants, stubs) fail most, then those with an answer that no chosen one has."""
    wrong = [mutant.source for mutant in mutants(function.source, function.name, _MUTANTS)]
    wrong += stubs(function.source, function.name)
    failed = [_failed(sandbox, program, function.name, cases, limits) for program in wrong]
    chosen: list[int] = []
    left, answers = set(range(len(wrong))), set[str]()
    while len(chosen) < min(count, len(cases)):
        place = max(
            (place for place in range(len(cases)) if place not in chosen),
            key=lambda place: (
                sum(place in failed[program] for program in left),
                cases[place].expected not in answers,
                -place,
            ),
        )
        chosen.append(place)
        answers.add(cases[place].expected)
        left -= {program for program in left if place in failed[program]}
    return [cases[place] for place in sorted(chosen)]


def _failed(
    sandbox: Sandbox, program: str, name: str, cases: Sequence[Case], limits: Limits
) -> set[int]:
    """The cases that a wrong version fails; the first one that it never answers is one of them."""
    calls = [Call(name, case.values) for case in cases]
    answers = call_answers(sandbox, program, calls, limits).answers
    right = agreeing([answer.value for answer in answers], cases[: len(answers)])
    return {place for place, holds in enumerate(right) if not holds} | (
        {len(answers)} if len(answers) < len(cases) else set()
    )
