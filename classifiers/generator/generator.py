"""The generator itself: from a conversation to a prompt, and from tokens to a completion."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from classifiers.generator.engine import Finish, GeneratorEngine, Prompt, Sampling

Messages = Sequence[Mapping[str, str]]
"""A conversation: ``{"role": "system" | "user" | "assistant", "content": …}`` each."""

_SEED_DIGITS = 15  # hexadecimal: below 2^60, which every engine takes


@dataclass(frozen=True)
class Request:
    """A conversation to continue, under the key that its completion is recorded by."""

    key: str
    messages: Messages


@dataclass(frozen=True)
class Completion:
    """What the model wrote: the text, its tokens (counted), and how it came to an end. ``length``
    is a text that was cut off; a prompt that is too long gets no text."""

    text: str
    tokens: int
    finish: Finish


def request_key(model_sha256: str, sampling: Sampling, messages: Messages, sample: int) -> str:
    """128-bit BLAKE2b (hexadecimal) of all that a completion depends on: model, sampling,
    conversation, and the number of the sample, by which several completions of one conversation
    differ. The engine is not part of it: a completion that was handed over is used as it is."""
    content = [model_sha256, asdict(sampling), [dict(message) for message in messages], sample]
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class Generator:
    """A model's tokenizer and chat template in front of an engine."""

    def __init__(self, engine: GeneratorEngine, model: Path, max_prompt: int) -> None:
        """``model`` is the Hugging Face folder; longer prompts (tokens) are not continued."""
        from transformers import AutoTokenizer, GenerationConfig

        self.engine = engine
        self.max_prompt = max_prompt
        self.tokenizer: Any = AutoTokenizer.from_pretrained(str(model), local_files_only=True)
        ends = {self.tokenizer.eos_token_id}
        if (model / "generation_config.json").exists():
            declared = GenerationConfig.from_pretrained(str(model)).eos_token_id
            ends |= set(declared if isinstance(declared, list) else [declared])
        self.ends: list[int] = sorted(end for end in ends if end is not None)

    def prompt(self, messages: Messages) -> list[int]:
        """Token ids of a conversation up to where the model is to speak. Without a chat template
        the contents stand one after the other, with empty lines between."""
        if self.tokenizer.chat_template is None:
            plain = "\n\n".join(message["content"] for message in messages)
            return list(self.tokenizer.encode(f"{plain}\n\n"))
        text = self.tokenizer.apply_chat_template(
            [dict(message) for message in messages], tokenize=False, add_generation_prompt=True
        )
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def complete(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        """A completion of every request, in order; each is drawn with a seed made of its key."""
        prompts = [self.prompt(request.messages) for request in requests]
        fits = [i for i, prompt in enumerate(prompts) if 0 < len(prompt) <= self.max_prompt]
        drawn = self.engine.continue_all(
            [Prompt(prompts[i], int(requests[i].key[:_SEED_DIGITS], 16)) for i in fits],
            self.ends,
            sampling,
        )
        completions = [Completion("", 0, "prompt_too_long") for _ in requests]
        for index, continuation in zip(fits, drawn, strict=True):
            text = self.tokenizer.decode(continuation.tokens, skip_special_tokens=True)
            finish: Finish = "stop" if continuation.ended else "length"
            completions[index] = Completion(text.strip(), len(continuation.tokens), finish)
        return completions
