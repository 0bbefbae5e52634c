"""The choice among the solutions of a problem: verified first, then ranked by their rewards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from pipeline.task import Json, TaskRun
from stages.synthesize.candidates import Candidate, read_candidates
from stages.synthesize.diversity import Fault
from stages.synthesize.documents import written
from stages.synthesize.provenance import SYNTHESIS
from stages.synthesize.ranking import Choice, choose, reward_told
from stages.synthesize.rewards import read_rewards
from stages.synthesize.solutions import Solution, read_solutions


def write_documents(run: TaskRun) -> Json:
    """Writes passages, the solutions that are chosen, and why the others are not."""
    arguments = run.arguments
    candidates = list(read_candidates(run.path(arguments["candidates"])))
    rewards = arguments["rewards"] or [None] * len(arguments["solutions"])
    for path, scores in zip(arguments["solutions"], rewards, strict=True):
        solutions = _with_scores(run, path, scores)
        for _, group in groupby(solutions, key=lambda scored: scored[0].problem):
            candidates += _of_problem(list(group), arguments["reward"])
    return written(run, candidates)


def _with_scores(
    run: TaskRun, solutions: str, rewards: str | None
) -> list[tuple[Solution, float | None]]:
    read = list(read_solutions(run.path(solutions)))
    if rewards is None:
        return [(solution, None) for solution in read]
    scores = [score for _, score in read_rewards(run.path(rewards))]
    return list(zip(read, scores, strict=True))


def _of_problem(
    scored: Sequence[tuple[Solution, float | None]], reward: Mapping[str, Json] | None
) -> list[Candidate]:
    """The solutions of one problem as candidates, the highest reward first, so that of two that are
    alike the better is kept."""
    passed = [solution.reason is None for solution, _ in scored]
    scores = [score for _, score in scored]
    choices: list[Choice | None] = [None] * len(scored)
    if reward is not None:
        choices = choose(scores, passed, reward["top_k"], reward["minimum"])
    ranks = [len(scored) if choice is None else choice.rank or 0 for choice in choices]
    ranked = sorted(range(len(scored)), key=lambda place: (ranks[place], place))
    return [_candidate(scored[place][0], scores[place], choices[place], reward) for place in ranked]


def _candidate(
    solution: Solution,
    score: float | None,
    choice: Choice | None,
    reward: Mapping[str, Json] | None,
) -> Candidate:
    """A solution with its problem in one text; with its reward where it passed."""
    fault = None if solution.reason is None else Fault(solution.reason, solution.detail)
    chain = dict(solution.metadata[SYNTHESIS])
    if reward is not None:
        chain["reward"] = reward_told(reward["model"], score, choice)
    if choice is not None:
        fault = choice.fault(score)
    sample = chain["steps"][-1]["sampling"]["sample"]
    return Candidate(
        locator=f"{solution.problem}/{sample}",
        text=f"{solution.prompt}\n\n{solution.response}",
        metadata={SYNTHESIS: chain},
        seed=solution.seed,
        skill=solution.skill,
        fault=fault,
    )
