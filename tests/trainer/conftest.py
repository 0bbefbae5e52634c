"""Fixtures of the trainer's tests."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.trainer.shard_rows import BYTES_SCHEMA, Row, WriteShards, batch_of
from trainer.shards import write_shard


@pytest.fixture
def write_shards(tmp_path: Path) -> WriteShards:
    """Write rows into `count` shards of a new folder; returns the folder."""

    def write(rows: Sequence[Row], count: int = 1, name: str = "shards") -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        size = -(-len(rows) // count)
        for i in range(count):
            batch = batch_of(rows[i * size : (i + 1) * size])
            write_shard(folder / f"{i:05d}.arrow", [batch], BYTES_SCHEMA)
        return folder

    return write
