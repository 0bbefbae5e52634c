"""Grading: whether a candidate passes tests, decided outside of its process.

The tests run in one confined process, the candidate in another; this process carries calls and
answers between them (`sandboxed/values.py`). The candidate never sees the tests, and cannot reach
what compares: it has no frames to walk, no module to patch, no class whose ``__eq__`` would be
asked, and nothing that it prints or how it exits counts as a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.task import Json
from stages.synthesize.sandbox import DEFAULT_LIMITS, Limits, Outcome, Running, Sandbox
from stages.synthesize.sandboxed.values import ValueRefusedError, canonical, encode
from stages.synthesize.source_code import unknown_names

_DETAIL = 500
_MAX_CALLS = 100_000


@dataclass(frozen=True)
class Grade:
    """Whether all tests passed, and if not why.

    ``reason``: ``passed``; ``wrong`` (an assertion failed); ``error`` (something was raised: by the
    candidate, or by the tests over what it returned); ``not_loaded`` (the candidate's own source
    raised something); ``timeout``, ``memory``, ``output``, ``killed`` (how either process ended,
    see `sandbox.Outcome`); ``no_verdict`` (the tests ended without one).
    """

    passed: bool
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Call:
    """A call of a candidate's function with values of built-in types."""

    function: str
    arguments: tuple[object, ...]


@dataclass(frozen=True)
class Answer:
    """What a call came to: an encoded value (`sandboxed.values`), or the name of what it raised."""

    value: Json = None
    error: str | None = None


@dataclass(frozen=True)
class Answers:
    """The answers to the first of the calls, and how the process ended: ``ok`` where all calls were
    answered, ``not_loaded``, or a status of `sandbox.Outcome`."""

    answers: tuple[Answer, ...]
    status: str
    detail: str = ""


def grade(
    sandbox: Sandbox,
    candidate: str,
    tests: str,
    entry_point: str | None = None,
    setup: str = "",
    limits: Limits = DEFAULT_LIMITS,
    hash_seed: int = 0,
) -> Grade:
    """Runs a program of tests against a candidate.

    ``tests`` is Python source that raises when a test fails, such as MBPP's assertions or
    HumanEval's ``check`` with a call of it. The names that it uses and does not define are the
    candidate's: calling one calls the candidate in its process. ``setup`` (imports, HumanEval's
    prompt) is run before the tests and beside them; what it defines is not asked from the
    candidate, except for ``entry_point``. Arguments and results are rebuilt from
    values of built-in types: ``==`` in the tests compares these. Raises SandboxError when the
    sandbox is broken, UnreadableCodeError for tests that Python cannot read.
    """
    remote = sorted(unknown_names(tests, setup) | ({entry_point} if entry_point else set()))
    with sandbox.running("candidate", {"source": candidate}, limits, hash_seed) as answering:
        loaded = answering.receive()
        if loaded is None or "ready" not in loaded:
            return _not_loaded(loaded, answering)
        request = {"source": tests, "setup": setup, "remote": remote}
        with sandbox.running("checker", request, limits, hash_seed) as checking:
            return _relayed(checking, answering)


def _relayed(checking: Running, answering: Running) -> Grade:
    """Carries calls to the candidate and answers back until the tests have a verdict."""
    for _ in range(_MAX_CALLS):
        said = checking.receive()
        if said is None:
            ended = checking.finish()
            return Grade(False, _ending(ended, "no_verdict"), _last_line(ended))
        if said.get("passed") is True:
            return Grade(True, "passed")
        if "call" not in said:
            reason = "wrong" if said.get("error") == "AssertionError" else "error"
            detail = f"{said.get('error')}: {said.get('message')}"
            return Grade(False, reason, detail[:_DETAIL])
        answering.send(said)
        answer = answering.receive()
        if answer is None:
            answering.end_input()
            ended = answering.finish()
            return Grade(False, _ending(ended, "killed"), _last_line(ended))
        checking.send(answer)
    return Grade(False, "timeout", f"more than {_MAX_CALLS} calls")


def call_answers(
    sandbox: Sandbox,
    candidate: str,
    calls: Sequence[Call],
    limits: Limits = DEFAULT_LIMITS,
    hash_seed: int = 0,
) -> Answers:
    """What a candidate answers to calls, made one after another in one process.

    Raises SandboxError when the sandbox is broken, ValueRefusedError for arguments of other types.
    """
    answers: list[Answer] = []
    with sandbox.running("candidate", {"source": candidate}, limits, hash_seed) as answering:
        loaded = answering.receive()
        if loaded is None or "ready" not in loaded:
            grade = _not_loaded(loaded, answering)
            return Answers((), grade.reason, grade.detail)
        for call in calls:  # all at once: waiting for each answer would cost more than most calls
            arguments = [encode(argument) for argument in call.arguments]
            answering.send({"call": call.function, "args": arguments})
        answering.end_input()
        for _ in calls:
            said = answering.receive()
            if said is None:
                ended = answering.finish()
                return Answers(tuple(answers), _ending(ended, "killed"), _last_line(ended))
            error = said.get("error")
            answers.append(Answer(said.get("value"), None if error is None else str(error)))
        return Answers(tuple(answers), "ok")


def same(expected: object, encoded: Json) -> bool:
    """Whether an encoded answer is the expected value, of the same types through and through.

    True is not 1, 1 is not 1.0, a tuple is no list. NaN is what was expected only where NaN was.
    """
    try:
        return bool(canonical(encode(expected)) == canonical(encoded))
    except ValueRefusedError:
        return False


def _not_loaded(loaded: dict[str, Json] | None, answering: Running) -> Grade:
    answering.end_input()
    ended = answering.finish()
    if loaded is None:
        return Grade(False, _ending(ended, "not_loaded"), _last_line(ended))
    detail = f"{loaded.get('error')}: {loaded.get('message')}"
    return Grade(False, "not_loaded", detail[:_DETAIL])


def _ending(ended: Outcome, otherwise: str) -> str:
    return ended.status if ended.status not in ("ok", "failed") else otherwise


def _last_line(ended: Outcome) -> str:
    lines = ended.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1][:_DETAIL] if lines else ""
