"""Judging samples of code: what was written is read, run, tested, and the tests are tested."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from pipeline.task import Json, TaskRun
from stages.synthesize.candidates import (
    CANDIDATES_FILE,
    Candidate,
    read_candidates,
    write_candidates,
)
from stages.synthesize.cases import (
    ASSERTION,
    GIVEN,
    Case,
    agreeing,
    asserted_calls,
    derive_cases,
    literal,
    stable_answers,
)
from stages.synthesize.code_config import IMPLEMENT, TASK, CodeTestsConfig, SandboxConfig
from stages.synthesize.code_seeds import TEMPLATES, function_of, shared_sandbox
from stages.synthesize.completions import Sample, samples_of
from stages.synthesize.diversity import DiversityConfig, Fault, echo_of
from stages.synthesize.documents import written
from stages.synthesize.functions import (
    Function,
    body_of,
    normalized,
    pure_function,
    with_docstring,
)
from stages.synthesize.json_lines import write_lines
from stages.synthesize.prompts import load_template
from stages.synthesize.provenance import SYNTHESIS, provenance, step
from stages.synthesize.ranking import choose, reward_told
from stages.synthesize.rewards import SOLUTIONS_FILE, read_rewards
from stages.synthesize.source_code import UnreadableCodeError, parsed
from stages.synthesize.verification import verify_tests

_FENCE = re.compile(r"^```.*$", re.MULTILINE)
_MOST_CUTS = 40


@dataclass
class _Judged:
    """A sample on its way: its text so far, the verdict's parts, and why it stops."""

    text: str
    verdict: dict[str, Json] = field(default_factory=dict)
    fault: Fault | None = None

    def stopped(self, reason: str, detail: str = "") -> _Judged:
        self.fault = Fault(reason, detail)
        return self


def verify_code(run: TaskRun) -> Json:
    """Judges the samples of a requests file; writes ``candidates.jsonl``."""
    judge = _Judge(run)
    samples = list(samples_of(run))
    candidates = [judge.candidate(sample) for sample in samples]
    write_candidates(run.output / CANDIDATES_FILE, candidates)
    verified = _write_solutions(run.output / SOLUTIONS_FILE, samples, candidates)
    return {
        "samples": len(candidates),
        "parsed": judge.parsed,
        "verified": verified,
        "tests": dict(sorted(judge.tests.items())),
        "level": judge.sandbox.level,
        "progress": {"verified": verified},
    }


def _write_solutions(path: Path, samples: Sequence[Sample], candidates: Sequence[Candidate]) -> int:
    """Writes what the reward model is to judge, the samples that were verified; how many."""
    lines = [
        {
            "key": sample.key,
            "problem": sample.request.id,
            "prompt": sample.request.messages[-1]["content"],
            "response": candidate.text,
            "right": True,
            "answer": None,
        }
        for sample, candidate in zip(samples, candidates, strict=True)
        if candidate.fault is None
    ]
    return write_lines(path, lines)


def write_code(run: TaskRun) -> Json:
    """Writes the documents of what was verified and chosen, and what was dropped."""
    candidates: list[Candidate] = []
    rewards = run.arguments["rewards"] or [None] * len(run.arguments["candidates"])
    for path, scores in zip(run.arguments["candidates"], rewards, strict=True):
        read = list(read_candidates(run.path(path)))
        if scores is not None:
            read = list(_chosen(read, read_rewards(run.path(scores)), run.arguments["reward"]))
        candidates += read
    return written(run, candidates)


def _chosen(
    candidates: Sequence[Candidate],
    rewards: Sequence[tuple[str, float | None]],
    reward: Mapping[str, Json],
) -> Iterator[Candidate]:
    """The candidates with their rewards; those that others of the same request outrank dropped."""
    verified = iter(rewards)
    scored = [(one, next(verified)[1] if one.fault is None else None) for one in candidates]
    for _, group in groupby(scored, key=lambda pair: pair[0].locator.rpartition("/")[0]):
        of_request = list(group)
        passed = [one.fault is None for one, _ in of_request]
        scores = [score for _, score in of_request]
        choices = choose(scores, passed, reward["top_k"], reward["minimum"])
        for (one, score), choice in zip(of_request, choices, strict=True):
            if choice is None:
                yield one
                continue
            told = reward_told(reward["model"], score, choice)
            chain = {**one.metadata[SYNTHESIS], "reward": told}
            yield replace(one, metadata={SYNTHESIS: chain}, fault=choice.fault(score))


class _Judge:
    def __init__(self, run: TaskRun) -> None:
        self.arguments = run.arguments
        config = SandboxConfig(**run.arguments["sandbox"])
        self.sandbox = shared_sandbox(config.weakest)
        self.limits = config.limits
        self.config = CodeTestsConfig(**run.arguments["tests"])
        self.diversity = DiversityConfig(**run.arguments["echoes"])
        self.parsed = 0
        self.tests: Counter[str] = Counter()
        """Assertions in documents that were verified, by what their arguments come from."""

    def candidate(self, sample: Sample) -> Candidate:
        about = sample.request.about
        made = about["made"]
        judged = self._judge(sample.text, about)
        template = load_template(TEMPLATES[made])
        chain = step(made, template, sample, self.arguments["model"], self.arguments["sampling"])
        verdict = {"kind": "tests", "passed": judged.fault is None, **judged.verdict}
        level = {"level": self.sandbox.level}
        return Candidate(
            locator=f"{sample.request.id}/{sample.sample}",
            text=judged.text,
            metadata=provenance("code", about["seed"], [chain], verdict, sandbox=level),
            seed=about["seed"]["id"],
            skill=made,
            fault=judged.fault,
        )

    def _judge(self, text: str, about: Mapping[str, Json]) -> _Judged:
        if about["made"] == IMPLEMENT:
            return self._implementation(text, about)
        if about["made"] == TASK:
            return self._task(text, about)
        return self._tests(text, about)

    def _implementation(self, text: str, about: Mapping[str, Json]) -> _Judged:
        """A function written anew: it must answer what the original answers."""
        original = function_of(about["function"])
        cases = [Case(**case) for case in about["cases"]]
        judged = _Judged(text, {"by": "original function"})
        function = self._read(
            text, original.name, judged, original.head, original.source.partition("def ")[0]
        )
        if function is None:
            return judged
        if normalized(function.source) == normalized(original.source):
            return judged.stopped("echoes_seed", "the same but for names, comments and layout")
        if self._echoes(function, body_of(original), judged):
            return judged
        arguments = [case.values for case in cases]
        right = agreeing(stable_answers(self.sandbox, function, arguments, self.limits), cases)
        judged.verdict["agrees"] = [sum(right), len(cases)]
        if not all(right):
            wrong = cases[right.index(False)].assertion(function.name)
            return judged.stopped("answer_wrong", f"{sum(right)} of {len(cases)}; not {wrong}")
        source = with_docstring(function, original.docstring)
        return self._tested(judged, source, function.name, cases)

    def _tests(self, text: str, about: Mapping[str, Json]) -> _Judged:
        """Tests for a function as it is: those of the model that hold, then others."""
        function = function_of(about["function"])
        judged = _Judged(text, {"by": "original function"})
        self.parsed += 1
        # the prompt ends within an assertion, which may be gone on with or begun anew
        own = self._own_cases(f"assert {function.name}({text}\n{text}", function, judged)
        if len(own) < self.config.min_own:
            return judged.stopped("no_own_test", f"{len(own)} assertions of the model hold")
        derived = [Case(**case) for case in about["cases"]]
        cases = _distinct([*own, *derived])[: self.config.count]
        return self._tested(judged, function.source, function.name, cases)

    def _task(self, text: str, about: Mapping[str, Json]) -> _Judged:
        """A function for a task: given tests decide, or the model's own where there are none."""
        judged = _Judged(text, {"by": "given tests" if about["tests"] else "own tests"})
        function = self._read(text, about["name"], judged)
        if function is None:
            return judged
        if self._echoes(function, about["task"], judged):
            return judged
        if not function.docstring:
            source = with_docstring(function, about["task"])
            function = pure_function(source, function.name) or function
        own = self._own_cases(text, function, judged)
        told = judged.verdict["own"]
        if not about["tests"] and len(own) < max(self.config.min_own, told["wrong"]):
            return judged.stopped("own_tests_fail", f"{told['right']} right, {told['wrong']} wrong")
        given = list(asserted_calls("\n".join(about["tests"]), function.name))
        known = [(case.values, ASSERTION) for case in own]
        known += [(arguments, GIVEN) for arguments, _ in given]
        derived = derive_cases(self.sandbox, function, known, self.config.count, self.limits)
        cases = [case for case in _distinct([*own, *derived]) if case.origin != GIVEN]
        cases = cases[: max(0, self.config.count - len(about["tests"]))]
        return self._tested(judged, function.source, function.name, cases, about["tests"])

    def _read(
        self, text: str, name: str | None, judged: _Judged, head: str = "", imports: str = ""
    ) -> Function | None:
        """The function in a completion, or None and why in ``judged``."""
        program = written_program(text, head, imports)
        if program is None:
            judged.stopped("does_not_parse")
            return None
        self.parsed += 1
        judged.text = program
        function = pure_function(program, name)
        if function is None:
            judged.stopped("not_pure", f"no function {name or ''} that stands alone and is pure")
        return function

    def _echoes(self, function: Function, seed: str, judged: _Judged) -> bool:
        """Whether what a function does stands in its seed; docstrings are meant to."""
        judged.fault = echo_of(seed, body_of(function), self.diversity)
        return judged.fault is not None

    def _own_cases(self, text: str, function: Function, judged: _Judged) -> list[Case]:
        """The assertions of the model that hold, and how many do not."""
        cases: dict[str, Case] = {}
        for arguments, expected in asserted_calls(text, function.name):
            told, value = [literal(argument) for argument in arguments], literal(expected)
            if value is not None and None not in told:
                case = Case(", ".join(map(str, told)), value, ASSERTION)
                cases.setdefault(case.assertion(function.name), case)
        given = [case.values for case in cases.values()]
        answers = stable_answers(self.sandbox, function, given, self.limits)
        right = agreeing(answers, list(cases.values()))
        judged.verdict["own"] = {"right": sum(right), "wrong": len(right) - sum(right)}
        return [case for case, holds in zip(cases.values(), right, strict=True) if holds]

    def _tested(
        self,
        judged: _Judged,
        source: str,
        name: str,
        cases: Sequence[Case],
        given: Sequence[str] = (),
    ) -> _Judged:
        """The document of a function and its tests, if the tests are worth anything."""
        lines = list(dict.fromkeys([*given, *[case.assertion(name) for case in cases]]))
        test = f"def test_{name.strip('_')}():\n    " + "\n    ".join(lines) + "\n"
        judged.text = f"{source.strip()}\n\n\n{test}"
        verdict = verify_tests(
            self.sandbox,
            source,
            name,
            f"{test}\ntest_{name.strip('_')}()\n",
            self.limits,
            self.config.mutants,
            self.config.min_killed,
        )
        origins = Counter(case.origin for case in cases) + Counter({GIVEN: len(given)})
        judged.verdict["tests"] = dict(sorted(origins.items()))
        judged.verdict["mutants"] = {"run": verdict.mutants, "killed": verdict.killed}
        if verdict.reason is not None:
            return judged.stopped(verdict.reason, verdict.detail)
        self.tests.update(judged.verdict["tests"])
        return judged


def _distinct(cases: Sequence[Case]) -> list[Case]:
    """The first case of each argument list."""
    return list({case.arguments: case for case in reversed(cases)}.values())[::-1]


def _code_block(text: str) -> str:
    """What stands between the first two fences; before the first, where code goes on from the
    prompt's own fence; all of it where there is none."""
    parts = _FENCE.split(text, maxsplit=2)
    if len(parts) > 1 and "def " not in parts[0]:
        return parts[1].removeprefix("\n")
    return parts[0]


def written_program(text: str, head: str, imports: str = "") -> str | None:
    """The program in a completion: its first code block or, where there is none, all of it; cut at
    the end until Python can read it. A body alone is put under ``head``; ``imports`` stand before
    all. None if nothing is left.
    """
    lines = _code_block(text).rstrip().splitlines()
    whole = any(line.startswith("def ") for line in lines)
    first = [] if whole else head.splitlines()
    indent = "" if whole or text.startswith((" ", "\t")) else "    "
    for cut in range(min(_MOST_CUTS, len(lines))):
        kept = [indent + line for line in lines[: len(lines) - cut]]
        program = imports + "\n".join([*first, *kept]).rstrip() + "\n"
        try:
            parsed(program)
        except UnreadableCodeError:
            continue
        return program if "def " in program else None
    return None
