"""Problems with a worked solution: arithmetic in steps that can be followed, and made wrong.

The problems are reasoning-gym's; the solutions are ours, one way of working a task each. A solution
is a list of steps, each an operation on numbers of the problem or on results of earlier steps, so
that a fault in one step runs through all later ones to the answer, as it does in real solutions.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import reasoning_gym
from reasoning_gym.arithmetic.leg_counting import ANIMALS

OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
}


@dataclass(frozen=True)
class Result:
    """The result of an earlier step, by its number from 0."""

    step: int


Operand = int | Result


@dataclass(frozen=True)
class Step:
    """``left sign right``; ``about`` says what is counted, such as ``cats``."""

    left: Operand
    sign: str
    right: Operand
    about: str = ""


@dataclass(frozen=True)
class Worked:
    """A problem with its answer and the steps to it; the last step gives the answer."""

    name: str
    question: str
    answer: int
    steps: tuple[Step, ...]


def evaluate(steps: Sequence[Step], wrong: Mapping[int, int] | None = None) -> list[int]:
    """The value of every step. ``wrong`` gives false values to steps, which later ones go on
    with."""
    values: list[int] = []
    for number, step in enumerate(steps):
        left, right = (value_of(operand, values) for operand in (step.left, step.right))
        values.append((wrong or {}).get(number, OPERATIONS[step.sign](left, right)))
    return values


def value_of(operand: Operand, values: Sequence[int]) -> int:
    """The number that an operand stands for, given the values of earlier steps."""
    return values[operand.step] if isinstance(operand, Result) else operand


def written(steps: Sequence[Step], values: Sequence[int]) -> str:
    """A solution as a text: a line a step and the answer. ``values`` are what is claimed."""
    lines = []
    for step, value in zip(steps, values, strict=True):
        left, right = (value_of(operand, values) for operand in (step.left, step.right))
        about = f"{step.about}: " if step.about else ""
        lines.append(f"{about}{left} {step.sign} {right} = {value}")
    return "\n".join([*lines, f"The answer is {values[-1]}."])


def _expression_steps(entry: Mapping[str, Any]) -> tuple[Step, ...]:
    """An expression of integers, worked in the order of evaluation."""
    steps: list[Step] = []

    def work(node: ast.expr) -> Operand:
        match node:
            case ast.Constant(value=int(value)):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))):
                return -value
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                steps.append(Step(0, "-", work(inner)))
            case ast.BinOp(left=left, op=operation, right=right):
                sign = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}[type(operation)]
                steps.append(Step(work(left), sign, work(right)))
            case _:
                raise ValueError(f"no expression of integers: {ast.dump(node)}")
        return Result(len(steps) - 1)

    work(ast.parse(entry["metadata"]["expression"], mode="eval").body)
    return tuple(steps)


def _product_steps(entry: Mapping[str, Any]) -> tuple[Step, ...]:
    """Long multiplication: a partial product for each digit of the second factor, then sums."""
    first, second = (int(factor) for factor in entry["metadata"]["expression"].split("*"))
    digits = str(second)
    parts = [
        int(digit) * 10 ** (len(digits) - 1 - place)
        for place, digit in enumerate(digits)
        if digit != "0"
    ]
    steps = [Step(first, "*", part) for part in parts or [0]]
    return tuple(_summed(steps))


def _leg_steps(entry: Mapping[str, Any]) -> tuple[Step, ...]:
    """The legs of each kind of animal, then sums."""
    animals = entry["metadata"]["animals"].items()
    steps = [Step(count, "*", ANIMALS[animal], f"{animal} legs") for animal, count in animals]
    return tuple(_summed(steps))


def _angle_steps(entry: Mapping[str, Any]) -> tuple[Step, ...]:
    """The sum of the angles of a polygon, less those that are known."""
    about = entry["metadata"]
    steps = [Step(about["n_sides"] - 2, "*", 180, "sum of angles")]
    for angle in about["known_angles"]:
        steps.append(Step(Result(len(steps) - 1), "-", int(angle)))
    return tuple(steps)


def _summed(steps: Sequence[Step]) -> Iterator[Step]:
    """The steps, and after them their sum, one addition a step."""
    yield from steps
    last = 0
    for number in range(1, len(steps)):
        yield Step(Result(last), "+", Result(number))
        last = len(steps) + number - 1


@dataclass(frozen=True)
class _Task:
    """A task of reasoning-gym: its settings, and how its problems are worked."""

    settings: Mapping[str, Any]
    steps: Callable[[Mapping[str, Any]], tuple[Step, ...]]


_TASKS = {
    "chain_sum": _Task({"max_terms": 4, "max_digits": 1}, _expression_steps),
    "basic_arithmetic": _Task(
        {"max_terms": 3, "max_digits": 1, "operators": ("+", "-", "*")}, _expression_steps
    ),
    "products": _Task({"max_digits": 2}, _product_steps),
    "leg_counting": _Task({"max_animals": 3, "max_instances": 9}, _leg_steps),
    "simple_geometry": _Task({"max_sides": 4}, _angle_steps),
}

TASKS = tuple(_TASKS)
"""Tasks of reasoning-gym that we can work."""


def worked_problems(tasks: Sequence[str], count: int, seed: int) -> list[Worked]:
    """``count`` problems, shared evenly by ``tasks`` (of ``TASKS``), that take at least one step,
    each question once; fewer where a task has not as many.

    Raises ValueError when a solution of ours does not come to reasoning-gym's answer.
    """
    found: list[Worked] = []
    for number, task in enumerate(tasks):
        share = count // len(tasks) + (number < count % len(tasks))
        data = reasoning_gym.create_dataset(
            task, seed=seed, size=3 * share + 8, **_TASKS[task].settings
        )
        problems: dict[str, Worked] = {}
        for index in range(len(data)):
            problem = _worked(task, index, data[index])
            if problem is not None and len(problems) < share:
                problems.setdefault(problem.question, problem)
        found += problems.values()
    return found


def _worked(task: str, index: int, entry: Mapping[str, Any]) -> Worked | None:
    """A problem with its steps; None when there is nothing to work."""
    steps = _TASKS[task].steps(entry)
    if not steps:
        return None
    value = evaluate(steps)[-1]
    if value != int(entry["answer"]):
        raise ValueError(
            f"{task} {index}: worked to {value}, but reasoning-gym says {entry['answer']}."
        )
    return Worked(f"{task}/{index}", str(entry["question"]).strip(), value, steps)
