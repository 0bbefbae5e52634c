"""The verifier against labels: ``python -m benchmarks.answers [SOLUTIONS]``.

SOLUTIONS is the file of OpenAI's grade-school-math (gzipped JSON lines: a question, a true answer
and four solutions, each labelled right or wrong). The final answer is taken from each whole
solution and compared with the true one. Prints every disagreement with a label, the agreement, that
of "the last number", and that of math-verify alone, which the verifier only asks where algebra is
needed.
"""

from __future__ import annotations

import argparse
import logging
import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gsm8k import Solution, default_solutions, read_solutions
from benchmarks.peers import Spent, timed
from stages.synthesize.answer_worker import RIGHT, compare
from stages.synthesize.answers import AnswerChecker, final_answer, plain_number


def verified(solutions: Sequence[Solution], workers: int) -> list[bool]:
    """Whether the verifier takes each solution for right."""
    answers = [final_answer(solution.text) or "" for solution in solutions]
    pairs = [(s.truth, answer) for s, answer in zip(solutions, answers, strict=True)]
    with AnswerChecker(workers) as checker:
        return [verdict == RIGHT for verdict in checker.check(pairs)]


def algebraic(solutions: Sequence[Solution]) -> list[bool]:
    """The same by math-verify alone."""
    return [compare(s.truth, final_answer(s.text) or "") == RIGHT for s in solutions]


def last_numbers(solutions: Sequence[Solution]) -> list[bool]:
    """Whether the last number of each solution is the true answer: the plain baseline."""
    found = []
    for solution in solutions:
        numbers = re.findall(r"-?\d[\d,]*(?:\.\d+)?", solution.text)
        found.append(bool(numbers) and plain_number(numbers[-1]) == plain_number(solution.truth))
    return found


def report(name: str, solutions: Sequence[Solution], spent: Spent, found: Sequence[bool]) -> None:
    """Prints the disagreements and their share."""
    wrong = [s for s, right in zip(solutions, found, strict=True) if s.right != right]
    for s in wrong:
        label = "right" if s.right else "wrong"
        found_answer = final_answer(s.text)
        print(f"  {s.problem}/{s.author}: {found_answer!r} for {s.truth!r}, labelled {label}")
    total = len(solutions)
    print(
        f"{name:14s} agrees on {total - len(wrong)}/{total} = {1 - len(wrong) / total:.2%},"
        f" {total / spent.cpu:,.0f} solutions a CPU second"
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("solutions", type=Path, nargs="?", default=default_solutions())
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    logging.disable()  # math-verify warns of time-outs that are off
    solutions = read_solutions(options.solutions)
    report("verifier", solutions, *timed(lambda: verified(solutions, options.workers)))
    report("last number", solutions, *timed(lambda: last_numbers(solutions)))
    report("math-verify", solutions, *timed(lambda: algebraic(solutions)))


if __name__ == "__main__":
    main()
