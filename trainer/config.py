"""Every setting of a training run, documented and checked."""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trainer.model import ModelConfig

# What may change between two runs that continue each other: where things lie and what they run on.
NOT_IDENTITY = (
    "shards",
    "plan",
    "out",
    "tokens",
    "device",
    "threads",
    "compile",
    "accumulate",
    "checkpoint_every",
    "restart",
)


DEFAULT_STEPS = 150


class ConfigError(ValueError):
    """A setting that cannot work; the message names it and says what would."""


def setting(default: Any, text: str) -> Any:
    """A dataclass field whose description also becomes the command's help."""
    return field(default=default, metadata={"help": text})


def cosine_share(step: int, steps: int, warmup_share: float, final_share: float) -> float:
    """Share of the peak learning rate at step 0 … steps - 1: linear warm-up, then half a cosine."""
    warmup = math.ceil(warmup_share * steps)
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - 1 - warmup)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return final_share + (1 - final_share) * cosine


class RunConfig:
    """What the settings of every run have in common: the sizes of a model, and how they are
    checked. Dataclasses of settings inherit it and declare the fields."""

    width: int
    layers: int
    heads: int
    kv_heads: int
    mlp_width: int

    def require(self, name: str, holds: bool, otherwise: str) -> None:
        """Raise ConfigError about the setting `name` unless it `holds`."""
        if not holds:
            raise ConfigError(f"{name}: {getattr(self, name)} {otherwise}.")

    def sizes(self, vocabulary_size: int, max_length: int, **more: Any) -> ModelConfig:
        """The model for a tokenizer of `vocabulary_size`, padded to a multiple of 64; `more` are
        other fields of ModelConfig. Raises ConfigError where the sizes do not fit together.

        Matrix products are fastest where all sizes are multiples of 64.
        """
        try:
            return ModelConfig(
                vocabulary_size=-(-vocabulary_size // 64) * 64,
                width=self.width,
                layers=self.layers,
                heads=self.heads,
                kv_heads=self.kv_heads,
                mlp_width=self.mlp_width,
                max_length=max_length,
                **more,
            )
        except ValueError as error:
            raise ConfigError(str(error)) from error


@dataclass(frozen=True)
class TrainConfig(RunConfig):
    """Settings of one run; raises ConfigError for impossible values.

    The defaults train about 2 million parameters for a minute on two CPU cores. They show that a
    corpus can be learned from, no more.
    """

    shards: Path = field(metadata={"help": "folder of shards (*.arrow)"})
    out: Path = field(metadata={"help": "folder for checkpoint, result.json and the trained model"})
    steps: int | None = setting(
        None, "optimizer steps; by default 150, or what the phases of the shards plan"
    )
    tokens: int | None = setting(None, "tokens to train on, EOS included; replaces steps")
    plan: str | None = setting(
        None, "plan of the phases; by default the mixture.json beside the folder of shards"
    )
    sequence_length: int = setting(256, "tokens of one sequence, T")
    batch_size: int = setting(8, "sequences of one optimizer step, B")
    accumulate: int = setting(1, "pieces a batch is computed in, to save memory")
    learning_rate: float = setting(3e-3, "peak learning rate of AdamW")
    final_share: float = setting(0.1, "learning rate of the last step, as a share of the peak")
    warmup_share: float = setting(0.05, "share of the steps with a linear warm-up; then cosine")
    weight_decay: float = setting(0.1, "decoupled weight decay on matrices")
    beta1: float = setting(0.9, "AdamW's decay of the mean gradient")
    beta2: float = setting(0.95, "AdamW's decay of the mean squared gradient")
    clip: float = setting(1.0, "largest norm of the gradient")
    width: int = setting(128, "model width, C")
    layers: int = setting(4, "transformer layers, L")
    heads: int = setting(4, "query heads, H")
    kv_heads: int = setting(2, "key and value heads, K")
    mlp_width: int = setting(384, "width inside SwiGLU")
    rope_base: float = setting(10_000.0, "base of the rotary frequencies")
    tied: bool = setting(True, "one matrix for input and output embeddings")
    seed: int = setting(0, "seed of the weights and of the order of documents")
    held_out_share: float = setting(0.01, "share of documents held out, by a hash of their id")
    held_out_min_tokens: int = setting(16_384, "hold out at least this many tokens")
    held_out_max_tokens: int = setting(65_536, "stop holding out when this many are reached")
    device: str = setting("auto", "cpu, cuda, cuda:1, … ; auto takes CUDA where there is one")
    threads: int | None = setting(None, "CPU threads of torch; a fixed number fixes the bits")
    compile: bool | None = setting(None, "torch.compile; by default on CUDA only")
    checkpoint_every: int = setting(100, "steps between two checkpoints")
    restart: bool = setting(False, "begin anew, even where a checkpoint could be continued")

    def __post_init__(self) -> None:
        object.__setattr__(self, "shards", Path(self.shards))
        object.__setattr__(self, "out", Path(self.out))
        at_least_one = ["sequence_length", "batch_size", "accumulate", "checkpoint_every"]
        for name in at_least_one:
            self.require(name, getattr(self, name) >= 1, "must be at least 1")
        for name in ("steps", "tokens", "threads"):
            value = getattr(self, name)
            self.require(name, value is None or value >= 1, "must be at least 1, or left out")
        for name in ("learning_rate", "clip", "rope_base"):
            value = getattr(self, name)
            self.require(name, 0 < value < math.inf, "must be a number above 0")
        for name in ("final_share", "warmup_share", "held_out_share"):
            self.require(name, 0 <= getattr(self, name) <= 1, "must lie between 0 and 1")
        for name in ("beta1", "beta2"):
            self.require(name, 0 <= getattr(self, name) < 1, "must lie in [0, 1)")
        self.require("weight_decay", 0 <= self.weight_decay < math.inf, "must not be negative")
        self.require("seed", 0 <= self.seed < 1 << 63, "must lie in [0, 2^63)")
        self.require("held_out_share", self.held_out_share < 1, "would leave nothing to train on")
        self.require("held_out_min_tokens", self.held_out_min_tokens >= 1, "must be at least 1")
        self.require(
            "held_out_max_tokens",
            self.held_out_max_tokens >= self.held_out_min_tokens,
            f"must not be less than held_out_min_tokens ({self.held_out_min_tokens})",
        )
        self.require(
            "accumulate",
            self.batch_size % self.accumulate == 0,
            f"must divide batch_size ({self.batch_size})",
        )
        self.model(1)

    def model(self, vocabulary_size: int, longest: int = 0) -> ModelConfig:
        """The model for a tokenizer of `vocabulary_size`, and for sequences of `longest` tokens
        where those of a phase are longer than `sequence_length`."""
        length = max(self.sequence_length, longest)
        return self.sizes(vocabulary_size, length, rope_base=self.rope_base, tied=self.tied)

    @property
    def tokens_per_step(self) -> int:
        """Targets of one optimizer step, B T."""
        return self.batch_size * self.sequence_length

    @property
    def total_steps(self) -> int:
        """Steps of the run: as many as `tokens` needs, or `steps`."""
        if self.tokens is not None:
            return -(-self.tokens // self.tokens_per_step)
        return DEFAULT_STEPS if self.steps is None else self.steps

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of step 0 … total_steps - 1: linear warm-up, then half a cosine."""
        share = cosine_share(step, self.total_steps, self.warmup_share, self.final_share)
        return self.learning_rate * share

    def identity(self) -> dict[str, Any]:
        """The settings that decide the result: a checkpoint continues only with equal ones."""
        settings = {k: v for k, v in asdict(self).items() if k not in NOT_IDENTITY}
        return settings | {"steps": self.total_steps}
