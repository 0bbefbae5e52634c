"""Verification of solutions: against the known answer, or by vote where none is known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from pipeline.task import Json, TaskRun
from stages.synthesize.answers import AnswerChecker, final_answer, majority, plain_number
from stages.synthesize.completions import Sample, samples_of
from stages.synthesize.json_lines import read_lines, write_lines
from stages.synthesize.problems import Problem, problem_of
from stages.synthesize.prompts import load_template
from stages.synthesize.provenance import provenance, step
from stages.synthesize.questions import SOLUTION, STATED, unfinished
from stages.synthesize.rewards import SOLUTIONS_FILE

KNOWN, VOTE = "known_answer", "majority"
_OPERATION = re.compile(r"[\w)][-+*/^][\w(]")
_REASONS = {
    "wrong": "answer_wrong",
    "copied": "answer_copied",
    "unreadable": "answer_unreadable",
    "timeout": "answer_check_timeout",
}


@dataclass(frozen=True)
class Solution:
    """A solution as its model wrote it, what comes after the answer left out, with its verdict.

    ``reason`` is None for one that passed; ``right`` is None where no answer is known and the vote
    came to none. ``key`` is that of the completion."""

    key: str
    problem: str
    prompt: str
    response: str
    answer: str | None
    right: bool | None
    reason: str | None
    detail: str
    seed: str
    skill: str
    metadata: dict[str, Json]


def verify_solutions(run: TaskRun) -> Json:
    """Reads all samples of some problems, writes ``solutions.jsonl`` and returns counts."""
    least = float(run.arguments["min_share"])
    solutions: list[Solution] = []
    with AnswerChecker() as checker:
        for _, group in groupby(samples_of(run), key=lambda sample: sample.request.id):
            solutions += _Verifier(run, checker, least).verify(list(group))
    write_lines(run.output / SOLUTIONS_FILE, map(asdict, solutions))
    passed = sum(solution.reason is None for solution in solutions)
    marks = [s.metadata["synthesis"]["verdict"].get("mark") for s in solutions]
    return {
        "solutions": len(solutions),
        "answered": sum(solution.answer is not None for solution in solutions),
        "passed": passed,
        "marks": {mark: marks.count(mark) for mark in sorted({m for m in marks if m})},
        "progress": {"verified": passed},
    }


def read_solutions(path: Path) -> Iterator[Solution]:
    """The solutions of a file, in order."""
    for content in read_lines(path):
        yield Solution(**content)


def trimmed(text: str) -> str:
    """The solution up to where it first states an answer: small models talk on after it."""
    stated = STATED.search(text)
    return text[: stated.end()].strip() if stated else text.strip()


def is_copied(answer: str, question: str) -> bool:
    """Whether an answer is an expression of the question that nobody worked out: ``0 - 4 - 8`` is
    equal to -12, and no answer."""
    bare = "".join(answer.split())
    open_sum = plain_number(answer) is None and _OPERATION.search(bare) is not None
    return open_sum and bare in "".join(question.split())


class _Verifier:
    """Verdicts on the solutions of one problem."""

    def __init__(self, run: TaskRun, checker: AnswerChecker, min_share: float) -> None:
        self._run = run
        self._checker = checker
        self._min_share = min_share

    def verify(self, samples: Sequence[Sample]) -> list[Solution]:
        """Verdicts on all samples of a problem, in order."""
        problem = problem_of(samples[0].request.about["problem"])
        texts = [trimmed(sample.text) for sample in samples]
        answers: list[str | None] = []
        faults = []
        for sample, text in zip(samples, texts, strict=True):
            fault = unfinished(sample)
            if fault is not None and fault.reason == "cut_off" and STATED.search(text):
                fault = None  # its answer stands there
            faults.append(fault)
            answers.append(final_answer(text) if fault is None else None)
        if problem.answer is None:
            verdicts = self._by_vote(answers)
        else:
            verdicts = self._by_answer(problem.question, problem.answer, answers)
        solutions = []
        for sample, text, answer, fault, (reason, verdict) in zip(
            samples, texts, answers, faults, verdicts, strict=True
        ):
            right = None if verdict["kind"] == VOTE and verdict["answer"] is None else not reason
            solutions.append(
                self._solution(
                    problem,
                    sample,
                    text,
                    answer,
                    right if answer is not None else False,
                    (fault.reason, fault.detail) if fault else (reason, _told(verdict, answer)),
                    verdict,
                )
            )
        return solutions

    def _by_answer(
        self, question: str, gold: str, answers: Sequence[str | None]
    ) -> list[tuple[str | None, dict[str, Json]]]:
        given = [answer for answer in answers if answer is not None]
        checked = iter(self._checker.check([(gold, answer) for answer in given]))
        found = ["no_answer" if answer is None else next(checked) for answer in answers]
        for index, answer in enumerate(answers):
            if found[index] == "right" and is_copied(answer or "", question):
                found[index] = "copied"
        right = found.count("right")
        mark = "all_right" if right == len(found) else None if right else "none_right"
        verdict = {"kind": KNOWN, "answer": gold, "right": right, "of": len(found)}
        verdict |= {"mark": mark} if mark else {}
        return [(None if word == "right" else _REASONS.get(word, word), verdict) for word in found]

    def _by_vote(self, answers: Sequence[str | None]) -> list[tuple[str | None, dict[str, Json]]]:
        vote = majority(answers, self._checker, self._min_share)
        verdict: dict[str, Json] = {
            "kind": VOTE,
            "answer": vote.answer,
            "votes": [len(group) for group in vote.groups],
            "of": len(answers),
            "share": round(vote.share, 4),
            "min_share": self._min_share,
        }
        verdict |= {"mark": "all_agree"} if len(vote.winners) == len(answers) else {}
        lost = "no_majority" if vote.answer is None else "outvoted"
        return [
            (None if index in vote.winners else "no_answer" if answer is None else lost, verdict)
            for index, answer in enumerate(answers)
        ]

    def _solution(
        self,
        problem: Problem,
        sample: Sample,
        text: str,
        answer: str | None,
        right: bool | None,
        reason: tuple[str | None, str],
        verdict: dict[str, Json],
    ) -> Solution:
        arguments = self._run.arguments
        done = step(
            "solution", load_template(SOLUTION), sample, arguments["model"], arguments["sampling"]
        )
        own = {**verdict, "given": answer}
        return Solution(
            key=sample.key,
            problem=problem.id,
            prompt=problem.question,
            response=text,
            answer=answer,
            right=right,
            reason=reason[0],
            detail=reason[1] if reason[0] else "",
            seed=str(problem.seed["id"]),
            skill=problem.skill,
            metadata=provenance("math", problem.seed, (*problem.steps, done), own),
        )


def _told(verdict: dict[str, Json], answer: str | None) -> str:
    if verdict["kind"] == KNOWN:
        return f"it says {answer}, and the answer is {verdict['answer']}"
    return f"it says {answer}; votes by answer: {verdict['votes']} of {verdict['of']}"
