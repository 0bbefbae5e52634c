"""One small class for every tokenizer: texts in, token ids out, control tokens never."""

from __future__ import annotations

import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import tiktoken
import tokenizers

from stages.tokenizer.control import QWEN_PATTERN
from stages.tokenizer.ranks import read_ranks

TOKENIZER_FILE = "tokenizer.json"
RANKS_FILE = "ranks.tiktoken"
"""Byte pairs with their ranks, for tiktoken, beside tokenizers that it can stand in for."""

ABOUT_FILE = "about.json"
"""Beside a tokenizer: JSON with its ``sha256``, ``vocabulary_size``, ``eos`` and origin."""

U32 = np.ndarray[Any, np.dtype[np.uint32]]
I64 = np.ndarray[Any, np.dtype[np.int64]]

LONGEST_BLANK = 4096
"""Runs of white space are tokenized in pieces of at most this many characters. Qwen's pattern looks
ahead at their end and steps back through all of the run, and regular expression engines give up
after some 100,000 steps. Real text has no such runs; damaged files do."""

_BLANK_RUN = re.compile(rf"\s{{{LONGEST_BLANK}}}")


class Tokenizer(ABC):
    """Encodes texts. A text that spells a control token becomes ordinary tokens: only the pipeline
    and the trainer set control tokens, never a document."""

    def __init__(self, about: Mapping[str, Any]) -> None:
        self.sha256 = str(about["sha256"])
        """SHA-256 of the ``tokenizer.json`` that encodes like this one."""
        self.vocabulary_size = int(about["vocabulary_size"])
        """All ids, control tokens included: the largest id + 1."""
        self.eos = int(about["eos"])
        """The id of the token that closes a document."""

    def encode_batch(self, texts: Sequence[str]) -> tuple[U32, I64]:
        """Tokens of all texts, one text after the other (uint32), and offsets (int64, texts + 1):
        text i has the tokens ``offsets[i]:offsets[i + 1]``. None is added to a text's own."""
        pieces: list[str] = []
        firsts = np.zeros(len(texts) + 1, np.int64)
        for index, text in enumerate(texts):
            pieces += _without_long_blanks(text)
            firsts[index + 1] = len(pieces)
        encoded = self._encode(pieces)
        ends = np.zeros(len(pieces) + 1, np.int64)
        np.cumsum([len(tokens) for tokens in encoded], out=ends[1:])
        flat = np.concatenate(encoded) if encoded else np.zeros(0, np.uint32)
        return flat, ends[firsts]

    @abstractmethod
    def _encode(self, pieces: Sequence[str]) -> list[U32]:
        """The tokens of every piece."""


class JsonTokenizer(Tokenizer):
    """A Hugging Face ``tokenizer.json``."""

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        super().__init__(about)
        # Tasks are processes already: threads inside of them would only take each other's cores.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        self._tokenizer = plain_text_encoder(path.read_text(encoding="utf-8"))

    def _encode(self, pieces: Sequence[str]) -> list[U32]:
        encoded = self._tokenizer.encode_batch_fast(list(pieces), add_special_tokens=False)
        return [np.array(one.ids, np.uint32) for one in encoded]


class RankTokenizer(Tokenizer):
    """Byte-pair ranks through tiktoken, four times as fast as the same tokenizer's JSON.

    tiktoken joins any neighbours that make a token, `tokenizers` only those in its list of merges.
    Where every token has one merge, ids rise in the order of merges and all bytes are tokens, the
    results are the same: what happens inside a stretch that no merge crosses depends on that
    stretch alone, so it passes through the very pair that the token was made of.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        super().__init__(about)
        self._encoding = tiktoken.Encoding(
            "ranks", pat_str=QWEN_PATTERN, mergeable_ranks=read_ranks(path), special_tokens={}
        )

    def _encode(self, pieces: Sequence[str]) -> list[U32]:
        return [
            self._encoding.encode_to_numpy(piece, disallowed_special=()).astype(np.uint32)
            for piece in pieces
        ]


@lru_cache(maxsize=2)
def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer in an artefact folder; loaded once a process."""
    about = json.loads((folder / ABOUT_FILE).read_text())
    ranks = folder / RANKS_FILE
    if ranks.exists():
        return RankTokenizer(ranks, about)
    return JsonTokenizer(folder / TOKENIZER_FILE, about)


def plain_text_encoder(text: str) -> tokenizers.Tokenizer:
    """A tokenizer from its JSON that knows no added tokens, so that none is found in a text.

    Ordinary tokens keep their ids, which stand in the model's vocabulary.
    """
    content = json.loads(text)
    content["added_tokens"] = []
    content["post_processor"] = None
    content["truncation"] = None
    content["padding"] = None
    return tokenizers.Tokenizer.from_str(json.dumps(content))


def _without_long_blanks(text: str) -> list[str]:
    """The text, cut inside of white space that is longer than ``LONGEST_BLANK``."""
    if len(text) < LONGEST_BLANK or _BLANK_RUN.search(text) is None:
        return [text]
    cuts = [0, *(match.end() for match in _BLANK_RUN.finditer(text))]
    return [text[a:b] for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True) if a < b]
