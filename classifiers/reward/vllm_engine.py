"""Reward models on vLLM's pooling runner."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from classifiers.judge.engine import EngineSettings, Floats, check_prompts
from classifiers.vllm.process import open_vllm


class VllmEngine:
    """vLLM in this process, or in a child of another environment's ``interpreter``."""

    def __init__(self, settings: EngineSettings, model: Path, interpreter: str | None) -> None:
        """Loads the Hugging Face folder ``model``. Raises ImportError when there is no vLLM."""
        self.settings = settings
        self._vllm = open_vllm("reward", settings, model, interpreter)

    def scores(self, sequences: Sequence[Sequence[int]]) -> Floats:
        """See ``RewardEngine``."""
        check_prompts(sequences, self.settings.max_length)
        question = {"sequences": [list(sequence) for sequence in sequences]}
        return np.array(self._vllm.ask(question)["scores"], np.float64)

    def close(self) -> None:
        """Ends vLLM."""
        self._vllm.close()
