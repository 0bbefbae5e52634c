"""The last round of mathematics: the best of what passed becomes documents, all else is dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from pipeline.task import TaskRun
from stages.synthesize.diversity import Diversity, DiversityConfig, Fault
from stages.synthesize.questions import Candidate, read_candidates
from stages.synthesize.solutions import Solution, read_solutions
from stages.synthesize.write import SyntheticWriter

Json = Any


def write_documents(run: TaskRun) -> Json:
    """Writes the documents, and what was dropped; returns the counts of ``pipeline.source.Ingest``
    and how many samples came as far as each step."""
    arguments = run.arguments
    candidates = list(read_candidates(run.path(arguments["candidates"])))
    for path in arguments["solutions"]:
        for _, group in groupby(read_solutions(run.path(path)), key=lambda one: one.problem):
            candidates += _of_problem(list(group))
    writer = SyntheticWriter(run.output, arguments["source"], arguments["part_bytes"])
    diversity = _diversity(run, candidates)
    faults: Counter[str] = Counter()
    for index, candidate in enumerate(candidates):
        fault = candidate.fault or diversity.take(index, candidate.seed, candidate.skill)
        if fault is None:
            writer.keep(candidate.locator, candidate.text, candidate.metadata)
            continue
        faults[fault.reason] += 1
        writer.drop(
            fault.reason, candidate.locator, candidate.text, candidate.metadata, fault.detail
        )
    value = writer.finish()
    kept = sum(part["rows"] for part in value["parts"])
    chosen = sum(candidate.fault is None for candidate in candidates)
    return {**value, "chosen": chosen, "kept": kept, "progress": {"kept": kept}}


def _diversity(run: TaskRun, candidates: list[Candidate]) -> Diversity:
    config = DiversityConfig(**run.arguments["diversity"])
    return Diversity(config, [c.locator for c in candidates], [c.text for c in candidates])


def _of_problem(solutions: list[Solution]) -> Iterator[Candidate]:
    """The solutions of one problem as candidates, problem and solution in one text."""
    for solution in solutions:
        fault = None if solution.reason is None else Fault(solution.reason, solution.detail)
        sample = solution.metadata["synthesis"]["steps"][-1]["sampling"]["sample"]
        yield Candidate(
            locator=f"{solution.problem}/{sample}",
            text=f"{solution.prompt}\n\n{solution.response}",
            metadata=solution.metadata,
            seed=solution.seed,
            skill=solution.skill,
            fault=fault,
        )
