"""Packing: nothing is lost, nothing depends on how documents are spread over shards."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainer.shard_rows import WriteShards, batch_of, make_row
from trainer.packing import (
    IGNORE,
    Documents,
    PackedSequences,
    hash_ids,
    held_out_sequences,
    split_held_out,
)
from trainer.shards import ShardError, open_shard, read_shards, write_shard

EOS = 256

# The first token is unique to a document, so that a stream can be taken apart again.
documents_strategy = st.lists(
    st.tuples(st.lists(st.integers(100, 255), max_size=12), st.integers(0, 4)),
    min_size=1,
    max_size=20,
).filter(lambda rows: any(repeats for _, repeats in rows))


def rows_of(drawn: list[tuple[list[int], int]]) -> list[dict[str, Any]]:
    return [make_row([i, *rest], repeats=repeats) for i, (rest, repeats) in enumerate(drawn)]


def documents_of(rows: list[dict[str, Any]], folder: Path, shards: int = 1) -> Documents:
    size = -(-len(rows) // shards)
    readers = []
    for i in range(shards):
        path = folder / f"{i}.arrow"
        batch = batch_of(rows[i * size : (i + 1) * size])
        write_shard(path, [batch], batch.schema)
        readers.append(open_shard(path))
    return Documents.of(readers)


@settings(max_examples=80, deadline=None)
@given(drawn=documents_strategy, length=st.integers(1, 40), seed=st.integers(0, 5))
def test_every_token_is_a_target_exactly_repeats_times_a_pass(
    drawn: list[tuple[list[int], int]], length: int, seed: int, tmp_path_factory: Any
) -> None:
    rows = rows_of(drawn)
    data = PackedSequences(documents_of(rows, tmp_path_factory.mktemp("s")), length, seed)
    per_pass = data.tokens_per_pass
    assert per_pass == sum((len(row["tokens"]) + 1) * row["repeats"] for row in rows)
    sequences = data.batch(0, -(-3 * per_pass // length))
    stream = sequences[:, 1:].reshape(-1)
    inputs = sequences[:, :-1].reshape(-1)
    assert inputs[0] == EOS
    assert (inputs[1:] == stream[:-1]).all()  # each target is predicted from what precedes it
    expected = Counter({tuple(row["tokens"]): row["repeats"] for row in rows if row["repeats"]})
    orders = []
    for number in range(3):
        one = stream[number * per_pass : (number + 1) * per_pass].tolist()
        assert one[-1] == EOS
        ends = [i for i, token in enumerate(one) if token == EOS]
        starts = [0, *(end + 1 for end in ends[:-1])]
        found = [tuple(one[a:b]) for a, b in zip(starts, ends, strict=True)]
        assert Counter(found) == expected
        orders.append(found)
    assert (data.read(0, 3 * per_pass) == stream[: 3 * per_pass]).all()


@settings(max_examples=40, deadline=None)
@given(
    drawn=documents_strategy,
    shuffle=st.randoms(use_true_random=False),
    shards=st.integers(1, 5),
    seed=st.integers(0, 2**63 - 1),
)
def test_order_does_not_depend_on_shards(
    drawn: list[tuple[list[int], int]], shuffle: Any, shards: int, seed: int, tmp_path_factory: Any
) -> None:
    rows = rows_of(drawn)
    moved = list(rows)
    shuffle.shuffle(moved)
    one = PackedSequences(documents_of(rows, tmp_path_factory.mktemp("a")), 7, seed)
    other = PackedSequences(documents_of(moved, tmp_path_factory.mktemp("b"), shards), 7, seed)
    assert (one.batch(0, 40) == other.batch(0, 40)).all()


def test_seed_and_pass_change_the_order(tmp_path: Path) -> None:
    documents = documents_of([make_row([i, i]) for i in range(200)], tmp_path)
    orders = [
        PackedSequences(documents, 8, seed).order(number).tolist()
        for seed in (0, 1)
        for number in (0, 1)
    ]
    assert all(sorted(order) == list(range(200)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    for order in orders:  # shuffled: neighbours in the shard are not neighbours in the pass
        assert np.mean(np.abs(np.diff(order)) == 1) < 0.05


def test_copies_are_spread_over_the_pass(tmp_path: Path) -> None:
    rows = [make_row([i, i], repeats=4) for i in range(200)]
    order = PackedSequences(documents_of(rows, tmp_path), 8, 0).order(0)
    for quarter in np.split(order, 4):
        assert sorted(quarter.tolist()) == list(range(200))


def test_hashes_are_uniform() -> None:
    ids = np.stack([np.arange(20_000), np.zeros(20_000)], axis=1).astype(np.uint64)
    hashed = hash_ids(ids, 7)
    assert len(np.unique(hashed)) == len(ids)
    for bit in range(64):
        ones = int(((hashed >> np.uint64(bit)) & np.uint64(1)).sum())
        assert abs(ones - 10_000) < 5 * np.sqrt(20_000) / 2


def test_held_out_is_decided_by_the_id_alone(write_shards: WriteShards) -> None:
    rows = [make_row([i % 256, i // 256, 7]) for i in range(3_000)]

    def held(some: list[dict[str, Any]], share: float, name: str) -> set[bytes]:
        documents = Documents.of(read_shards(write_shards(some, 3, name)))
        training, out = split_held_out(documents, share, 1, 10**6)
        names = {row.tobytes() for row in out.ids}
        assert not names & {row.tobytes() for row in training.ids}
        assert len(training) + len(out) == len(documents)
        return names

    whole = held(rows, 0.1, "whole")
    assert 200 < len(whole) < 400
    assert held(rows[::-1], 0.1, "reversed") == whole
    half = {row["id"] for row in rows[:1_500]}
    assert held(rows[:1_500], 0.1, "half") == whole & half
    assert whole < held(rows, 0.2, "more")


def test_held_out_holds_enough_and_not_too_much(tmp_path: Path) -> None:
    rows = [make_row([i] * 10) for i in range(200)] + [make_row([255] * 500)]
    documents = documents_of(rows, tmp_path)
    _, held = split_held_out(documents, 0.0, 95, 400)
    assert held.lengths.sum() == 100
    _, held = split_held_out(documents, 0.9, 1, 400)
    assert held.lengths.sum() == 400
    assert held.lengths.max() == 10  # the long document alone would have been too much
    with pytest.raises(ShardError, match="201 documents with 2,500 tokens are too few"):
        split_held_out(documents, 0.0, 100_000, 100_000)


def test_no_documents_is_an_error(tmp_path: Path) -> None:
    documents = documents_of([make_row([1], repeats=0), make_row([])], tmp_path)
    assert len(documents) == 0
    with pytest.raises(ShardError, match="0 documents"):
        split_held_out(documents, 0.1, 1, 10)


@settings(max_examples=40, deadline=None)
@given(drawn=documents_strategy, length=st.integers(1, 40))
def test_held_out_targets_cover_each_document_once(
    drawn: list[tuple[list[int], int]], length: int, tmp_path_factory: Any
) -> None:
    documents = documents_of(rows_of(drawn), tmp_path_factory.mktemp("s"))
    inputs, targets, owner = held_out_sequences(documents, length)
    real = targets != IGNORE
    assert (real == (owner >= 0)).all()
    assert inputs.shape == targets.shape == owner.shape
    for row in range(len(documents)):
        assert targets[owner == row].tolist() == [*documents.tokens(row).tolist(), EOS]
    flat = inputs.reshape(-1)[: real.sum()]
    assert flat.tolist() == [EOS, *targets[real].tolist()[:-1]]
