"""Settings that every maker of synthetic documents shares: the model that writes, and how."""

from __future__ import annotations

from typing import Literal

from pipeline.stage import StageConfig, file_setting, setting
from stages.models import AskedModelConfig


class GeneratorConfig(AskedModelConfig):
    """The model that writes."""

    model: str = file_setting(
        about="The model: a GGUF file that transformers can read, or a Hugging Face folder"
    )
    answers: str | None = file_setting(
        None, about="Completions made before (answers.jsonl of another workspace), used as they are"
    )
    dtype: Literal["bfloat16", "float32"] = setting(
        "bfloat16", about="Arithmetic of the model", source="the models' own"
    )
    batch: int = setting(
        48,
        about="Prompts that the transformers engine continues at a time",
        ge=1,
    )
    max_prompt: int = setting(1024, about="Longest prompt, in tokens", ge=16)
    chunk: int = setting(
        48, about="Requests in one task, what an interruption can lose", ge=1, le=100_000
    )


class SamplingConfig(StageConfig):
    """How tokens are drawn."""

    temperature: float = setting(
        0.7,
        about="What logits are divided by; 0 takes the likeliest token",
        source="Qwen2.5-Instruct's generation_config.json",
        ge=0.0,
        le=2.0,
    )
    top_p: float = setting(
        0.8,
        about="Probability that the tokens drawn from hold together",
        source="Qwen2.5-Instruct's generation_config.json",
        gt=0.0,
        le=1.0,
    )
    max_tokens: int = setting(512, about="Longest completion, in tokens", ge=1)
    seed: int = setting(0, about="Another number draws other completions", ge=0)
