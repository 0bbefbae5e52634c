"""The generator on vLLM."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from classifiers.generator.engine import Continuation, GeneratorSettings, Prompt, Sampling
from classifiers.vllm.process import open_vllm


class VllmGenerator:
    """A causal language model in vLLM, which batches by itself."""

    def __init__(self, settings: GeneratorSettings, model: Path, interpreter: str | None) -> None:
        """Loads the Hugging Face folder ``model``. Raises ImportError when there is no vLLM,
        RuntimeError with the child's last words when it cannot load."""
        self._vllm = open_vllm("generator", settings, model, interpreter)

    def continue_all(
        self, prompts: Sequence[Prompt], ends: Sequence[int], sampling: Sampling
    ) -> list[Continuation]:
        """See ``GeneratorEngine``."""
        answer = self._vllm.ask(
            {
                "prompts": [list(prompt.tokens) for prompt in prompts],
                "seeds": [prompt.seed for prompt in prompts],
                "ends": list(ends),
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "max_tokens": sampling.max_tokens,
            }
        )
        return [Continuation(tokens, ended) for tokens, ended in answer["continuations"]]

    def close(self) -> None:
        """Ends vLLM."""
        self._vllm.close()
