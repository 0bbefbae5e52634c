"""What a reward model is trained on: solutions with labels, from files or made procedurally."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.synthesize.corruption import corruptions, right_solution
from stages.synthesize.worked import worked_problems

VERIFIED, PROCEDURAL = "verified", "procedural"


@dataclass(frozen=True)
class Labelled:
    """A solution with its label. ``origin`` is ``verified`` (a model wrote it, the verifier judged
    it) or ``procedural``; ``fault`` says what makes a procedural one wrong."""

    problem: str
    prompt: str
    response: str
    right: bool
    origin: str
    fault: str | None = None
    answer: str | None = None


def read_verified(paths: Iterable[Path]) -> list[Labelled]:
    """The solutions with a label of files of JSON lines (``problem``, ``prompt``, ``response``,
    ``right``, ``answer``), in their order; those whose ``right`` is null are left out. Raises
    ValueError naming file and line of a fault."""
    found = []
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
            if not line:
                continue
            try:
                row = json.loads(line)
                if row["right"] is not None:
                    found.append(
                        Labelled(
                            f"{VERIFIED}/{row['problem']}",
                            str(row["prompt"]),
                            str(row["response"]),
                            bool(row["right"]),
                            VERIFIED,
                            answer=row.get("answer"),
                        )
                    )
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{path.name}:{number}: not a solution ({error!r}). Each line is"
                    ' {"problem": …, "prompt": …, "response": …, "right": true, false or null}.'
                ) from None
    return found


def contrasting(solutions: Iterable[Labelled]) -> int:
    """How many problems have right and wrong solutions."""
    labels: dict[str, set[bool]] = {}
    for one in solutions:
        labels.setdefault(one.problem, set()).add(one.right)
    return sum(len(seen) == 2 for seen in labels.values())


def procedural_solutions(
    tasks: Sequence[str], problems: int, faults: int, seed: int
) -> list[Labelled]:
    """Worked solutions of ``problems`` problems, each followed by up to ``faults`` wrong ones."""
    found = []
    for number, problem in enumerate(worked_problems(tasks, problems, seed)):
        name = f"{PROCEDURAL}/{problem.name}"
        right = right_solution(problem)
        found.append(Labelled(name, problem.question, right, True, PROCEDURAL))
        for wrong in corruptions(problem, faults, seed, number):
            found.append(
                Labelled(name, problem.question, wrong.text, False, PROCEDURAL, wrong.fault)
            )
    return found
