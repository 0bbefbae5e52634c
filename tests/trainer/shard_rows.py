"""Rows of shards for the trainer's tests."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from trainer.shards import shard_schema

TOKENIZER = hashlib.sha256(b"bytes").hexdigest()
BYTES_SCHEMA = shard_schema(257, TOKENIZER, 256)  # tokens are UTF-8 bytes; 256 is EOS

Row = dict[str, Any]


def make_row(tokens: Sequence[int], **columns: Any) -> Row:
    """A row with an id made of its tokens, unless `columns` says otherwise."""
    tokens = list(tokens)
    row = {
        "tokens": tokens,
        "id": hashlib.blake2b(repr(tokens).encode(), digest_size=16).digest(),
        "source": "test",
        "domain": "prose",
        "repeats": 1,
        "n_bytes": len(tokens),
    }
    return row | columns


def batch_of(rows: Sequence[Row], schema: pa.Schema = BYTES_SCHEMA) -> pa.RecordBatch:
    """Rows as one record batch."""
    return pa.RecordBatch.from_pylist(list(rows), schema=schema)


WriteShards = Callable[..., Path]


def prose_rows(text: str, characters: int = 1_000, **columns: Any) -> list[Row]:
    """`text` cut into documents, tokenized by bytes."""
    pieces = [text[i : i + characters] for i in range(0, len(text), characters)]
    return [make_row(piece.encode(), **columns) for piece in pieces]
