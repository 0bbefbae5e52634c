"""The judge on Hugging Face transformers: the light default where there is no GPU."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from classifiers.judge.engine import EngineSettings, Floats, check_prompts


class TransformersEngine:
    """A causal language model on the CPU or one GPU, read once, prefill only."""

    def __init__(self, settings: EngineSettings, model: Path) -> None:
        """Loads the Hugging Face folder ``model``. Sets torch's threads for this process."""
        self.settings = settings
        self.device = start_torch(settings.threads, settings.gpus)
        dtype: torch.dtype = getattr(torch, settings.dtype)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(model), dtype=dtype, attn_implementation="sdpa", local_files_only=True
        )
        if getattr(loaded.config, "final_logit_softcapping", None):
            raise ValueError(
                f"{model.name} caps its logits, which this engine leaves out. Set engine: vllm."
            )
        self.model = loaded.to(self.device).eval()

    @torch.inference_mode()
    def token_log_probabilities(
        self, prompts: Sequence[Sequence[int]], tokens: Sequence[int]
    ) -> Floats:
        """See ``JudgeEngine``. What all prompts begin with is computed once; the rest is batched by
        length, ties by order."""
        check_prompts(prompts, self.settings.max_length)
        result = np.zeros((len(prompts), len(tokens)), np.float64)
        wanted = torch.tensor(list(tokens), device=self.device)
        shared = common_prefix(prompts)
        prefix = prefix_cache(self.model.base_model, prompts[0][:shared], self.device)
        own = [prompt[shared:] for prompt in prompts]
        budget = self.settings.batch_tokens
        for batch, ends in last_states(self.model.base_model, own, budget, self.device, prefix):
            logits = self.model.get_output_embeddings()(ends).float()
            chosen = torch.log_softmax(logits, dim=-1)[:, wanted]
            result[batch] = chosen.double().cpu().numpy()
        return result

    def close(self) -> None:
        """Drops the model."""
        del self.model


def start_torch(threads: int, gpus: int) -> torch.device:
    """The device of an engine; sets torch's threads for this process. Raises ValueError for more
    than one GPU."""
    if gpus > 1:
        raise ValueError("the transformers engine uses one GPU. Set gpus: 1, or engine: vllm.")
    logging.disable_progress_bar()
    if gpus:
        return torch.device("cuda")
    torch.set_num_threads(threads)
    return torch.device("cpu")


def last_states(
    trunk: Any,
    sequences: Sequence[Sequence[int]],
    budget: int,
    device: torch.device,
    prefix: Any = None,
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Indices of sequences with the hidden states (indices, width) of a model without its head at
    their last tokens, batched by length; ``prefix`` is the cache of what stands before all."""
    lengths = [len(sequence) for sequence in sequences]
    for batch in batches_by_length(lengths, budget):
        ids = torch.zeros((len(batch), max(lengths[index] for index in batch)), dtype=torch.long)
        for place, index in enumerate(batch):
            ids[place, : lengths[index]] = torch.tensor(list(sequences[index]))
        cache = copy.deepcopy(prefix)
        if cache is not None:
            cache.batch_repeat_interleave(len(batch))
        # padding stands on the right, where causal attention cannot look: no mask is needed, and
        # the last token is known, where transformers would look for the padding token
        hidden = trunk(
            input_ids=ids.to(device), past_key_values=cache, use_cache=cache is not None
        )[0]
        last = torch.tensor([lengths[index] - 1 for index in batch], device=device)
        yield batch, hidden[torch.arange(len(batch), device=device), last]


def prefix_cache(trunk: Any, tokens: Sequence[int], device: torch.device) -> Any:
    """The key-value cache of one row after some tokens; None after none."""
    if not tokens:
        return None
    ids = torch.tensor([list(tokens)], device=device)
    return trunk(input_ids=ids, use_cache=True).past_key_values


def common_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Tokens that all of several prompts begin with, leaving each at least one token of its own."""
    if len(prompts) < 2:
        return 0
    first = prompts[0]
    shared = min(len(prompt) for prompt in prompts) - 1
    for prompt in prompts[1:]:
        while prompt[:shared] != first[:shared]:
            shared -= 1
    return shared


def batches_by_length(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices in batches of rising length, each at most ``budget`` tokens with padding (a longer
    prompt makes a batch of its own)."""
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if batches and (len(batches[-1]) + 1) * lengths[index] <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
