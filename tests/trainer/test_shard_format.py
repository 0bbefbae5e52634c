"""The shard format: what is written is read, the bytes depend on the rows alone, damage is told."""

import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trainer.shards
from tests.trainer.shard_rows import BYTES_SCHEMA, TOKENIZER, WriteShards, batch_of, make_row
from trainer.shards import ShardError, open_shard, read_shards, shard_schema, write_shard

rows_strategy = st.lists(
    st.builds(
        lambda tokens, name, source, domain, repeats: make_row(
            tokens, id=name, source=source, domain=domain, repeats=repeats
        ),
        st.lists(st.integers(0, 256), max_size=30),
        st.binary(min_size=16, max_size=16),
        st.text(max_size=5),
        st.text(max_size=5),
        st.integers(0, 65_535),
    ),
    max_size=25,
)


def written(batches: list[pa.RecordBatch], schema: pa.Schema = BYTES_SCHEMA) -> bytes:
    file = io.BytesIO()
    write_shard(file, batches, schema)
    return file.getvalue()


def cut(batch: pa.RecordBatch, cuts: list[int]) -> list[pa.RecordBatch]:
    edges = [0, *sorted(min(c, batch.num_rows) for c in cuts), batch.num_rows]
    return [batch.slice(a, b - a) for a, b in itertools.pairwise(edges)]


@settings(max_examples=60, deadline=None)
@given(rows=rows_strategy, wide=st.booleans())
def test_round_trip(rows: list[dict[str, Any]], wide: bool, tmp_path_factory: Any) -> None:
    schema = shard_schema(70_000, TOKENIZER, 3) if wide else BYTES_SCHEMA
    path = tmp_path_factory.mktemp("shard") / "a.arrow"
    counts = write_shard(path, [batch_of(rows, schema)], schema)
    reader = open_shard(path)
    reader.check()
    assert len(reader) == counts.documents == len(rows)
    assert counts.tokens == sum(len(row["tokens"]) for row in rows)
    assert counts.n_bytes == sum(row["n_bytes"] for row in rows)
    assert [reader.tokens(i).tolist() for i in range(len(rows))] == [r["tokens"] for r in rows]
    assert all(values.dtype == (np.uint32 if wide else np.uint16) for values in reader.values)
    assert [row.astype("<u8").tobytes() for row in reader.ids()] == [r["id"] for r in rows]
    assert reader.numbers("repeats").tolist() == [r["repeats"] for r in rows]
    assert reader.column("domain").to_pylist() == [r["domain"] for r in rows]
    with pa.memory_map(str(path)) as file:
        assert pa.ipc.open_stream(file).read_all().to_pylist() == rows
    assert [p.name for p in path.parent.iterdir()] == ["a.arrow"]


@settings(max_examples=80, deadline=None)
@given(rows=rows_strategy, cuts=st.lists(st.integers(0, 25), max_size=6), limit=st.integers(1, 50))
def test_bytes_do_not_depend_on_the_batches_given(
    rows: list[dict[str, Any]], cuts: list[int], limit: int
) -> None:
    batch = batch_of(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.shards, "TOKENS_PER_BATCH", limit)
        patch.setattr(trainer.shards, "ROWS_PER_BATCH", 7)
        whole = written([batch])
        assert written(cut(batch, cuts)) == whole
        stored = list(pa.ipc.open_stream(whole))
    for piece in stored:
        tokens = len(piece.column("tokens").flatten())
        assert piece.num_rows <= 7
        assert tokens <= limit or piece.num_rows == 1
    assert [row for piece in stored for row in piece.to_pylist()] == rows


def test_tokens_are_views_of_the_file(write_shards: WriteShards) -> None:
    folder = write_shards([make_row([1, 2, 3]), make_row([4, 5])])
    tokens = open_shard(folder / "00000.arrow").tokens(1)
    assert tokens.base is not None
    assert not tokens.flags.writeable
    assert tokens.tolist() == [4, 5]


def test_uint16_up_to_65536() -> None:
    assert shard_schema(65_536, TOKENIZER, 0).field("tokens").type == pa.list_(pa.uint16())
    assert shard_schema(65_537, TOKENIZER, 0).field("tokens").type == pa.list_(pa.uint32())


@pytest.mark.parametrize(
    ("size", "tokenizer", "eos"), [(0, TOKENIZER, 0), (10, TOKENIZER, 10), (10, "abc", 0)]
)
def test_impossible_schema(size: int, tokenizer: str, eos: int) -> None:
    with pytest.raises(ValueError, match=r"vocabulary|tokenizer"):
        shard_schema(size, tokenizer, eos)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([make_row([257])], "token 257 lies outside the vocabulary of 257"),
        ([make_row([1], source=None)], "column `source` holds 1 nulls"),
        ([make_row([1], n_bytes=0)], "1 documents have tokens, but `n_bytes` is 0"),
    ],
)
def test_rows_that_do_not_fit_are_refused_and_leave_no_file(
    rows: list[dict[str, Any]], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ShardError, match=message):
        write_shard(tmp_path / "a.arrow", [batch_of([make_row([5])]), batch_of(rows)], BYTES_SCHEMA)
    assert not list(tmp_path.iterdir())


def test_other_columns_are_refused(tmp_path: Path) -> None:
    batch = pa.record_batch({"tokens": [[1]]})
    with pytest.raises(ShardError, match="does not fit a shard's columns"):
        write_shard(tmp_path / "a.arrow", [batch], BYTES_SCHEMA)


def shard_of_three_batches(path: Path) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.shards, "ROWS_PER_BATCH", 4)
        rows = [make_row(range(i, i + 40)) for i in range(12)]
        write_shard(path, [batch_of(rows)], BYTES_SCHEMA)
    return path.read_bytes()


def test_a_shard_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    whole = shard_of_three_batches(path)
    assert len(open_shard(path).batches) == 3
    for length in range(0, len(whole), 8):  # messages begin at multiples of 8
        path.write_bytes(whole[:length])
        with pytest.raises(ShardError, match=r"a\.arrow: .*\n.*build the corpus again"):
            open_shard(path)


def test_a_flipped_byte_never_escapes_as_another_error(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    whole = bytearray(shard_of_three_batches(path))
    refused: list[str] = []
    for position in range(0, len(whole), 3):
        whole[position] ^= 0xFF
        path.write_bytes(whole)
        whole[position] ^= 0xFF
        try:
            reader = open_shard(path)
            reader.check()
        except ShardError as error:
            refused.append(str(error))
        else:  # a changed token, id, name or number: the checksum's business
            assert sum(len(reader.tokens(i)) for i in range(len(reader))) <= 12 * 40
    assert len(refused) > 100
    assert all(message.startswith(str(path)) for message in refused)


def test_messages_name_file_and_cure(tmp_path: Path, write_shards: WriteShards) -> None:
    with pytest.raises(ShardError, match="holds no shard"):
        read_shards(tmp_path)
    with pytest.raises(ShardError, match="is no folder"):
        read_shards(tmp_path / "nowhere")
    with pytest.raises(ShardError, match="there is no such shard"):
        open_shard(tmp_path / "nowhere.arrow")
    plain = tmp_path / "plain.arrow"
    with pa.OSFile(str(plain), "wb") as file, pa.ipc.new_stream(file, pa.schema([])):
        pass
    with pytest.raises(ShardError, match="no shard: its metadata lacks"):
        open_shard(plain)
    later = BYTES_SCHEMA.with_metadata(BYTES_SCHEMA.metadata | {b"tamis.shard.version": b"9"})
    write_shard(plain, [], later)
    with pytest.raises(
        ShardError, match="shard format version 9, but this trainer reads version 1"
    ):
        open_shard(plain)
    folder = write_shards([make_row([1])])
    write_shard(folder / "b.arrow", [], shard_schema(257, TOKENIZER, 0))
    with pytest.raises(ShardError, match=r"b\.arrow: made with another tokenizer"):
        read_shards(folder)


def test_read_in_the_order_of_names(write_shards: WriteShards) -> None:
    folder = write_shards([make_row([i]) for i in range(12)], count=12)
    assert [shard.tokens(0).tolist() for shard in read_shards(folder)] == [[i] for i in range(12)]


def test_opens_in_datasets(write_shards: WriteShards) -> None:
    datasets = pytest.importorskip("datasets", reason="the package `datasets` is not installed")
    folder = write_shards([make_row([1, 2, 3]), make_row([4])])
    opened = datasets.Dataset.from_file(str(folder / "00000.arrow"))
    assert opened["tokens"][:] == [[1, 2, 3], [4]]


def test_opens_in_polars(write_shards: WriteShards) -> None:
    polars = pytest.importorskip("polars", reason="the package `polars` is not installed")
    folder = write_shards([make_row([1, 2, 3]), make_row([4])])
    frame = polars.read_ipc_stream(folder / "00000.arrow")
    assert frame["tokens"].to_list() == [[1, 2, 3], [4]]
