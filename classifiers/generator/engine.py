"""What synthesis needs of an inference engine: prompts in, sampled continuations out.

Each request brings a seed of its own, so that what it gets does not depend on the requests beside
it (but for rounding: sums over a batch may differ in their last bits, and a choice between two
tokens with them). That is why completions are recorded, and read again rather than made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from classifiers.judge.engine import ENGINES

Finish = Literal["stop", "length", "prompt_too_long"]


@dataclass(frozen=True)
class GeneratorSettings:
    """How a model is run. ``max_prompt`` and ``max_tokens`` bound prompts and continuations in
    tokens; ``batch`` is how many prompts the transformers engine continues at a time; ``threads``
    are CPU threads, fixed since sums change with them; ``gpus`` 0 means the CPU."""

    name: str = "transformers"
    dtype: str = "bfloat16"
    max_prompt: int = 1024
    max_tokens: int = 512
    batch: int = 32
    threads: int = 1
    gpus: int = 0

    @property
    def max_length(self) -> int:
        """The longest prompt with its continuation, in tokens."""
        return self.max_prompt + self.max_tokens


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn: from the smallest set whose probability reaches ``top_p`` (nucleus
    sampling, arXiv 1904.09751) after division of logits by ``temperature``; 0 takes the likeliest
    token. At most ``max_tokens`` are drawn. ``seed`` is part of every request's key."""

    temperature: float = 0.7
    top_p: float = 0.8
    max_tokens: int = 512
    seed: int = 0


@dataclass(frozen=True)
class Prompt:
    """Token ids to go on from (at least one), and the seed that what follows is drawn with, below
    2^62."""

    tokens: Sequence[int]
    seed: int


@dataclass(frozen=True)
class Continuation:
    """Tokens drawn, the one that ended the text left out; ``ended`` is whether one did."""

    tokens: list[int]
    ended: bool


class GeneratorEngine(Protocol):
    """A loaded causal language model."""

    def continue_all(
        self, prompts: Sequence[Prompt], ends: Sequence[int], sampling: Sampling
    ) -> list[Continuation]:
        """A continuation of every prompt, up to a token of ``ends`` or ``sampling.max_tokens``."""
        ...

    def close(self) -> None:
        """Frees the model, and ends child processes."""
        ...


def open_generator_engine(
    settings: GeneratorSettings, model: Path, interpreter: str | None = None
) -> GeneratorEngine:
    """Loads a model (a Hugging Face folder) into the engine that ``settings.name`` says.

    ``interpreter`` is the Python of an environment that has vLLM, for when this one has not; vLLM
    then runs in a child process. Raises ImportError when vLLM is wanted and cannot be found.
    """
    if settings.name == "transformers":
        from classifiers.generator.transformers_engine import TransformersGenerator

        return TransformersGenerator(settings, model)
    if settings.name == "vllm":
        from classifiers.generator.vllm_engine import VllmGenerator

        return VllmGenerator(settings, model, interpreter)
    raise ValueError(
        f"there is no generator engine `{settings.name}`. Known: {', '.join(ENGINES)}."
    )
