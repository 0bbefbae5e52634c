"""The judge on vLLM."""

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
        self._vllm = open_vllm("judge", settings, model, interpreter)

    def token_log_probabilities(
        self, prompts: Sequence[Sequence[int]], tokens: Sequence[int]
    ) -> Floats:
        """See ``JudgeEngine``."""
        check_prompts(prompts, self.settings.max_length)
        question = {"prompts": [list(prompt) for prompt in prompts], "tokens": list(tokens)}
        found = self._vllm.ask(question)["log_probabilities"]
        return np.array(found, np.float64).reshape(len(prompts), len(tokens))

    def close(self) -> None:
        """Ends vLLM."""
        self._vllm.close()
