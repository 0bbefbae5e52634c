"""Phases of a training: which documents, how long sequences, how many steps, one after another.

The shards say how often each phase reads a document. The plan beside them (`mixture.json`, which
`tamis build` writes) says how long the sequences of a phase are. A step has as many tokens in every
phase: longer sequences make smaller batches. A run without a number of steps reads each phase's
documents as often as planned; a run with one gives every phase its share of the steps.
"""

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from trainer.config import ConfigError, TrainConfig
from trainer.packing import Documents, Int64, PackedSequences
from trainer.shards import ShardError

PLAN_FILE = "mixture.json"


@dataclass(frozen=True)
class Phase:
    """One phase: `steps` batches of `batch_size` sequences from `data`."""

    name: str
    data: PackedSequences
    batch_size: int
    steps: int

    @property
    def tokens_per_step(self) -> int:
        """Targets of one optimizer step."""
        return self.batch_size * self.data.sequence_length


@dataclass(frozen=True)
class Schedule:
    """The phases of a run, in order."""

    phases: tuple[Phase, ...]

    @property
    def steps(self) -> int:
        """Steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    @property
    def tokens(self) -> int:
        """Targets of all steps."""
        return sum(phase.steps * phase.tokens_per_step for phase in self.phases)

    @property
    def passes(self) -> float:
        """Tokens over those that the phases plan."""
        return self.tokens / sum(phase.data.tokens_per_pass for phase in self.phases)

    def at(self, step: int) -> tuple[Phase, int]:
        """The phase of a step, and the step's number in it."""
        for phase in self.phases:
            if step < phase.steps:
                return phase, step
            step -= phase.steps
        raise IndexError(f"the run ends {step + 1} steps before")

    def batch(self, step: int) -> Int64:
        """The sequences of a step: (B, T + 1) int64, with B and T of its phase."""
        phase, number = self.at(step)
        return phase.data.batch(number * phase.batch_size, phase.batch_size)

    def summary(self) -> list[dict[str, Any]]:
        """What every phase does; a checkpoint continues only with the same."""
        return [
            {
                "name": phase.name,
                "sequence_length": phase.data.sequence_length,
                "batch_size": phase.batch_size,
                "steps": phase.steps,
                "tokens": phase.steps * phase.tokens_per_step,
            }
            for phase in self.phases
        ]


def schedule(config: TrainConfig, training: Documents, names: tuple[str, ...]) -> Schedule:
    """The schedule of a run over the documents to train on; `names` are the shards' phases.

    Raises ConfigError where the shards have phases and their plan is missing or another one's, and
    ShardError where a phase reads no document.
    """
    if not names:
        data = PackedSequences(training, config.sequence_length, config.seed)
        return Schedule((Phase("", data, config.batch_size, config.total_steps),))
    lengths = read_lengths(config, names)
    datas = []
    for index, name in enumerate(names):
        documents = training.in_phase(index)
        if not len(documents):
            raise ShardError(
                f"phase {name} reads no document of the shards.\n"
                "  Give it more tokens in the recipe, or remove it."
            )
        datas.append(PackedSequences(documents, lengths[index], config.seed + index))
    sizes = [max(1, config.tokens_per_step // length) for length in lengths]
    planned = [
        -(-data.tokens_per_pass // (size * data.sequence_length))
        for data, size in zip(datas, sizes, strict=True)
    ]
    steps = planned
    if config.tokens is not None or config.steps is not None:
        steps = shared_steps(planned, config.total_steps)
    return Schedule(tuple(Phase(*each) for each in zip(names, datas, sizes, steps, strict=True)))


def shared_steps(planned: list[int], total: int) -> list[int]:
    """`total` steps in the proportions of `planned`, at least one each where there are enough:
    every phase ends where its share of all steps so far is nearest."""
    before, ends = 0, [0]
    for number, steps in enumerate(planned, start=1):
        before += steps
        nearest = (2 * total * before + sum(planned)) // (2 * sum(planned))
        ends.append(min(max(nearest, ends[-1] + 1), max(ends[-1], total - len(planned) + number)))
    return [end - start for start, end in pairwise(ends)]


def read_lengths(config: TrainConfig, names: tuple[str, ...]) -> list[int]:
    """Sequence lengths of the phases, from the plan; `config.sequence_length` where it gives none.
    Raises ConfigError."""
    path = Path(config.plan) if config.plan is not None else config.shards.parent / PLAN_FILE
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
        phases = [(str(p["name"]), p["sequence_length"]) for p in plan["phases"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"the shards have the phases {', '.join(names)}, but their plan cannot be read: "
            f"{path}: {error}.\n  Give the {PLAN_FILE} of their workspace as --plan."
        ) from error
    if tuple(name for name, _ in phases) != names:
        raise ConfigError(
            f"{path}: plans other phases than the shards have ({', '.join(names)}).\n"
            f"  Give the {PLAN_FILE} that was built with these shards."
        )
    return [config.sequence_length if length is None else int(length) for _, length in phases]


def pieces(batch_size: int, accumulate: int) -> int:
    """In how many equal pieces a batch is computed: at most `accumulate`, a divisor of both."""
    return math.gcd(batch_size, accumulate)
