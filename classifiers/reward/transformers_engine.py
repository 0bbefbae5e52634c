"""Reward models on Hugging Face transformers: the light default where there is no GPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from classifiers.judge.engine import EngineSettings, Floats, check_prompts
from classifiers.judge.transformers_engine import last_states, start_torch

BY_TOKEN = "Qwen2ForRewardModel"
"""The architecture of Qwen2.5-Math-RM, which transformers does not have: its trunk is Qwen2's."""


class TransformersEngine:
    """A reward model on the CPU or one GPU."""

    def __init__(self, settings: EngineSettings, model: Path) -> None:
        """Loads the Hugging Face folder ``model``. Sets torch's threads for this process. Raises
        ValueError for a model that is no reward model; code of the model's own is never run."""
        self.settings = settings
        self.device = start_torch(settings.threads, settings.gpus)
        trunk, head = _load(model, getattr(torch, settings.dtype))
        self.trunk, self.head = trunk.to(self.device).eval(), head.to(self.device).eval()

    @torch.inference_mode()
    def scores(self, sequences: Sequence[Sequence[int]]) -> Floats:
        """See ``RewardEngine``. Sequences are batched by length, ties by order."""
        check_prompts(sequences, self.settings.max_length)
        scores = np.zeros(len(sequences), np.float64)
        budget = self.settings.batch_tokens
        for batch, ends in last_states(self.trunk, sequences, budget, self.device):
            scores[batch] = self.head(ends)[:, 0].double().cpu().numpy()
        return scores

    def close(self) -> None:
        """Drops the model."""
        del self.trunk, self.head


def _load(model: Path, dtype: torch.dtype) -> tuple[Any, nn.Module]:
    """The transformer without its head, and the head that scores its last hidden state."""
    config = AutoConfig.from_pretrained(str(model), local_files_only=True)
    architecture = str((config.architectures or ["none"])[0])
    options: dict[str, Any] = {
        "dtype": dtype,
        "attn_implementation": "sdpa",
        "local_files_only": True,
    }
    if architecture == BY_TOKEN:
        trunk = AutoModel.from_pretrained(str(model), **options)
        return trunk, _two_layer_head(model, dtype)
    if not architecture.endswith("ForSequenceClassification") or config.num_labels != 1:
        raise ValueError(
            f"{model.name} is a {architecture} with {config.num_labels} labels. A reward model is a"
            f" …ForSequenceClassification with one label, or a {BY_TOKEN}."
        )
    loaded: Any = AutoModelForSequenceClassification.from_pretrained(str(model), **options)
    if not isinstance(getattr(loaded, "score", None), nn.Linear):
        raise ValueError(
            f"{model.name} does not score by one linear layer, as this engine expects."
            " Set engine: vllm."
        )
    return loaded.base_model, loaded.score


def _two_layer_head(model: Path, dtype: torch.dtype) -> nn.Module:
    """Qwen2.5-Math-RM's head, ``score.0`` and ``score.2`` with a ReLU between."""
    weights: dict[str, torch.Tensor] = {}
    for path in sorted(model.glob("*.safetensors")):
        with safe_open(str(path), framework="pt") as file:
            names = [name for name in list(file.keys()) if name.startswith("score.")]
            weights |= {name.removeprefix("score."): file.get_tensor(name) for name in names}
    try:
        inner, width = weights["0.weight"].shape
        head = nn.Sequential(
            nn.Linear(width, inner, dtype=dtype),
            nn.ReLU(),
            nn.Linear(inner, weights["2.weight"].shape[0], dtype=dtype),
        )
        head.load_state_dict(weights)
    except (KeyError, RuntimeError) as error:
        raise ValueError(f"{model.name}: not the head of a {BY_TOKEN} ({error}).") from error
    return head
