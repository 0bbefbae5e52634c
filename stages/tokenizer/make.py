"""Making a tokenizer artefact: trained on a sample, copied from a file, or from Qwen's ranks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, pre_tokenizers, trainers

from manifests.checksum import sha256_of_file
from stages.tokenizer.control import END_OF_TEXT, QWEN_CONTROL_TOKENS, TEXT_CONTROL_TOKENS
from stages.tokenizer.encode import ABOUT_FILE, RANKS_FILE, TOKENIZER_FILE
from stages.tokenizer.ranks import (
    byte_level,
    control_token,
    ranks_text,
    read_ranks,
    tokenizer_of_ranks,
)

Json = Any

SMALLEST_VOCABULARY = 256 + len(TEXT_CONTROL_TOKENS)
"""All bytes and the control tokens."""


def write_trained(folder: Path, texts: Iterable[str], vocabulary_size: int) -> dict[str, Json]:
    """Trains byte-level BPE (Sennrich et al. 2016; Radford et al. 2019) with Qwen's cutting of
    words and writes it. The same texts in the same order give the same bytes.

    ``vocabulary_size`` counts the control tokens, which get the last ids. A sample too small to
    fill the vocabulary gives a smaller one.
    """
    tokenizer = byte_level()
    normalizer, tokenizer.normalizer = tokenizer.normalizer, None  # the texts are in NFC already
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size - len(TEXT_CONTROL_TOKENS),
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.normalizer = normalizer
    (folder / RANKS_FILE).write_bytes(ranks_text(tokenizer.get_vocab(with_added_tokens=False)))
    tokenizer.add_special_tokens([control_token(token) for token in TEXT_CONTROL_TOKENS])
    return _write(folder, tokenizer, END_OF_TEXT, {"origin": "trained on this corpus"})


def write_qwen(folder: Path, ranks: Path) -> dict[str, Json]:
    """Writes Qwen2.5's tokenizer, from its ranks, as ``tokenizer.json`` and as ranks."""
    shutil.copyfile(ranks, folder / RANKS_FILE)
    tokenizer = tokenizer_of_ranks(read_ranks(ranks), QWEN_CONTROL_TOKENS)
    origin = {"origin": "Qwen2.5", "ranks_sha256": sha256_of_file(ranks)}
    return _write(folder, tokenizer, END_OF_TEXT, origin)


def write_copied(folder: Path, source: Path, eos: str) -> dict[str, Json]:
    """Copies a Hugging Face ``tokenizer.json`` byte by byte. Raises ValueError when it is none,
    or has no token ``eos``."""
    try:
        tokenizer = Tokenizer.from_file(str(source))
    except Exception as error:
        raise ValueError(
            f"{source.name}: not a Hugging Face tokenizer.json ({error}). Save one with"
            " `tokenizer.save(…)` or take the file from the model's folder."
        ) from None
    shutil.copyfile(source, folder / TOKENIZER_FILE)
    return _describe(folder, tokenizer, eos, {"origin": source.name})


def _write(
    folder: Path, tokenizer: Tokenizer, eos: str, origin: dict[str, Json]
) -> dict[str, Json]:
    tokenizer.save(str(folder / TOKENIZER_FILE), pretty=False)
    return _describe(folder, tokenizer, eos, origin)


def _describe(
    folder: Path, tokenizer: Tokenizer, eos: str, origin: dict[str, Json]
) -> dict[str, Json]:
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    if eos not in vocabulary:
        known = sorted(added.content for added in tokenizer.get_added_tokens_decoder().values())
        raise ValueError(
            f"the tokenizer has no token `{eos}`. Set `eos` to the one that closes a document;"
            f" its control tokens are {', '.join(known) or 'none'}."
        )
    about = {
        **origin,
        "sha256": sha256_of_file(folder / TOKENIZER_FILE),
        "vocabulary_size": max(vocabulary.values()) + 1,
        "eos": vocabulary[eos],
        "eos_token": eos,
    }
    (folder / ABOUT_FILE).write_text(json.dumps(about, indent=1, sort_keys=True) + "\n")
    return about
