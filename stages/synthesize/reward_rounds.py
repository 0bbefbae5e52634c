"""Rounds that ask the reward model about verified solutions."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.corpus import Corpus
from pipeline.task import Json, Receipt, Task
from stages.models import asked_locations, asked_resources
from stages.synthesize.reward_config import RewardConfig
from stages.synthesize.rewards import MODEL_FOLDER, REWARDS_FILE


@dataclass(frozen=True)
class Rewarded:
    """Rewards files in the order of the solutions files; what provenance says of the model; what
    the manifest says of it: where it was trained here, its report card. Without ``config`` nothing
    was asked."""

    config: RewardConfig | None = None
    files: Sequence[str] = ()
    model: dict[str, Json] = field(default_factory=dict)
    record: dict[str, Json] = field(default_factory=dict)

    def choosing(self) -> dict[str, Json]:
        """Arguments of the task that writes documents: ``rewards``, the files, and ``reward``, by
        which it chooses (None: it keeps all)."""
        reward = self.config and {
            "model": self.model,
            "top_k": self.config.top_k,
            "minimum": self.config.minimum,
        }
        return {"rewards": list(self.files), "reward": reward}

    def models(self) -> dict[str, Json]:
        """The model by its role, for the manifest; empty without one."""
        return {"reward": self.model} if self.model else {}


def reward_rounds(
    corpus: Corpus, config: RewardConfig | None, solutions: Sequence[str]
) -> Generator[list[Task], list[Receipt], Rewarded]:
    """Trains the model when none is given, then scores every solutions file (paths in the
    workspace). Does nothing without ``config``."""
    if config is None:
        return Rewarded()
    here = "stages.synthesize.rewarding"
    record, folder = {}, None
    if config.model is None:
        arguments: dict[str, Json] = {
            "training": config.training.model_dump(mode="json"),
            "solutions": list(solutions),
        }
        (trained,) = yield [corpus.task(f"{here}:train_reward", "reward", arguments)]
        folder, sha256 = trained.path(MODEL_FOLDER), str(trained.value["model_sha256"])
        record = {"card": trained.value["card"], "pairs": trained.value["pairs"]}
        model = {"name": "trained here", "sha256": sha256}
    else:
        sha256 = corpus.externals[config.model].sha256
        model = {"name": Path(config.model).name, "sha256": sha256, "engine": config.engine}
    locations, handed = asked_locations(corpus, config)
    resources = asked_resources(corpus, config, "reward")
    scored = yield [
        corpus.task(
            f"{here}:score_rewards",
            "rewards",
            {
                "solutions": path,
                "model": folder,
                "model_sha256": sha256,
                "scoring": config.scoring(),
                "answers_sha256": handed,
            },
            locations=locations,
            resources=resources,
        )
        for path in solutions
    ]
    return Rewarded(config, [receipt.path(REWARDS_FILE) for receipt in scored], model, record)
