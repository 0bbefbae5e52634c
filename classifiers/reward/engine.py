"""Reward models on inference engines: raw scores of conversations.

Two kinds of model are known: sequence classifiers with one label (Skywork-Reward, and what
``trainer.reward`` writes), and Qwen2.5-Math-RM, whose ``Qwen2ForRewardModel`` scores every token.
Both are read at the last token, and before any sigmoid, since a sigmoid hides differences between
good answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from classifiers.judge.engine import ENGINES, EngineSettings, Floats
from classifiers.reward.conversation import Conversation

DECIMALS = 4
"""Scores are recorded rounded to this many decimals."""

TOLERANCE = 1e-3
"""Largest difference between two engines' scores of one conversation in float32, as a share of the
spread (standard deviation) of scores. Measured between transformers and vLLM in docs/reward.md."""


class RewardEngine(Protocol):
    """A loaded reward model."""

    def scores(self, sequences: Sequence[Sequence[int]]) -> Floats:
        """The raw score of each sequence of tokens, float64 (sequences).

        It may depend on the other sequences of the call by rounding only. Raises ValueError for a
        sequence that is empty or longer than ``max_length``.
        """
        ...

    def close(self) -> None:
        """Frees the model, and ends child processes."""
        ...


def open_engine(settings: EngineSettings, model: Path, interpreter: str | None) -> RewardEngine:
    """Loads a model (a Hugging Face folder) into the engine that ``settings.name`` says; see
    ``classifiers.judge.engine.open_engine``."""
    if settings.name == "transformers":
        from classifiers.reward.transformers_engine import TransformersEngine

        return TransformersEngine(settings, model)
    if settings.name == "vllm":
        from classifiers.reward.vllm_engine import VllmEngine

        return VllmEngine(settings, model, interpreter)
    raise ValueError(f"there is no reward engine `{settings.name}`. Known: {', '.join(ENGINES)}.")


class Reward:
    """A reward model's tokenizer and template in front of an engine."""

    def __init__(self, engine: RewardEngine, conversation: Conversation, max_length: int) -> None:
        self.engine = engine
        self.conversation = conversation
        self.max_length = max_length

    def scores(self, pairs: Sequence[tuple[str, str]]) -> Floats:
        """The raw score of each prompt with its response, float64 (pairs), rounded to ``DECIMALS``;
        NaN where the two are longer than ``max_length`` tokens, which no model should guess at."""
        sequences = []
        for prompt, response in pairs:
            before, after = self.conversation.encode(prompt, response)
            sequences.append([*before, *after])
        fits = [i for i, tokens in enumerate(sequences) if len(tokens) <= self.max_length]
        scores = np.full(len(pairs), np.nan)
        if fits:
            scores[fits] = np.round(self.engine.scores([sequences[i] for i in fits]), DECIMALS)
        return scores

    def close(self) -> None:
        """Closes the engine."""
        self.engine.close()


def open_reward(
    settings: EngineSettings,
    model: Path,
    interpreter: str | None = None,
    system: str | None = None,
) -> Reward:
    """A reward model from its Hugging Face folder. ``system`` is the instruction before prompts;
    ``interpreter`` the Python of an environment with vLLM."""
    engine = open_engine(settings, model, interpreter)
    return Reward(engine, Conversation(model, system), settings.max_length)
