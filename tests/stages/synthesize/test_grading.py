"""Grading: right programs pass, wrong ones fail, and no candidate can talk its way to a pass."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.sandbox import human_eval, mbpp
from stages.synthesize.grading import Call, call_answers, grade, same
from stages.synthesize.sandbox import Limits, Sandbox
from stages.synthesize.sandboxed.values import ValueRefusedError, canonical, decode, encode
from stages.synthesize.source_code import UnreadableCodeError, parsed, unknown_names

ROOT = Path(__file__).resolve().parents[3]
TESTS = "assert double(2) == 4\nassert double(-3) == -6\nassert double('ab') == 'abab'\n"
PATIENT = Limits(seconds=30, cpu_seconds=20)
SHORT = Limits(seconds=0.5)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.booleans(), inner, max_size=4)
        | st.sets(st.integers() | st.text(max_size=3), max_size=4)
        | st.frozensets(st.integers(), max_size=3)
    ),
    max_leaves=12,
)


@given(values)
def test_values_cross_unchanged(value: object) -> None:
    wire = json.loads(json.dumps(encode(value)))
    assert repr(decode(wire)) == repr(decode(encode(value)))
    assert type(decode(wire)) is type(value)
    assert same(value, wire)


@given(values, values)
def test_same_is_equality_of_values_and_types(left: object, right: object) -> None:
    alike = canonical(encode(left)) == canonical(encode(right))
    assert same(left, encode(right)) == alike
    if alike and not _has_nan(left):
        assert left == right


def _has_nan(value: object) -> bool:
    return "nan" in json.dumps(encode(value))


@pytest.mark.parametrize(
    ("expected", "other"),
    [
        (1, True),
        (1, 1.0),
        (0, False),
        ((1, 2), [1, 2]),
        ([1, [2.0]], [1, [2]]),
        ({1: "a"}, {True: "a"}),
        ("a", b"a"),
        ({1, 2}, frozenset({1, 2})),
        (1.0, math.nan),
        (None, 0),
        (1.0, 1.0 + 1e-12),
    ],
)
def test_types_are_strict(expected: object, other: object) -> None:
    assert same(expected, encode(expected))
    assert not same(expected, encode(other))


@pytest.mark.parametrize(
    "damaged",
    [
        None,
        1,
        [],
        ["int"],
        ["int", 5],
        ["int", "0xzz"],
        ["float", "1.zz"],
        ["set", [["list", []]]],
        ["dict", [[["int", "0x1"]]]],
        ["object", ["Evil", 0]],
        ["pickle", "gASV"],
        ["list", "ab"],
        ["complex", ["0x1p+0"]],
        ["type", "Sandbox"],
        ["bool", 1],
        ["none", []],
    ],
)
def test_what_is_no_value_is_refused(damaged: Any) -> None:
    with pytest.raises(ValueRefusedError):
        decode(damaged)
    assert not same(1, damaged)


def test_depth_and_size_are_limited() -> None:
    deep: object = 1
    for _ in range(100):
        deep = [deep]
    with pytest.raises(ValueRefusedError, match="deeply"):
        encode(deep)
    with pytest.raises(ValueRefusedError, match="items"):
        encode(list(range(100_000)))


def test_a_right_program_passes_and_a_wrong_one_fails(sandbox: Sandbox) -> None:
    assert grade(sandbox, "def double(x):\n    return x * 2\n", TESTS).passed
    wrong = grade(sandbox, "def double(x):\n    return x ** 2\n", TESTS)
    assert (wrong.passed, wrong.reason) == (False, "wrong")
    wrong = grade(sandbox, "def double(x):\n    return x / 0.5\n", TESTS)
    assert (wrong.passed, wrong.reason) == (False, "error")


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        ("def double(x): raise SystemExit(0)", "error"),
        ("def double(x): raise KeyboardInterrupt", "error"),
        ("def double(x): __import__('os')._exit(0)", "killed"),
        ("import os\nos._exit(0)", "not_loaded"),
        ("import sys\nsys.exit(0)", "not_loaded"),
        ("def double(x) return x", "not_loaded"),
        ("raise ValueError('no')", "not_loaded"),
        ("def other(x): return x", "error"),
        ("def double(x):\n    while True: pass", "timeout"),
        ("while True: pass", "timeout"),
        ("def double(x): return bytearray(10 << 30)", "error"),
        ("def double(x): return 'x' * 3_000_000", "output"),
        ("def double(x): return double(x)", "error"),
        ("def double(x): __import__('ctypes').string_at(0)", "killed"),
        ("def double(x):\n    a = []\n    a.append(a)\n    return a", "error"),
    ],
)
def test_what_a_candidate_can_come_to(strong_sandbox: Sandbox, candidate: str, reason: str) -> None:
    limits = SHORT if reason == "timeout" else PATIENT
    result = grade(strong_sandbox, candidate, TESTS, limits=limits)
    assert (result.passed, result.reason) == (False, reason), result


SPOOFS = {
    "equal to all": "class E:\n  def __eq__(self, o): return True\n"
    "  def __ne__(self, o): return False\n  def __hash__(self): return 4\n"
    "def double(x): return E()",
    "int subclass": "class I(int):\n  def __eq__(self, o): return True\ndef double(x): return I(7)",
    "str subclass": "class S(str):\n  def __eq__(self, o): return True\n"
    "def double(x): return S('q')",
    "__class__": "class C:\n  __class__ = int\n  def __eq__(self, o): return True\n"
    "def double(x): return C()",
    "nan": "def double(x): return float('nan')",
    "metaclass": "class M(type):\n  def __eq__(s, o): return True\n  __hash__ = type.__hash__\n"
    "class C(metaclass=M): pass\ndef double(x): return C",
    "frames": "import sys\ndef double(x):\n  f = sys._getframe()\n"
    "  while f:\n    for v in list(f.f_locals.values()) + list(f.f_code.co_consts):\n"
    "      if isinstance(v, str) and 'assert' in v: return 4\n    f = f.f_back\n  raise ValueError",
    "garbage": "import gc\ndef double(x):\n  t = [o for o in gc.get_objects()"
    " if isinstance(o, dict) and 'tests' in o and 'setup' in o]\n"
    "  if t: return 4\n  raise ValueError",
    "patched json": "import json, builtins\njson.dumps = lambda *a, **k: '{\"passed\": true}'\n"
    "json.loads = lambda *a, **k: {'passed': True}\nbuiltins.isinstance = lambda *a: True\n"
    "def double(x): return 0",
    "patched protocol": "import sys\nfor m in list(sys.modules.values()):\n"
    "  if hasattr(m, 'encode') and hasattr(m, 'MAX_DEPTH'):\n"
    "    m.encode = lambda *a, **k: ['int', '0x4']\ndef double(x): return 0",
    "forged frames": "import os, struct\nm = b'{\"passed\":true}'\n"
    "for fd in range(64):\n  try: os.write(fd, struct.pack('<I', len(m)) + m)\n"
    "  except OSError: pass\ndef double(x): return 0",
    "printed": "print('{\"passed\": true}')\nprint('OK', flush=True)\ndef double(x): return 0",
    "atexit": "import atexit, os\natexit.register(lambda: os._exit(0))\ndef double(x): exit(0)",
    "closes all": "import os\ndef double(x):\n  os.closerange(0, 64)\n  return 4",
    "raises what passes": "def double(x): raise StopIteration",
    "is none": "def double(x): return None",
    "mock": "from unittest.mock import MagicMock\ndouble = MagicMock()\n"
    "double.return_value.__eq__ = lambda s, o: True",
    "leaves it to the other side": "def double(x): return NotImplemented",
}


@pytest.mark.parametrize("name", SPOOFS)
def test_no_candidate_passes_without_computing(strong_sandbox: Sandbox, name: str) -> None:
    result = grade(strong_sandbox, SPOOFS[name], TESTS, limits=PATIENT)
    assert not result.passed, result


def test_objects_stay_in_the_candidates_process(strong_sandbox: Sandbox) -> None:
    candidate = """
class Pair:
    def __init__(self, a, b): self.a, self.b = a, b
def total(pairs): return sum(p.a + p.b for p in pairs)
def same_kind(kind, value): return isinstance(value, kind)
def add(items, x): items.append(x)
def fails(x): raise LookupError(f'no {x}')
class Own(Exception): pass
def fails_oddly(): raise Own('odd')
"""
    tests = """
assert total([Pair(1, 2), Pair(3, b=4)]) == 10
assert Pair(1, 2) != Pair(1, 2)
assert same_kind(int, 3) and not same_kind(str, 3)
items = [1]
add(items, 2)
assert items == [1, 2]
try: fails(7)
except LookupError as error: assert 'no 7' in str(error)
else: assert False
try: fails_oddly()
except Exception as error: assert 'Own' in str(error)
else: assert False
"""
    assert grade(strong_sandbox, candidate, tests).passed
    assert not grade(strong_sandbox, candidate, tests.replace("== 10", "== 11")).passed


def test_the_order_of_a_dict_and_its_kind_are_kept(strong_sandbox: Sandbox) -> None:
    candidate = "from collections import Counter\ndef count(x): return Counter(x)\n"
    candidate += "def table(): return {'b': 1, 'a': 2}\n"
    tests = "assert count('aab') == {'a': 2, 'b': 1}\nassert list(table()) == ['b', 'a']\n"
    assert grade(strong_sandbox, candidate, tests).passed
    answers = call_answers(strong_sandbox, candidate, [Call("count", ("aab",))])
    assert not same({"a": 2, "b": 1}, answers.answers[0].value)


def test_answers_to_calls(sandbox: Sandbox) -> None:
    candidate = "def half(x):\n    return x / 2\n"
    answers = call_answers(sandbox, candidate, [Call("half", (3,)), Call("half", ("a",))])
    assert answers.status == "ok"
    assert same(1.5, answers.answers[0].value)
    assert answers.answers[1].error == "TypeError"
    stuck = "def half(x):\n    while x: pass\n    return 0"
    calls = [Call("half", (0,)), Call("half", (1,)), Call("half", (0,))]
    answers = call_answers(sandbox, stuck, calls, SHORT)
    assert (len(answers.answers), answers.status) == (1, "timeout")


def test_tests_cannot_pass_by_ending_early(strong_sandbox: Sandbox) -> None:
    good = "def double(x): return 2 * x"
    assert grade(strong_sandbox, good, "import os\nos._exit(0)").reason == "no_verdict"
    assert grade(strong_sandbox, good, "raise SystemExit").reason == "error"
    assert grade(strong_sandbox, good, "while True: pass", limits=SHORT).reason == "timeout"


def test_names_that_only_the_candidate_can_know() -> None:
    tests = "import math\ndef check(f):\n    x = y(1)\n    return len(f(x), math.pi, z)\ncheck(g)"
    assert unknown_names(tests) == {"y", "z", "g"}
    assert unknown_names(tests, setup="from a import y\nclass z: pass") == {"g"}


@pytest.mark.parametrize(
    "source",
    ["(" * 1000, "x = [", "\0", "x" * 300_000, "-" * 50_000 + "1", "return 1", "é = \ud800"],
)
def test_hostile_source_is_refused_in_this_process(source: str) -> None:
    with pytest.raises(UnreadableCodeError):
        parsed(source)


def test_human_eval_references_pass_and_stubs_fail(strong_sandbox: Sandbox) -> None:
    path = ROOT / "data" / "sample" / "benchmarks" / "HumanEval.jsonl.gz"
    if not path.exists():
        pytest.skip(f"no HumanEval at {path} (run `make models`)")
    references, stubs = human_eval(path)
    assert len(references) == 164
    passed, fooled = (
        [
            job.name
            for job in jobs
            if grade(
                strong_sandbox, job.candidate, job.tests, job.entry_point, job.setup, PATIENT
            ).passed
        ]
        for jobs in (references, stubs)
    )
    assert len(passed) == 164
    assert fooled == []


@pytest.mark.slow
def test_mbpp_references_pass(strong_sandbox: Sandbox, shared_data: Path) -> None:
    """All but two, whose tests build trees of a class that the reference defines, and change its
    objects: these stay in the candidate's process."""
    failed = [
        job.name
        for job in mbpp(shared_data / "open" / "benchmarks" / "mbpp.jsonl.gz")
        if not grade(
            strong_sandbox, job.candidate, job.tests, job.entry_point, job.setup, PATIENT
        ).passed
    ]
    assert failed == ["MBPP/367", "MBPP/927"]
