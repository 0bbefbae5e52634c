"""From a prompt and a response to the tokens that a reward model reads: its chat template, once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

PAD, USER, ASSISTANT, END = "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"
CONTROL_TOKENS = (PAD, USER, ASSISTANT, END)
TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<|assistant|>{% else %}<|user|>{% endif %}"
    "{{ message['content'] }}"
    "{% endfor %}"
    "{% if not add_generation_prompt %}<|end|>{% endif %}"
)

_PROMPT, _RESPONSE = "\ue000", "\ue001"


class Conversation:
    """The tokenizer and chat template of a model's folder."""

    def __init__(self, model: Path, system: str | None = None) -> None:
        """``system`` is the instruction before the prompt; None leaves it to the template."""
        self.system = system
        self.tokenizer: Any = AutoTokenizer.from_pretrained(str(model), local_files_only=True)

    def encode(self, prompt: str, response: str) -> tuple[list[int], list[int]]:
        """Token ids of the prompt and of the response, with the template's tokens around them: what
        the template gives for the two, cut where the response begins. Control tokens inside of a
        text are read as text."""
        before, between, after = self._frame
        return (
            [*before, *self._ids(prompt), *between],
            [*self._ids(response), *after],
        )

    def _ids(self, text: str) -> list[int]:
        """Token ids of a text that may hold no control token."""
        encoded = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)
        ids: list[int] = encoded["input_ids"]
        return ids

    @cached_property
    def _frame(self) -> tuple[list[int], list[int], list[int]]:
        """Token ids before the prompt, between the two, and after the response."""
        if self.tokenizer.chat_template is None:
            whole = f"{_PROMPT}\n\n{_RESPONSE}"
        else:
            messages = [{"role": "user", "content": _PROMPT}]
            if self.system is not None:
                messages.insert(0, {"role": "system", "content": self.system})
            messages.append({"role": "assistant", "content": _RESPONSE})
            whole = self.tokenizer.apply_chat_template(messages, tokenize=False)
        before, _, rest = whole.partition(_PROMPT)
        between, _, after = rest.partition(_RESPONSE)
        encode = self.tokenizer.encode
        ids = [encode(piece, add_special_tokens=False) for piece in (before, between, after)]
        return ids[0], ids[1], ids[2]


def write_tokenizer(folder: Path, texts: Iterable[str], vocabulary_size: int) -> None:
    """Trains the tokenizer of a small reward model on its texts and writes it for transformers:
    byte-level BPE with every digit a token of its own, so that numbers can be compared digit by
    digit, and a template of one token before each text and one at the end.

    The same texts in the same order give the same bytes.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        min_frequency=2,
        special_tokens=list(CONTROL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    about = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "eos_token": END,
        "chat_template": TEMPLATE,
        "clean_up_tokenization_spaces": False,
    }
    text = json.dumps(about, indent=1, sort_keys=True) + "\n"
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
