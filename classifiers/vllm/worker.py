"""What is asked of vLLM, by role: needs only vLLM and the standard library.

As a script it is the child process of ``classifiers.vllm.process`` and speaks JSON lines: first the
role and its settings come in and ``{"ready": <version>}`` goes out, then questions come in and
answers go out, until standard input ends. A fault goes out as ``{"error": …}``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Protocol

Json = Any


class Role(Protocol):
    """A loaded model with one kind of question."""

    def answer(self, question: dict[str, Json]) -> dict[str, Json]:
        """The answer to a question; both are JSON."""
        ...


def machine_options(threads: int, gpus: int, cache_gib: int = 1) -> dict[str, Any]:
    """Options of ``vllm.LLM`` for the CPU (``gpus`` 0) or GPUs; sets vLLM's environment, so it
    must come before the import. ``cache_gib`` is the KV cache on the CPU."""
    # one process, so that no scheduler thread decides how prompts are batched
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if gpus:
        return {"tensor_parallel_size": gpus}
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(cache_gib))
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    return {"enforce_eager": True}


class JudgeRole:
    """``{"prompts": [[id, …], …], "tokens": [id, …]}`` → ``{"log_probabilities": [[…], …]}``: of
    each token as the one after each prompt."""

    def __init__(self, model: str, dtype: str, max_length: int, threads: int, gpus: int) -> None:
        options = machine_options(threads, gpus)
        from vllm import LLM, SamplingParams

        self._parameters = SamplingParams
        self._llm = LLM(
            model=model,
            tokenizer=model,
            dtype=dtype,
            max_model_len=max_length + 1,
            max_logprobs=64,
            skip_tokenizer_init=True,
            seed=0,
            **options,
        )

    def answer(self, question: dict[str, Json]) -> dict[str, Json]:
        """See the class."""
        tokens = question["tokens"]
        parameters = self._parameters(
            max_tokens=1,
            temperature=0.0,
            detokenize=False,
            logprobs=len(tokens),
            logprob_token_ids=tokens,
        )
        requests = [{"prompt_token_ids": prompt} for prompt in question["prompts"]]
        outputs = self._llm.generate(requests, parameters, use_tqdm=False)
        rows = [output.outputs[0].logprobs[0] for output in outputs]
        return {"log_probabilities": [[float(row[t].logprob) for t in tokens] for row in rows]}


class RewardRole:
    """``{"sequences": [[id, …], …]}`` → ``{"scores": [float, …]}``: the raw score of each, before
    any sigmoid, at its last token. The model is a sequence classifier with one label, or a
    ``Qwen2ForRewardModel`` (Qwen2.5-Math-RM), which scores every token."""

    def __init__(self, model: str, dtype: str, max_length: int, threads: int, gpus: int) -> None:
        options = machine_options(threads, gpus)
        from vllm import LLM, PoolingParams

        config = json.loads(Path(model, "config.json").read_text(encoding="utf-8"))
        self._by_token = str(config["architectures"][0]).endswith("ForRewardModel")
        self._raw = PoolingParams(use_activation=False)
        self._llm = LLM(
            model=model,
            tokenizer=model,
            runner="pooling",
            dtype=dtype,
            max_model_len=max_length,  # no skip_tokenizer_init: pooling wants a tokenizer
            seed=0,
            **options,
        )

    def answer(self, question: dict[str, Json]) -> dict[str, Json]:
        """See the class."""
        requests = [{"prompt_token_ids": sequence} for sequence in question["sequences"]]
        if self._by_token:
            tokens = self._llm.encode(
                requests,
                pooling_task="token_classify",
                pooling_params=self._raw,
                use_tqdm=False,
            )
            return {"scores": [float(output.outputs.data[-1].flatten()[0]) for output in tokens]}
        classes = self._llm.classify(requests, pooling_params=self._raw, use_tqdm=False)
        return {"scores": [float(output.outputs.probs[0]) for output in classes]}


class GeneratorRole:
    """``{"prompts": [[id, …], …], "seeds": [int, …], "ends": [id, …], "temperature", "top_p",
    "max_tokens"}`` → ``{"continuations": [[[id, …], ended], …]}``: tokens without the one that
    ended them."""

    def __init__(self, model: str, dtype: str, max_length: int, threads: int, gpus: int) -> None:
        options = machine_options(threads, gpus, cache_gib=2)
        from vllm import LLM, SamplingParams

        self._parameters = SamplingParams
        self._llm = LLM(
            model=model,
            tokenizer=model,
            dtype=dtype,
            max_model_len=max_length,
            skip_tokenizer_init=True,
            generation_config="vllm",  # not the model's own settings: the recipe's
            seed=0,
            **options,
        )

    def answer(self, question: dict[str, Json]) -> dict[str, Json]:
        """See the class."""
        parameters = [
            self._parameters(
                temperature=question["temperature"],
                top_p=question["top_p"],
                max_tokens=question["max_tokens"],
                stop_token_ids=question["ends"],
                seed=seed,
                detokenize=False,
            )
            for seed in question["seeds"]
        ]
        requests = [{"prompt_token_ids": prompt} for prompt in question["prompts"]]
        outputs = self._llm.generate(requests, parameters, use_tqdm=False)
        ends, continuations = set(question["ends"]), []
        for output in outputs:
            tokens = list(output.outputs[0].token_ids)
            ended = bool(tokens) and tokens[-1] in ends
            continuations.append([tokens[:-1] if ended else tokens, ended])
        return {"continuations": continuations}


ROLES: dict[str, Any] = {"judge": JudgeRole, "reward": RewardRole, "generator": GeneratorRole}
"""What can be asked of vLLM: a name to a class that is made with the settings as keywords."""


def main() -> None:
    """Serves JSON lines on what was standard output when it started; logs go to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(message: dict[str, Json]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    role: Role | None = None
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if role is None:
                role = ROLES[message.pop("role")](**message)
                import vllm

                say({"ready": vllm.__version__})
            else:
                say(role.answer(message))
        except Exception as error:
            say({"error": f"{type(error).__name__}: {error}"})
            raise


if __name__ == "__main__":
    main()
