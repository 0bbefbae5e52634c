"""vLLM, in this process or as a child: needs only vLLM and the standard library.

As a script it speaks JSON lines: first the settings come in and ``{"ready": <version>}`` goes out,
then ``{"prompts": [[id, …], …], "tokens": [id, …]}`` comes in and
``{"log_probabilities": [[…], …]}`` goes out, until standard input ends. A fault goes out as
``{"error": …}``.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


class VllmModel:
    """A model in vLLM: Hugging Face folder, dtype, longest prompt, CPU threads, number of GPUs."""

    def __init__(self, model: str, dtype: str, max_length: int, threads: int, gpus: int) -> None:
        # one process, so that no scheduler thread decides how prompts are batched
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        options: dict[str, Any] = {}
        if gpus == 0:
            os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB; prefill needs little
            os.environ.setdefault("OMP_NUM_THREADS", str(threads))
            options["enforce_eager"] = True
        else:
            options["tensor_parallel_size"] = gpus
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

    def token_log_probabilities(
        self, prompts: list[list[int]], tokens: list[int]
    ) -> list[list[float]]:
        """Log-probabilities of ``tokens`` after each prompt."""
        parameters = self._parameters(
            max_tokens=1,
            temperature=0.0,
            detokenize=False,
            logprobs=len(tokens),
            logprob_token_ids=tokens,
        )
        requests = [{"prompt_token_ids": prompt} for prompt in prompts]
        outputs = self._llm.generate(requests, parameters, use_tqdm=False)
        result = []
        for output in outputs:
            first = output.outputs[0].logprobs[0]
            result.append([float(first[token].logprob) for token in tokens])
        return result


def main() -> None:
    """Serves JSON lines on what was standard output when it started; logs go to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    model = None
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if model is None:
                model = VllmModel(**message)
                import vllm

                say({"ready": vllm.__version__})
            else:
                found = model.token_log_probabilities(message["prompts"], message["tokens"])
                say({"log_probabilities": found})
        except Exception as error:
            say({"error": f"{type(error).__name__}: {error}"})
            raise


if __name__ == "__main__":
    main()
