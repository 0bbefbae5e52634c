"""Training in phases: what each reads, for how long, and that a stopped run goes on alike."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.shard_rows import TOKENIZER, batch_of, make_row
from tests.trainer.test_training import TINY, assert_same
from trainer.config import ConfigError, TrainConfig
from trainer.packing import Documents
from trainer.phases import pieces, schedule, shared_steps
from trainer.shards import open_shard, read_shards, shard_schema, write_shard
from trainer.train import Progress, train

NAMES = ("pretraining", "annealing")
SCHEMA = shard_schema(257, TOKENIZER, 256, NAMES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """200 documents: even ones are read by the first phase, every fifth twice by the second."""
    rows = []
    for n in range(200):
        repeats = [int(n % 2 == 0), 2 * int(n % 5 == 0)]
        text = f"document {n} says {'la ' * (n % 30)}".encode()
        rows.append(make_row(text, repeats=sum(repeats), phase_repeats=repeats))
    shards = tmp_path / "shards"
    shards.mkdir()
    write_shard(shards / "0.arrow", [batch_of(rows[:90], SCHEMA)], SCHEMA)
    write_shard(shards / "1.arrow", [batch_of(rows[90:], SCHEMA)], SCHEMA)
    write_plan(tmp_path / "mixture.json", [64, 128])
    return shards


def write_plan(path: Path, lengths: list[int | None], names: tuple[str, ...] = NAMES) -> None:
    phases = [{"name": n, "sequence_length": t} for n, t in zip(names, lengths, strict=True)]
    path.write_text(json.dumps({"phases": phases}))


def config(folder: Path, **changes: object) -> TrainConfig:
    settings = TINY | {"held_out_min_tokens": 200, "held_out_max_tokens": 400} | changes
    return TrainConfig(shards=folder, out=folder.parent / "out", **settings)


def test_a_shard_says_how_often_each_phase_reads_a_document(folder: Path) -> None:
    shard = open_shard(folder / "0.arrow")
    assert shard.phases == NAMES
    assert shard.phase_repeats().sum(axis=1).tolist() == shard.numbers("repeats").tolist()
    assert shard.phase_repeats()[:3].tolist() == [[1, 2], [0, 0], [1, 0]]


def test_every_phase_reads_its_documents_as_often_as_planned(folder: Path) -> None:
    documents = Documents.of(read_shards(folder))
    plan = schedule(config(folder, steps=None), documents, NAMES)
    assert [phase.data.sequence_length for phase in plan.phases] == [64, 128]
    assert [phase.batch_size for phase in plan.phases] == [4, 2]  # the same tokens a step
    for index, phase in enumerate(plan.phases):
        tokens = int(((documents.lengths + 1) * documents.phase_repeats[:, index]).sum())
        assert phase.data.tokens_per_pass == tokens
        assert phase.steps == -(-tokens // 256)
        rows = phase.data.order(0)
        assert len(rows) == documents.phase_repeats[:, index].sum()
    first, second = plan.phases
    assert plan.at(first.steps - 1) == (first, first.steps - 1)
    assert plan.at(first.steps) == (second, 0)
    assert plan.batch(0).shape == (4, 65)
    assert plan.batch(first.steps).shape == (2, 129)
    assert np.array_equal(plan.batch(first.steps), second.data.batch(0, 2))


def test_a_number_of_steps_is_shared(folder: Path) -> None:
    documents = Documents.of(read_shards(folder))
    plan = schedule(config(folder, steps=None), documents, NAMES)
    shared = schedule(config(folder, steps=10), documents, NAMES)
    assert shared.steps == 10
    assert shared.phases[0].steps == round(10 * plan.phases[0].steps / plan.steps)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6), st.integers(1, 5000))
def test_shared_steps_add_up_and_leave_no_phase_out(planned: list[int], total: int) -> None:
    steps = shared_steps(planned, total)
    assert sum(steps) == total
    assert min(steps) >= (1 if total >= len(planned) else 0)
    exact = [total * each / sum(planned) for each in planned]
    if min(exact) >= 1:
        assert all(abs(a - b) <= 1 for a, b in zip(steps, exact, strict=True))


@given(st.integers(1, 64), st.integers(1, 64))
def test_pieces_of_a_batch_are_equal(batch: int, accumulate: int) -> None:
    assert batch % pieces(batch, accumulate) == 0
    assert pieces(batch, accumulate) <= accumulate


def test_a_run_goes_through_its_phases_and_on_after_a_stop(folder: Path) -> None:
    whole = config(folder)
    result = train(whole)
    assert [phase["name"] for phase in result.phases] == list(NAMES)
    assert sum(phase["steps"] for phase in result.phases) == result.steps == 40
    assert result.tokens == 40 * 256
    exported = json.loads((whole.out / "model" / "config.json").read_text())
    assert exported["max_position_embeddings"] == 128
    stopped = dataclasses.replace(whole, out=folder.parent / "stopped")

    def stop(now: Progress) -> None:
        if now.step >= 35:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(dataclasses.replace(stopped, checkpoint_every=5), stop)
    train(stopped)
    assert_same(whole.out, stopped.out)


def test_a_plan_that_is_missing_or_another_ones_is_a_fault(folder: Path) -> None:
    plan = folder.parent / "mixture.json"
    plan.unlink()
    with pytest.raises(ConfigError, match=r"(?s)phases pretraining, annealing.*--plan"):
        train(config(folder))
    write_plan(plan, [64, 64], ("one", "two"))
    with pytest.raises(ConfigError, match="plans other phases"):
        train(config(folder))
    write_plan(folder.parent / "elsewhere.json", [None, 32])
    given = config(folder, plan=str(folder.parent / "elsewhere.json"))
    documents = Documents.of(read_shards(folder))
    lengths = [p.data.sequence_length for p in schedule(given, documents, NAMES).phases]
    assert lengths == [64, 32]
