"""The generator on Hugging Face transformers: batches with a KV cache, a seed for every row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from classifiers.generator.engine import Continuation, GeneratorSettings, Prompt, Sampling
from classifiers.judge.transformers_engine import start_torch

_HEAD = 64
"""Likeliest tokens looked at first: the nucleus is seldom larger, and sorting all of a vocabulary
at every step costs more than the model."""


class TransformersGenerator:
    """A causal language model on the CPU or one GPU."""

    def __init__(self, settings: GeneratorSettings, model: Path) -> None:
        """Loads the Hugging Face folder ``model``. Sets torch's threads for this process."""
        self.settings = settings
        self.device = start_torch(settings.threads, settings.gpus)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(model),
            dtype=getattr(torch, settings.dtype),
            attn_implementation="sdpa",
            local_files_only=True,
        )
        self.model = loaded.to(self.device).eval()

    def continue_all(
        self, prompts: Sequence[Prompt], ends: Sequence[int], sampling: Sampling
    ) -> list[Continuation]:
        """See ``GeneratorEngine``. Prompts are batched by length, ties by order."""
        order = sorted(range(len(prompts)), key=lambda index: (len(prompts[index].tokens), index))
        found: dict[int, Continuation] = {}
        for first in range(0, len(order), self.settings.batch):
            batch = order[first : first + self.settings.batch]
            drawn = self._continue_batch([prompts[index] for index in batch], ends, sampling)
            found.update(zip(batch, drawn, strict=True))
        return [found[index] for index in range(len(prompts))]

    @torch.inference_mode()
    def _continue_batch(
        self, prompts: Sequence[Prompt], ends: Sequence[int], sampling: Sampling
    ) -> list[Continuation]:
        draws = torch.tensor(
            np.stack([uniform_draws(prompt.seed, sampling.max_tokens) for prompt in prompts])
        ).to(self.device)
        ids, mask = self._padded([prompt.tokens for prompt in prompts])
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        final = torch.tensor(list(ends), device=self.device)
        tokens: list[list[int]] = [[] for _ in prompts]
        ended = [False] * len(prompts)
        rows = torch.arange(len(prompts), device=self.device)  # those that still go on
        cache: Any = None
        for step in range(sampling.max_tokens):
            output = self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = output.past_key_values
            drawn = draw_tokens(output.logits[:, -1].float(), draws[rows, step], sampling)
            is_end = torch.isin(drawn, final)
            for row, token, end in zip(rows.tolist(), drawn.tolist(), is_end.tolist(), strict=True):
                ended[row] = end
                if not end:
                    tokens[row].append(token)
            if bool(is_end.all()):
                break
            positions = positions[:, -1:] + 1
            ids, mask = drawn[:, None], torch.nn.functional.pad(mask, (0, 1), value=1)
            if bool(is_end.any()):
                on = torch.nonzero(~is_end).flatten()
                cache.batch_select_indices(on)
                rows, ids, mask, positions = rows[on], ids[on], mask[on], positions[on]
        return [Continuation(*pair) for pair in zip(tokens, ended, strict=True)]

    def _padded(self, prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids padded on the left, and which of them are prompt: int64 (rows, longest)."""
        longest = max(len(prompt) for prompt in prompts)
        ids = torch.zeros((len(prompts), longest), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, longest - len(prompt) :] = torch.tensor(list(prompt))
            mask[row, longest - len(prompt) :] = 1
        return ids.to(self.device), mask.to(self.device)

    def close(self) -> None:
        """Drops the model."""
        del self.model


def uniform_draws(seed: int, count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Numbers in [0, 1) for the tokens of one request, float32: the same for the same seed wherever
    and beside whatever it is drawn."""
    return np.random.Generator(np.random.Philox(seed)).random(count).astype(np.float32)


def draw_tokens(logits: torch.Tensor, draws: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """A token for every row: int64 (rows,) from float32 logits (rows, vocabulary), by one uniform
    number a row, through the inverse of the nucleus' cumulative distribution."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    probabilities = torch.softmax(logits / sampling.temperature, dim=-1)
    head = min(_HEAD, logits.shape[-1])
    likeliest, tokens = probabilities.topk(head, dim=-1)
    chosen = _inverse(likeliest, draws, sampling.top_p)
    found = tokens.gather(1, chosen[:, None])[:, 0]
    wide = likeliest.sum(-1) < sampling.top_p  # the nucleus is larger than the head
    if head < logits.shape[-1] and bool(wide.any()):
        everything, order = probabilities[wide].sort(dim=-1, descending=True, stable=True)
        chosen = _inverse(everything, draws[wide], sampling.top_p)
        found[wide] = order.gather(1, chosen[:, None])[:, 0]
    return found


def _inverse(falling: torch.Tensor, draws: torch.Tensor, top_p: float) -> torch.Tensor:
    """Places (rows,) in falling probabilities (rows, n) that uniform numbers lead to, among those
    that are needed to reach ``top_p``."""
    cumulative = falling.cumsum(-1)
    inside = cumulative - falling < top_p
    total = (falling * inside).sum(-1)
    places = (cumulative <= (draws * total)[:, None]).sum(-1)
    return torch.minimum(places, inside.sum(-1) - 1)
