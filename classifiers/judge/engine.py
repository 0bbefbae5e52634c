"""What a judge needs of an inference engine, and how engines are opened.

An engine answers one question: with what probability does the model continue a prompt with each of
a few given tokens? That is one prefill a prompt and no generation, so engines agree up to rounding
of their arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]

ENGINES = ("transformers", "vllm")

TOLERANCE = {"float32": 0.01, "bfloat16": 0.2}
"""Largest difference between two engines' grades (0 to 5) of one document, same model, by
arithmetic. Measured between transformers and vLLM in docs/quality.md."""


@dataclass(frozen=True)
class EngineSettings:
    """How a model is run. ``max_length`` is the longest prompt in tokens; ``batch_tokens`` bounds
    tokens, padding included, that the transformers engine computes at a time; ``threads`` is the
    number of CPU threads, fixed since sums change with it; ``gpus`` 0 means the CPU."""

    name: str = "transformers"
    dtype: str = "bfloat16"
    max_length: int = 2048
    batch_tokens: int = 4096
    threads: int = 1
    gpus: int = 0


class JudgeEngine(Protocol):
    """A loaded causal language model."""

    def token_log_probabilities(
        self, prompts: Sequence[Sequence[int]], tokens: Sequence[int]
    ) -> Floats:
        """Natural log-probabilities, float64 (prompts, tokens), of each of ``tokens`` as the token
        after each prompt, under the softmax over the whole vocabulary at temperature 1.

        The answer for a prompt may depend on the other prompts of the call by rounding only.
        Raises ValueError for a prompt that is empty or longer than ``max_length``.
        """
        ...

    def close(self) -> None:
        """Frees the model, and ends child processes."""
        ...


def open_engine(
    settings: EngineSettings, model: Path, interpreter: str | None = None
) -> JudgeEngine:
    """Loads a model (a Hugging Face folder) into the engine that ``settings.name`` says.

    ``interpreter`` is the Python of an environment that has vLLM, for when this one has not; vLLM
    then runs in a child process. Raises ImportError when vLLM is wanted and cannot be found.
    """
    if settings.name == "transformers":
        from classifiers.judge.transformers_engine import TransformersEngine

        return TransformersEngine(settings, model)
    if settings.name == "vllm":
        from classifiers.judge.vllm_engine import VllmEngine

        return VllmEngine(settings, model, interpreter)
    raise ValueError(f"there is no judge engine `{settings.name}`. Known: {', '.join(ENGINES)}.")


def check_prompts(prompts: Sequence[Sequence[int]], max_length: int) -> None:
    """Raises ValueError naming the first prompt that is empty or too long."""
    for index, prompt in enumerate(prompts):
        if not 0 < len(prompt) <= max_length:
            raise ValueError(
                f"prompt {index} has {len(prompt)} tokens; the engine takes 1 to {max_length}."
                " Lower the judge's max_tokens, or raise the engine's max_length."
            )
