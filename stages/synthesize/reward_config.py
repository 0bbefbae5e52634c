"""Settings of the reward model: which one, what runs it, what it keeps, and how ours is trained."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from pipeline.stage import StageConfig, file_setting, setting
from pipeline.task import Json
from stages.models import AskedModelConfig

TaskName = Literal["chain_sum", "basic_arithmetic", "products", "leg_counting", "simple_geometry"]

# What goes to the trainer as options of the same name.
_TRAINER = (
    "loss",
    "language_weight",
    "epochs",
    "learning_rate",
    "width",
    "layers",
    "heads",
    "kv_heads",
    "mlp_width",
    "max_length",
    "held_out_share",
    "seed",
    "threads",
    "device",
)


class RewardTraining(StageConfig):
    """The reward model that is trained here when none is given: small, on the CPU, in half a
    minute. It tells slips in worked arithmetic better than chance, and no more."""

    min_verified: int = setting(
        400,
        about="Problems with solutions verified right and wrong from which on the model learns from"
        " these; with fewer, from procedural solutions and their corruptions",
        ge=1,
    )
    tasks: tuple[TaskName, ...] = setting(
        ("chain_sum", "basic_arithmetic", "products", "leg_counting", "simple_geometry"),
        about="Tasks of reasoning-gym whose worked solutions are corrupted",
        min_length=1,
    )
    procedural: int = setting(1800, about="Procedural problems", ge=10)
    faults: int = setting(3, about="Wrong solutions of each procedural problem", ge=1)
    vocabulary_size: int = setting(
        512, about="Tokens of its byte-level tokenizer, digits apart", ge=300
    )
    loss: Literal["listwise", "bradley-terry"] = setting(
        "listwise", about="Loss on pairs", source="Qwen2.5-Math, 2409.12122"
    )
    language_weight: float = setting(
        1.0,
        about="Weight of the language loss on right solutions beside it",
        source="GRM, 2406.10216; measured, docs/reward.md",
        ge=0,
    )
    epochs: float = setting(1.0, about="Passes over the problems", gt=0)
    learning_rate: float = setting(3e-3, about="Peak learning rate of AdamW", gt=0)
    width: int = setting(64, about="Width of the model", ge=8)
    layers: int = setting(2, about="Transformer layers", ge=1)
    heads: int = setting(2, about="Query heads", ge=1)
    kv_heads: int = setting(1, about="Key and value heads", ge=1)
    mlp_width: int = setting(192, about="Width inside SwiGLU", ge=8)
    max_length: int = setting(512, about="Longest prompt and response, in tokens", ge=64)
    held_out_share: float = setting(
        0.1, about="Share of problems held out for the report card", gt=0, lt=1
    )
    seed: int = setting(0, about="Seed of problems, faults, split, weights and order", ge=0)
    threads: int = setting(1, about="CPU threads. A fixed number fixes the bits", ge=1)
    device: str = setting("cpu", about="`cpu`, `cuda`, or `auto`")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.width % (2 * self.heads) or self.heads % self.kv_heads:
            raise ValueError(
                f"width: {self.width} over {self.heads} heads and {self.kv_heads} key and value"
                " heads does not divide. Set width to a multiple of twice the heads, kv_heads to a"
                " divisor of heads."
            )
        return self


class RewardConfig(AskedModelConfig):
    """A reward model that chooses among the solutions that were verified."""

    model: str | None = file_setting(
        None,
        about="A Hugging Face folder: a sequence classifier with one label (Skywork-Reward) or"
        " Qwen2.5-Math-RM. Null trains a small one here",
    )
    answers: str | None = file_setting(
        None, about="Rewards given before (rewards.jsonl of another workspace), used as they are"
    )
    batch_tokens: int = setting(
        8192, about="Tokens computed at a time by the transformers engine", ge=64
    )
    max_length: int = setting(
        2048,
        about="Longest prompt and response, in tokens; longer ones get no score. A model trained"
        " here reads `training.max_length`",
        ge=64,
    )
    system: str | None = setting(
        None,
        about="The instruction before the prompt, such as the one a model was trained with; null"
        " leaves it to the chat template",
    )
    top_k: int = setting(1, about="Verified solutions to keep of a problem, best first", ge=1)
    minimum: float | None = setting(
        None, about="Lowest raw score to keep; scores of different models do not compare"
    )
    training: RewardTraining = setting(RewardTraining(), about="The model that is trained here")

    def scoring(self) -> dict[str, Json]:
        """What the scores depend on beside the model: the argument ``scoring`` of
        ``stages.synthesize.rewarding:score_rewards``."""
        own = self.model is None
        return {
            "engine": {
                "name": self.engine,
                "dtype": self.dtype,
                "max_length": self.training.max_length if own else self.max_length,
                "batch_tokens": self.batch_tokens,
                "threads": self.threads,
                "gpus": self.gpus,
            },
            "system": self.system,
        }


def trainer_settings(training: RewardTraining) -> dict[str, Json]:
    """The settings that go to ``python -m trainer.reward``."""
    return training.model_dump(mode="json", include=set(_TRAINER))
