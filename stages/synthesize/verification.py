"""Whether a function and its tests deserve each other: run, run again, and run wrong versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from stages.synthesize.grading import Grade, grade
from stages.synthesize.lint import faults
from stages.synthesize.mutants import mutants, stubs
from stages.synthesize.sandbox import DEFAULT_LIMITS, Limits, Sandbox
from stages.synthesize.source_code import UnreadableCodeError

_SEEDS = (0, 1)
"""Two orders of sets, in two processes at two times: what is flaky differs."""


@dataclass(frozen=True)
class CodeVerdict:
    """What became of a function and its tests.

    ``reason`` is None for what is kept, else ``does_not_parse``, ``lint``, ``reference_fails``,
    ``flaky`` or ``tests_worthless``. ``mutants`` were run and ``killed`` of them failed.
    """

    reason: str | None
    detail: str
    mutants: int
    killed: int

    @property
    def kept(self) -> bool:
        """Whether nothing speaks against it."""
        return self.reason is None


def verify_tests(
    sandbox: Sandbox,
    reference: str,
    function: str,
    tests: str,
    limits: Limits = DEFAULT_LIMITS,
    most_mutants: int = 8,
    min_killed: float = 0.5,
) -> CodeVerdict:
    """Runs tests against the reference twice, against stubs, and against mutants.

    The reference must pass both times, every stub must fail, and so must at least one mutant and
    ``min_killed`` of all (some mutants compute the same, so all cannot be asked for). Raises
    SandboxError when the sandbox is broken.
    """

    def verdict(
        reason: str | None, detail: str = "", tried: int = 0, killed: int = 0
    ) -> CodeVerdict:
        return CodeVerdict(reason, detail, tried, killed)

    try:
        found = faults(reference)
        wrong = mutants(reference, function, most_mutants)
        empty = stubs(reference, function)
    except (UnreadableCodeError, KeyError) as error:
        return verdict("does_not_parse", str(error))
    if found:
        return verdict("lint", "; ".join(found))
    first, second = (
        grade(sandbox, reference, tests, function, limits=limits, hash_seed=seed) for seed in _SEEDS
    )
    if not first.passed and not second.passed:
        return verdict("reference_fails", f"{first.reason}: {first.detail}")
    if not first.passed or not second.passed:
        return verdict("flaky", f"{first.reason}, then {second.reason}")
    brief = replace(limits, cpu_seconds=1)  # what a mutant makes endless is ended soon
    for stub in empty:
        if grade(sandbox, stub, tests, function, limits=brief).passed:
            return verdict("tests_worthless", f"a stub passes:\n{stub}")
    grades = list(_grades(sandbox, [mutant.source for mutant in wrong], tests, function, brief))
    killed = sum(not mutant.passed for mutant in grades)
    if killed < max(1, min_killed * len(grades)):
        detail = f"{killed} of {len(grades)} mutants fail"
        return verdict("tests_worthless", detail, len(grades), killed)
    return verdict(None, "", len(grades), killed)


def _grades(
    sandbox: Sandbox, programs: list[str], tests: str, function: str, limits: Limits
) -> Iterator[Grade]:
    for program in programs:
        yield grade(sandbox, program, tests, function, limits=limits)
