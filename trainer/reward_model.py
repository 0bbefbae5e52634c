"""A reward model: the Qwen2 trunk with one linear score, read at the last token of a sequence.

Attention is causal, so padding on the right changes nothing to its left and needs no mask. Letters
of shapes as in :mod:`trainer.model`; G are the solutions of one problem.
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.export import (
    hugging_face_config,
    hugging_face_state,
    read_safetensors,
    write_model,
)
from trainer.model import ModelConfig, Trunk, draw_weights, token_losses

MODEL_TYPES = ("qwen2", "llama")
"""What weights to start from may be: Llama is Qwen2 with biases of 0 on q, k and v."""


class RewardModel(nn.Module):
    """tokens (B, T) and the place of each last token (B) → scores (B) float32.

    Modules carry the names of Hugging Face's `Qwen2ForSequenceClassification`.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Trunk(config)
        self.score = nn.Linear(config.width, 1, bias=False)
        draw_weights(self, config.layers)

    def forward(self, tokens: Tensor, last: Tensor) -> Tensor:
        return self.scores(self.model(tokens), last)

    def scores(self, hidden: Tensor, last: Tensor) -> Tensor:
        """hidden (B, T, C), last (B) → scores (B) float32.

        Not by a matrix product, which would be rounded to bfloat16 on CUDA: scores of like
        solutions differ by less.
        """
        rows = torch.arange(len(hidden), device=hidden.device)
        return (hidden[rows, last].float() * self.score.weight[0].float()).sum(-1)

    def language_loss(self, hidden: Tensor, tokens: Tensor, wanted: Tensor) -> Tensor:
        """Mean cross-entropy, in nats a token, of the tokens where `wanted` (B, T) is true, by the
        input embedding as output embedding; 0 where none is."""
        before = wanted[:, 1:]
        if not before.any():
            return hidden.sum() * 0
        losses = token_losses(
            hidden[:, :-1][before], self.model.embed_tokens.weight, tokens[:, 1:][before]
        )
        return losses.mean()

    def parameter_count(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters())


def _differences(scores: Tensor, right: Tensor) -> Tensor:
    """r⁺ − r⁻ of all pairs of a right and a wrong solution: scores and right (G) → (k (G − k))."""
    return (scores[right][:, None] - scores[~right][None, :]).flatten()


def bradley_terry(scores: list[Tensor], right: list[Tensor]) -> Tensor:
    """−log σ(r⁺ − r⁻), the mean over all pairs of all problems (Bradley, Terry 1952; InstructGPT,
    arXiv 2203.02155). Each list holds one tensor (G) a problem, with right and wrong ones."""
    pairs = [_differences(s, r) for s, r in zip(scores, right, strict=True)]
    return -functional.logsigmoid(torch.cat(pairs)).mean()


def listwise(scores: list[Tensor], right: list[Tensor]) -> Tensor:
    """Qwen2.5-Math's loss (arXiv 2409.12122): −1/(k(m−k)) Σ log σ(r⁺ − r⁻) over a problem's pairs,
    k right of m solutions, then the mean over problems: each problem weighs the same."""
    means = [
        functional.logsigmoid(_differences(s, r)).mean() for s, r in zip(scores, right, strict=True)
    ]
    return -torch.stack(means).mean()


LOSSES = {"listwise": listwise, "bradley-terry": bradley_terry}


def export_reward(model: RewardModel, directory: str | os.PathLike[str], pad: int) -> Path:
    """Write a `Qwen2ForSequenceClassification` with one label, for transformers and vLLM. `pad` is
    the padding token, by which transformers finds the last one."""
    config = hugging_face_config(model.config, eos=pad) | {
        "architectures": ["Qwen2ForSequenceClassification"],
        "id2label": {"0": "reward"},
        "label2id": {"reward": 0},
        "pad_token_id": pad,
        "use_cache": False,
    }
    return write_model(directory, config, hugging_face_state(model))


def read_pretrained(directory: str | os.PathLike[str], max_length: int) -> RewardModel:
    """A reward model on the trunk of a Hugging Face folder of a Qwen2 or Llama language model, with
    a score head drawn anew. Raises ValueError for another architecture or missing weights."""
    folder = Path(directory)
    try:
        about = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder}: no folder of a Hugging Face model ({error}).") from error
    model = RewardModel(_model_config(folder, about, max_length))
    state: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        state |= read_safetensors(path)
    wanted = model.model.state_dict()
    trunk = {name: state.get(f"model.{name}") for name in wanted}
    for name, tensor in trunk.items():
        if tensor is None and name.endswith("proj.bias") and about["model_type"] == "llama":
            trunk[name] = torch.zeros_like(wanted[name])
    missing = [name for name, tensor in trunk.items() if tensor is None]
    if missing:
        raise ValueError(f"{folder}: has no weights model.{missing[0]} ({len(missing)} missing).")
    model.model.load_state_dict({k: v for k, v in trunk.items() if v is not None})
    return model


def _model_config(folder: Path, about: dict[str, Any], max_length: int) -> ModelConfig:
    """The sizes of a Hugging Face `config.json`."""
    if about.get("model_type") not in MODEL_TYPES:
        raise ValueError(
            f"{folder}: a model of type {about.get('model_type')}; known: {', '.join(MODEL_TYPES)}."
        )
    rope = about.get("rope_parameters") or about.get("rope_scaling") or {}
    if rope.get("rope_type", "default") != "default":
        raise ValueError(f"{folder}: rotary positions of type {rope['rope_type']} are not known.")
    if max_length > about["max_position_embeddings"]:
        raise ValueError(
            f"{folder}: reads {about['max_position_embeddings']} tokens. Set max_length to that."
        )
    return ModelConfig(
        vocabulary_size=about["vocab_size"],
        width=about["hidden_size"],
        layers=about["num_hidden_layers"],
        heads=about["num_attention_heads"],
        kv_heads=about["num_key_value_heads"],
        mlp_width=about["intermediate_size"],
        max_length=max_length,
        rope_base=float(about.get("rope_theta") or rope["rope_theta"]),
        norm_eps=about["rms_norm_eps"],
    )
