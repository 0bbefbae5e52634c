"""Worked solutions made wrong in one place, as counterparts that a reward model learns to tell.

Every fault is one that solvers make, is carried through all later steps, and changes the answer. A
wrong solution has the form of the right one, so that nothing but the reckoning tells them apart
(only ``dropped_step`` is shorter).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stages.synthesize.worked import Operand, Result, Step, Worked, evaluate, written


@dataclass(frozen=True)
class Corrupted:
    """A wrong solution, the fault in it, and the number of the step with the fault."""

    text: str
    fault: str
    step: int


class _Draws:
    """Random numbers whose stream numpy's compatibility policy fixes."""

    def __init__(self, seed: Sequence[int]) -> None:
        self._stream = np.random.PCG64(list(seed))

    def below(self, bound: int) -> int:
        """A number from 0 to ``bound`` - 1."""
        return int(self._stream.random_raw()) % bound


def _off_by_one(steps: Sequence[Step], at: int, draws: _Draws) -> str | None:
    """The step's result is one too large or too small."""
    return _with_value(steps, at, evaluate(steps)[at] + (1, -1)[draws.below(2)])


def _wrong_carry(steps: Sequence[Step], at: int, draws: _Draws) -> str | None:
    """The step's result is off by one in the tens or a higher digit."""
    value = evaluate(steps)[at]
    places = len(str(abs(value))) - 1
    if places < 1:
        return None
    shift = 10 ** (1 + draws.below(places))
    return _with_value(steps, at, value + (shift, -shift)[draws.below(2)])


def _changed_number(steps: Sequence[Step], at: int, draws: _Draws) -> str | None:
    """A number of the problem is copied with one digit wrong."""
    step = steps[at]
    left, right = isinstance(step.left, int), isinstance(step.right, int)
    if not (left or right):
        return None
    if left and (not right or draws.below(2)):
        return _with_step(steps, at, replace(step, left=_miscopied(step.left, draws)))
    return _with_step(steps, at, replace(step, right=_miscopied(step.right, draws)))


def _miscopied(number: Operand, draws: _Draws) -> int:
    """A number with one of its digits changed."""
    assert isinstance(number, int)
    digits = list(str(abs(number)))
    place = draws.below(len(digits))
    digits[place] = str((int(digits[place]) + 1 + draws.below(9)) % 10)
    return int("".join(digits)) * (-1 if number < 0 else 1)


def _wrong_operator(steps: Sequence[Step], at: int, draws: _Draws) -> str | None:
    """The step adds where it should subtract or multiply, and so on."""
    others = [sign for sign in "+-*" if sign != steps[at].sign]
    return _with_step(steps, at, replace(steps[at], sign=others[draws.below(2)]))


def _dropped_step(steps: Sequence[Step], at: int, draws: _Draws) -> str | None:
    """The step is left out: where its result is needed stands what it began with."""
    if len(steps) < 2:
        return None

    def moved(operand: Operand) -> Operand:
        if not isinstance(operand, Result):
            return operand
        if operand.step == at:
            return moved(steps[at].left)
        return Result(operand.step - (operand.step > at))

    kept = [step for number, step in enumerate(steps) if number != at]
    kept = [replace(step, left=moved(step.left), right=moved(step.right)) for step in kept]
    return written(kept, evaluate(kept))


FAULTS: dict[str, Callable[[Sequence[Step], int, _Draws], str | None]] = {
    "off_by_one": _off_by_one,
    "wrong_carry": _wrong_carry,
    "changed_number": _changed_number,
    "wrong_operator": _wrong_operator,
    "dropped_step": _dropped_step,
}
"""What makes a solution wrong: solution, step and draws to the text; None where it cannot."""


def _with_value(steps: Sequence[Step], at: int, value: int) -> str:
    return written(steps, evaluate(steps, {at: value}))


def _with_step(steps: Sequence[Step], at: int, step: Step) -> str:
    changed = [*steps[:at], step, *steps[at + 1 :]]
    return written(changed, evaluate(changed))


def corruptions(problem: Worked, count: int, seed: int, number: int) -> list[Corrupted]:
    """Up to ``count`` different wrong solutions of a problem, the kinds of fault taking turns.

    ``seed`` and ``number`` (the problem's place among others) fix the draws.
    """
    draws = _Draws([seed, number])
    names = list(FAULTS)
    begin = draws.below(len(names))
    found: dict[str, Corrupted] = {}
    for attempt in range(4 * count):
        if len(found) == count:
            break
        fault = names[(begin + attempt) % len(names)]
        at = draws.below(len(problem.steps))
        text = FAULTS[fault](problem.steps, at, draws)
        if text is not None and not text.endswith(f" {problem.answer}."):
            found.setdefault(text, Corrupted(text, fault, at))
    return list(found.values())


def right_solution(problem: Worked) -> str:
    """The worked solution as a text."""
    return written(problem.steps, evaluate(problem.steps))
