"""Final answers: found, compared in processes that can be killed, put to the vote."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.gsm8k import read_solutions
from stages.synthesize.answer_worker import compare
from stages.synthesize.answers import (
    LONGEST,
    AnswerChecker,
    compare_plainly,
    final_answer,
    majority,
    plain_number,
)


@pytest.fixture(scope="module")
def checker() -> Iterator[AnswerChecker]:
    with AnswerChecker(seconds=0.5) as opened:
        yield opened


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"First \boxed{3}, no: \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"It was 4 and \boxed{5", "5"),
        ("2 + 2 = 4\n#### 1,234", "1,234"),
        ("He pays 3 * 6 = $<<3*6=18>>18\nA: 18", "18"),
        ("The answer is $70,000. That is 3 more than before.", "$70,000"),
        ("The final answer is: **12**", "12"),
        ("So the answer is $\\frac{3}{4}$.", "\\frac{3}{4}"),
        ("Answer: 18 dollars per day", "18"),
        ("Answer: 2 sin x", "2 sin x"),
        ("The answer is x^2 + 1.", "x^2 + 1"),
        ("The answer is 2.5", "2.5"),
        ("The answer is Friday.", "Friday"),
        ("she had 3 apples, then -2.5", "-2.5"),
        ("3/4 of them", "3/4"),
        ("about 1,234.50 in all.", "1,234.50"),
        ("50% of it", "50%"),
        ("version v2", None),
        ("nothing", None),
        ("", None),
        ("#### ", None),
    ],
)
def test_final_answer(text: str, answer: str | None) -> None:
    assert final_answer(text) == answer


@given(st.text(max_size=300))
def test_any_text_has_an_answer_or_none(text: str) -> None:
    answer = final_answer(text)
    assert answer is None or answer.strip() == answer != ""


@given(st.integers(-(10**9), 10**9), st.integers(0, 3))
def test_plain_numbers_are_exact(value: int, decimals: int) -> None:
    exact = Fraction(value, 10**decimals)
    for text in (f"{value / 10**decimals:.{decimals}f}", f"{value / 10**decimals:,.{decimals}f}"):
        assert plain_number(text) == exact
    assert plain_number(f"{value}/7") == Fraction(value, 7)


@pytest.mark.parametrize("text", ["1,23", "1.2.3", "x", "1/0", "", "-", "5%", "1e5", "1 2"])
def test_other_texts_are_no_plain_numbers(text: str) -> None:
    assert plain_number(text) is None


numerals = st.one_of(
    st.integers(-20, 20).map(str),
    st.tuples(st.integers(-20, 20), st.integers(0, 99)).map(lambda p: f"{p[0]}.{p[1]:02d}"),
    st.tuples(st.integers(-9, 9), st.integers(1, 9)).map(lambda p: f"{p[0]}/{p[1]}"),
    st.integers(1_000, 10_000).map(lambda value: f"{value:,}"),
)


@settings(max_examples=60, deadline=None)
@given(numerals, numerals)
def test_plain_comparison_agrees_with_math_verify(gold: str, answer: str) -> None:
    plainly = compare_plainly(gold, answer)
    assert plainly is None or plainly == compare(gold, answer)


@pytest.mark.parametrize(
    ("gold", "answer", "verdict"),
    [
        ("18", "$18.00", "right"),
        ("70000", "70,000", "right"),
        ("18", "19", "wrong"),
        ("1/2", r"\frac{1}{2}", "right"),
        (r"2\sqrt{2}", r"\sqrt{8}", "right"),
        (r"2\sqrt{2}", r"\sqrt{7}", "wrong"),
        ("x^2+1", "1+x^2", "right"),
        (r"\{1,2\}", r"\{2,1\}", "right"),
        ("(1,2)", "(2,1)", "wrong"),
        ("50%", "0.5", "right"),
        ("1/3", "0.333333", "right"),
        ("1/3", "0.33", "wrong"),
        ("Friday", "friday", "right"),
        ("was", "saw", "wrong"),
        ("12:30", "24:60", "wrong"),
        ("12", "", "unreadable"),
        ("x+1", "", "unreadable"),
        ("3", "+-*", "wrong"),
        ("3", "1" * (LONGEST + 1), "unreadable"),
        ("3", r"\frac{1}{0}", "wrong"),
    ],
)
def test_verdicts(checker: AnswerChecker, gold: str, answer: str, verdict: str) -> None:
    assert checker.check([(gold, answer)]) == [verdict]


def test_endless_comparisons_are_killed_and_cost_no_other_pair(checker: AnswerChecker) -> None:
    """Powers of powers outlive math-verify's own time-outs."""
    hostile = [("3", "5^{5^{5^{5}}}"), ("2", "(10^8)!")]
    sane = ("x+1", "1+x")
    pairs = [pair for each in hostile for pair in (sane, each, sane)]
    verdicts = checker.check(pairs)
    assert verdicts == ["right", "timeout", "right"] * len(hostile)


def test_works_off_the_main_thread_and_with_several_workers(checker: AnswerChecker) -> None:
    pairs = [(f"x+{i}", f"{i}+x") for i in range(6)] + [("y^2", "y"), ("1", "5^{5^{5^{5}}}")]
    found: list[list[str]] = []

    def work() -> None:
        with AnswerChecker(workers=2, seconds=0.5) as several:
            found.append(several.check(pairs))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [["right"] * 6 + ["wrong", "timeout"]]
    assert checker.check(pairs[:7]) == found[0][:7]


def test_memory_is_limited() -> None:
    """The limit lies under what the child has mapped already: no comparison can be done."""
    with AnswerChecker(memory_bytes=1_000_000) as starved:
        first, second = starved.check([("x+1", "1+x"), ("4", "4.0")])
    assert first != "right"
    assert second == "right"  # no algebra, no process


def test_no_process_is_left() -> None:
    checker = AnswerChecker()
    checker.check([("x+1", "1+x")])
    process = checker._workers[0]._process
    assert process is not None
    assert process.poll() is None
    checker.close()
    assert process.poll() is not None
    assert checker.check([("x", "y")]) == ["wrong"]
    checker.close()


def test_majority_groups_by_value(checker: AnswerChecker) -> None:
    vote = majority(["1/2", "3", None, "0.5", r"\frac{2}{4}", "3.0", "7"], checker, 0.4)
    assert vote.groups == ((0, 3, 4), (1, 5), (6,))
    assert vote.share == pytest.approx(3 / 7)
    assert vote.answer == "1/2"
    assert vote.winners == (0, 3, 4)
    assert majority(["1/2", "3", None, "0.5", "3", "7"], checker, 0.1).winners == ()  # a tie
    assert majority(["3", None, None, None], checker, 0.5).answer is None
    assert majority(["3", None], checker, 0.5).answer == "3"
    assert majority([None, None], checker, 0.0).groups == ()
    assert majority([], checker, 0.0).answer is None


@given(st.lists(st.sampled_from(["1", "1.0", "2", "4/2", None]), max_size=8))
def test_majority_counts_every_answer_once(answers: list[str | None]) -> None:
    """Plain numbers ask no process."""
    vote = majority(answers, AnswerChecker(), 0.5)
    voters = sorted(index for group in vote.groups for index in group)
    assert voters == [index for index, answer in enumerate(answers) if answer is not None]
    assert len(vote.groups) <= 2
    assert [len(group) for group in vote.groups] == sorted(map(len, vote.groups), reverse=True)


def test_agrees_with_labels(shared_data: Path) -> None:
    path = shared_data / "open" / "rm" / "gsm8k_example_model_solutions.jsonl.gz"
    if not path.exists():
        pytest.skip(f"no labelled solutions at {path}")
    solutions = read_solutions(path)
    pairs = [(solution.truth, final_answer(solution.text) or "") for solution in solutions]
    with AnswerChecker() as checker:
        verdicts = checker.check(pairs)
    agreed = [(v == "right") == s.right for v, s in zip(verdicts, solutions, strict=True)]
    assert len(agreed) == 1319 * 4
    assert sum(agreed) / len(agreed) >= 0.99
