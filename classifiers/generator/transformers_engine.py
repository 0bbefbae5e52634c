"""The generator on Hugging Face transformers: batches with a KV cache, a seed for every row."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM
from transformers.cache_utils import DynamicCache, DynamicLayer

from classifiers.generator.engine import Continuation, GeneratorSettings, Prompt, Sampling
from classifiers.judge.transformers_engine import (
    batches_by_length,
    common_prefix,
    prefix_cache,
    start_torch,
)

_HEAD = 64
"""Likeliest tokens looked at first: the nucleus is seldom larger, and sorting all of a vocabulary
at every step costs more than the model."""


_READ_TOKENS = 512
"""Tokens of prompts, padding included, that are read at a time: enough to keep a CPU's matrix
products at full speed, and few enough that prompts of different length are not padded."""


@dataclass(frozen=True)
class _Read:
    """Prompts that were read: logits of their next tokens (rows, vocabulary), the key-value cache,
    which of its places are text (rows, places), and the positions of the next tokens (rows, 1)."""

    logits: torch.Tensor
    cache: Any
    mask: torch.Tensor
    positions: torch.Tensor


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
        layers = DynamicCache(config=loaded.config).layers
        self.joins = all(type(layer) is DynamicLayer for layer in layers)  # no sliding windows

    def continue_all(
        self, prompts: Sequence[Prompt], ends: Sequence[int], sampling: Sampling
    ) -> list[Continuation]:
        """See ``GeneratorEngine``. What all prompts begin with is read once; the rest is batched by
        length, ties by order."""
        shared = common_prefix([prompt.tokens for prompt in prompts])
        with torch.inference_mode():
            first = prompts[0].tokens[:shared] if prompts else []
            prefix = prefix_cache(self.model.base_model, first, self.device)
        order = sorted(range(len(prompts)), key=lambda index: (len(prompts[index].tokens), index))
        found: dict[int, Continuation] = {}
        for start in range(0, len(order), self.settings.batch):
            batch = [prompts[index] for index in order[start : start + self.settings.batch]]
            read = self._read([prompt.tokens[shared:] for prompt in batch], prefix, shared)
            drawn = self._draw(batch, read, ends, sampling)
            found.update(zip(order[start:], drawn, strict=False))
        return [found[index] for index in range(len(prompts))]

    @torch.inference_mode()
    def _read(self, sequences: Sequence[Sequence[int]], prefix: Any, shared: int) -> _Read:
        """Reads sequences of rising length behind a prefix of ``shared`` tokens: those of like
        length together, since padding costs as much as text; then joined, to go on together."""
        lengths = [len(sequence) for sequence in sequences]
        groups = (
            batches_by_length(lengths, _READ_TOKENS) if self.joins else [[*range(len(lengths))]]
        )
        logits, masks, caches = [], [], []
        for group in groups:
            ids, own = self._padded([sequences[index] for index in group])
            mask = torch.nn.functional.pad(own, (shared, 0), value=1)
            cache = copy.deepcopy(prefix)
            if cache is not None:
                cache.batch_repeat_interleave(len(group))
            output = self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=(mask.cumsum(1) - 1).clamp(min=0)[:, shared:],
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            logits.append(output.logits[:, -1])
            masks.append(mask)
            caches.append(output.past_key_values)
        mask = _joined(masks, -1)
        return _Read(torch.cat(logits), _joined_caches(caches), mask, mask.sum(1, keepdim=True))

    @torch.inference_mode()
    def _draw(
        self, prompts: Sequence[Prompt], read: _Read, ends: Sequence[int], sampling: Sampling
    ) -> list[Continuation]:
        """Goes on from what was read; rows that have ended are taken out."""
        draws = torch.tensor(
            np.stack([uniform_draws(prompt.seed, sampling.max_tokens) for prompt in prompts])
        ).to(self.device)
        final = torch.tensor(list(ends), device=self.device)
        tokens: list[list[int]] = [[] for _ in prompts]
        ended = [False] * len(prompts)
        rows = torch.arange(len(prompts), device=self.device)  # those that still go on
        logits, cache, mask, positions = read.logits, read.cache, read.mask, read.positions
        for step in range(sampling.max_tokens):
            drawn = draw_tokens(logits.float(), draws[rows, step], sampling)
            is_end = torch.isin(drawn, final)
            for row, token, end in zip(rows.tolist(), drawn.tolist(), is_end.tolist(), strict=True):
                ended[row] = end
                if not end:
                    tokens[row].append(token)
            if bool(is_end.all()) or step + 1 == sampling.max_tokens:
                break
            if bool(is_end.any()):
                on = torch.nonzero(~is_end).flatten()
                cache.batch_select_indices(on)
                rows, drawn, mask, positions = rows[on], drawn[on], mask[on], positions[on]
            mask = torch.nn.functional.pad(mask, (0, 1), value=1)
            logits = self.model(
                input_ids=drawn[:, None],
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
            ).logits[:, -1]
            positions = positions + 1
        return [Continuation(*pair) for pair in zip(tokens, ended, strict=True)]

    def _padded(self, prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids padded on the left, and which of them are prompt: int64 (rows, longest)."""
        ids = [torch.tensor([list(prompt)]) for prompt in prompts]
        mask = _joined([torch.ones_like(row) for row in ids], -1)
        return _joined(ids, -1).to(self.device), mask.to(self.device)

    def close(self) -> None:
        """Drops the model."""
        del self.model


def _joined(tensors: Sequence[torch.Tensor], dim: int) -> torch.Tensor:
    """Tensors one below the other, filled with zeros in front up to the longest along ``dim``
    (-1 or -2)."""
    longest = max(tensor.shape[dim] for tensor in tensors)
    after = [0] * (2 * (-dim - 1))  # of the dimensions behind it
    fill = torch.nn.functional.pad
    return torch.cat([fill(one, [*after, longest - one.shape[dim], 0]) for one in tensors])


def _joined_caches(caches: Sequence[Any]) -> Any:
    """The key-value caches of groups of rows as one, in their order."""
    whole, *others = caches
    for number, layer in enumerate(whole.layers if others else ()):
        layer.keys = _joined([cache.layers[number].keys for cache in caches], -2)
        layer.values = _joined([cache.layers[number].values for cache in caches], -2)
    return whole


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
