"""The judge itself: from a passage to a prompt, and from token probabilities to a grade.

The grade is the expected value over the digits 0 to 5 as next token, which is finer than the most
likely digit and costs one prefill (G-Eval, arXiv 2303.16634).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from classifiers.judge.engine import Floats, JudgeEngine

GRADES = (0, 1, 2, 3, 4, 5)
DECIMALS = 3
"""Grades are recorded rounded to this many decimals."""

_CHARACTERS_PER_TOKEN = 16  # no more than this much text is tokenized for every token asked for
_PLACE = "{text}"


@dataclass(frozen=True)
class Rubric:
    """The instructions: what the model is (``system``) and the frame around a passage."""

    system: str
    before: str
    after: str
    sha256: str


@dataclass(frozen=True)
class Anchor:
    """A passage with a grade (0 to 5) given by a person, its kind and its language."""

    text: str
    grade: int
    kind: str
    language: str


@cache
def load_rubric() -> Rubric:
    """The rubric that ships with this version."""
    raw = resources.files("classifiers.judge").joinpath("rubric.md").read_bytes()
    system, _, frame = raw.decode("utf-8").partition("\n---\n")
    before, _, after = frame.strip().partition(_PLACE)
    return Rubric(system.strip(), before, after, hashlib.sha256(raw).hexdigest())


def _anchor_bytes() -> bytes:
    return resources.files("classifiers.judge").joinpath("anchors.jsonl").read_bytes()


@cache
def load_anchors() -> tuple[Anchor, ...]:
    """The labelled passages that prior, judge and student are measured on."""
    return tuple(Anchor(**json.loads(line)) for line in _anchor_bytes().splitlines() if line)


@cache
def anchors_sha256() -> str:
    """The checksum of the anchors file."""
    return hashlib.sha256(_anchor_bytes()).hexdigest()


def answer_key(model_sha256: str, rubric_sha256: str, max_tokens: int, text: str) -> str:
    """What an answer is stored under: 128-bit BLAKE2b of model, rubric, cut-off and passage (hex).

    The engine is not part of it: engines agree within ``TOLERANCE``, and an answer that was handed
    over is used as it is.
    """
    digest = hashlib.blake2b(digest_size=16)
    for piece in (model_sha256, rubric_sha256, str(max_tokens), text):
        encoded = piece.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()


class Judge:
    """A rubric and a model's tokenizer in front of an engine."""

    def __init__(self, engine: JudgeEngine, model: Path, max_tokens: int) -> None:
        """``model`` is the Hugging Face folder; passages are cut to ``max_tokens`` tokens."""
        self.engine = engine
        self.max_tokens = max_tokens
        self.rubric = load_rubric()
        from transformers import AutoTokenizer  # takes seconds; rubric and anchors need none of it

        self.tokenizer: Any = AutoTokenizer.from_pretrained(str(model), local_files_only=True)

    @cached_property
    def _frame(self) -> tuple[list[int], list[int]]:
        """Token ids before and after a passage."""
        mark = "\ue000"
        user = f"{self.rubric.before}{mark}{self.rubric.after}"
        messages = [
            {"role": "system", "content": self.rubric.system},
            {"role": "user", "content": user},
        ]
        if self.tokenizer.chat_template is None:
            whole = f"{self.rubric.system}\n\n{user} "
        else:
            whole = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        before, _, after = whole.partition(mark)
        encode = self.tokenizer.encode
        return encode(before, add_special_tokens=False), encode(after, add_special_tokens=False)

    @cached_property
    def grade_tokens(self) -> list[int]:
        """The token of every grade. Raises ValueError when a digit is not one token."""
        tokens = []
        for grade in GRADES:
            ids = self.tokenizer.encode(str(grade), add_special_tokens=False)
            if len(ids) != 1:
                raise ValueError(
                    f"the tokenizer writes {grade} as {len(ids)} tokens; this judge needs a model"
                    " whose digits are single tokens."
                )
            tokens.append(int(ids[0]))
        return tokens

    def prompt(self, text: str) -> list[int]:
        """Token ids of the whole prompt. Control tokens inside the passage are read as text."""
        before, after = self._frame
        piece = text[: self.max_tokens * _CHARACTERS_PER_TOKEN]
        ids = self.tokenizer(piece, add_special_tokens=False, split_special_tokens=True)[
            "input_ids"
        ]
        return [*before, *ids[: self.max_tokens], *after]

    def grades(self, texts: Sequence[str]) -> Floats:
        """Expected grades, float64 in [0, 5], rounded to ``DECIMALS``."""
        if not texts:
            return np.zeros(0)
        prompts = [self.prompt(text) for text in texts]
        logits = self.engine.token_log_probabilities(prompts, self.grade_tokens)
        return expected_grades(logits)


def expected_grades(log_probabilities: Floats) -> Floats:
    """The mean grade under the probabilities of the digits, renormalised; rounded."""
    weights = np.exp(log_probabilities - log_probabilities.max(1, keepdims=True))
    means: Floats = weights @ np.array(GRADES, np.float64) / weights.sum(1)
    return np.round(means, DECIMALS)
