"""Training: it learns, it resumes to the same bits, it says what is wrong."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainer.shard_rows import Row, WriteShards, make_row, prose_rows
from trainer.config import ConfigError, TrainConfig
from trainer.shards import open_shard
from trainer.train import Progress, train

ROOT = Path(__file__).parents[2]

TINY: dict[str, Any] = {
    "steps": 40,
    "sequence_length": 64,
    "batch_size": 4,
    "width": 32,
    "layers": 2,
    "heads": 2,
    "kv_heads": 1,
    "mlp_width": 64,
    "learning_rate": 1e-2,
    "held_out_share": 0.05,
    "held_out_min_tokens": 2_000,
    "held_out_max_tokens": 4_000,
    "checkpoint_every": 10,
    "device": "cpu",
    "threads": 1,
}


def english() -> list[Row]:
    """Real prose that comes with Python: its licence and the docstrings of its library."""
    import argparse
    import asyncio
    import pydoc
    import typing

    text = "\n\n".join(pydoc.plain(pydoc.render_doc(m)) for m in (argparse, asyncio, typing))
    return prose_rows(text, 500)


@pytest.fixture
def folder(write_shards: WriteShards) -> Path:
    rows = english()
    for i, row in enumerate(rows):
        row["domain"] = ("prose", "code")[i % 2]
    return write_shards(rows, 2)


def weights(out: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(out / "checkpoint.pt", weights_only=True)["model"]
    return state


def assert_same(one: Path, other: Path) -> None:
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)
    results = [json.loads((out / "result.json").read_text()) for out in (one, other)]
    for result in results:
        del result["run"]
    assert results[0] == results[1]


def test_held_out_loss_falls(folder: Path, tmp_path: Path) -> None:
    result = train(TrainConfig(shards=folder, out=tmp_path / "out", **TINY | {"steps": 150}))
    assert result.before.loss == pytest.approx(np.log(320), abs=0.3)  # guessing; 257 padded to 320
    assert result.after.loss < result.before.loss - 2.5
    assert result.after.bits_per_byte < 4.7
    assert result.tokens == 150 * 4 * 64
    assert set(result.by_domain) == {"prose", "code"}
    for when in ("before", "after"):
        parts = [losses[when] for losses in result.by_domain.values()]
        whole = getattr(result, when)
        assert sum(part.tokens for part in parts) == whole.tokens
        assert sum(part.n_bytes for part in parts) == whole.n_bytes
        mean = sum(part.loss * part.tokens for part in parts) / whole.tokens
        assert mean == pytest.approx(whole.loss)
    written = json.loads((tmp_path / "out" / "result.json").read_text())
    assert written == asdict(result)
    assert result.shards == {name: open_shard(folder / name).sha256() for name in result.shards}


def test_bits_per_byte_of_bytes(folder: Path, tmp_path: Path) -> None:
    result = train(TrainConfig(shards=folder, out=tmp_path / "out", **TINY | {"steps": 1}))
    # Tokens are bytes here: nats a token over ln 2, but for one EOS a document.
    expected = result.after.loss / np.log(2) * result.after.tokens / result.after.n_bytes
    assert result.after.bits_per_byte == pytest.approx(expected)
    assert result.after.n_bytes < result.after.tokens < 1.01 * result.after.n_bytes


class StopError(Exception):
    pass


def test_stopped_and_continued_equals_undisturbed(folder: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(TrainConfig(shards=folder, out=whole, **TINY))

    def die(at: int) -> Any:
        def report(progress: Progress) -> None:
            if progress.step >= at:
                raise StopError

        return report

    for at in (13, 20, 33):  # dies in the report, before the checkpoint of that step
        with pytest.raises(StopError):
            train(TrainConfig(shards=folder, out=parts, **TINY), die(at))
        assert not (parts / "result.json").exists()
    train(TrainConfig(shards=folder, out=parts, **TINY))
    assert_same(whole, parts)


def test_how_shards_are_cut_does_not_matter(write_shards: WriteShards, tmp_path: Path) -> None:
    rows = english()[:60]
    settings = TINY | {"steps": 5}
    train(TrainConfig(shards=write_shards(rows, 1, "one"), out=tmp_path / "a", **settings))
    train(TrainConfig(shards=write_shards(rows[::-1], 4, "four"), out=tmp_path / "b", **settings))
    left, right = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_a_finished_run_is_not_repeated(folder: Path, tmp_path: Path) -> None:
    config = TrainConfig(shards=folder, out=tmp_path / "out", **TINY | {"steps": 5})
    first = train(config)
    steps: list[Progress] = []
    assert train(config, steps.append).after == first.after
    assert not steps
    again = TrainConfig(shards=folder, out=config.out, restart=True, **TINY | {"steps": 5})
    assert train(again, steps.append).after == first.after
    assert steps


def test_accumulation_changes_only_rounding(folder: Path, tmp_path: Path) -> None:
    settings = TINY | {"steps": 8, "learning_rate": 1e-3}
    whole = train(TrainConfig(shards=folder, out=tmp_path / "a", **settings))
    pieces = train(TrainConfig(shards=folder, out=tmp_path / "b", accumulate=4, **settings))
    assert pieces.after.loss == pytest.approx(whole.after.loss, abs=1e-3)


def test_other_settings_or_shards_are_not_continued(
    folder: Path, write_shards: WriteShards, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    settings = TINY | {"steps": 2}
    train(TrainConfig(shards=folder, out=out, **settings))
    with pytest.raises(ConfigError, match=r"other settings \(seed: 0 → 1\)"):
        train(TrainConfig(shards=folder, out=out, seed=1, **settings))
    other = write_shards(english()[:60], 1, "other")
    with pytest.raises(ConfigError, match=r"other settings \(shards: "):
        train(TrainConfig(shards=other, out=out, **settings))
    (out / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ConfigError, match="damaged"):
        train(TrainConfig(shards=folder, out=out, **settings))


def test_diverging_loss_is_an_error(folder: Path, tmp_path: Path) -> None:
    settings = TINY | {"learning_rate": 1e30, "clip": 1e30}
    with pytest.raises(FloatingPointError, match="Lower learning_rate"):
        train(TrainConfig(shards=folder, out=tmp_path / "out", **settings))
    assert not (tmp_path / "out" / "result.json").exists()


def command(folder: Path, out: Path, steps: int) -> list[str]:
    options = {**TINY, "steps": steps, "checkpoint_every": 100_000}
    words = [word for k, v in options.items() for word in (f"--{k.replace('_', '-')}", str(v))]
    return [sys.executable, "-m", "trainer", str(folder), "--out", str(out), *words]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_checkpoint_that_goes_on(
    folder: Path, tmp_path: Path, number: int, code: int
) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(folder, out, 100_000), cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("step ")
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert not (out / "result.json").exists()
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    assert 0 < state["step"] < 100_000
    settings = TINY | {"steps": 100_000, "checkpoint_every": 100_000}
    steps: list[int] = []

    def stop_at_once(progress: Progress) -> None:
        steps.append(progress.step)
        raise StopError

    with pytest.raises(StopError):
        train(TrainConfig(shards=folder, out=out, **settings), stop_at_once)
    assert steps[0] > state["step"]


def test_command_prints_the_losses(folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        command(folder, tmp_path / "out", 3), cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "before" in done.stdout
    assert "bits/byte" in done.stdout
    assert "step 3/3" in done.stderr
    assert "\r" not in done.stderr  # no terminal, so plain lines
    failed = subprocess.run(
        command(tmp_path / "nowhere", tmp_path / "out2", 3),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert failed.returncode == 1
    assert "is no folder" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_trains_outside_of_the_main_thread(folder: Path, tmp_path: Path) -> None:
    config = TrainConfig(shards=folder, out=tmp_path / "out", **TINY | {"steps": 2})
    thread = threading.Thread(target=train, args=(config,))
    thread.start()
    thread.join()
    assert (config.out / "result.json").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps: 0 must be at least 1"),
        ({"tokens": -5}, "tokens: -5 must be at least 1"),
        ({"learning_rate": float("nan")}, "learning_rate: nan must be a number above 0"),
        ({"beta2": 1.0}, "beta2: 1.0 must lie in"),
        ({"warmup_share": 1.5}, "warmup_share: 1.5 must lie between 0 and 1"),
        ({"held_out_share": 1.0}, "held_out_share: 1.0 would leave nothing"),
        ({"held_out_max_tokens": 1}, "held_out_max_tokens: 1 must not be less"),
        ({"accumulate": 3}, "accumulate: 3 must divide batch_size"),
        ({"heads": 5}, "width: 128 over 5 heads"),
        ({"device": "cuda"}, "sees no CUDA device"),
        ({"device": "abacus"}, "device: abacus is none"),
    ],
)
def test_impossible_settings(
    change: dict[str, Any], message: str, write_shards: WriteShards
) -> None:
    if change.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    folder = write_shards([make_row(range(i, i + 50)) for i in range(50)])
    with pytest.raises(ConfigError, match=message):
        train(TrainConfig(**{"shards": folder, "out": folder, "held_out_min_tokens": 5} | change))


def test_learning_rate_rises_and_falls() -> None:
    config = TrainConfig(shards=Path(), out=Path(), steps=100, learning_rate=1.0, warmup_share=0.1)
    rates = [config.learning_rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[99] == pytest.approx(0.1)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_tokens_replace_steps() -> None:
    config = TrainConfig(shards=Path(), out=Path(), tokens=10_000, steps=1)
    assert config.total_steps == 5  # 8 sequences of 256 tokens a step
    same = TrainConfig(shards=Path(), out=Path(), steps=5)
    assert config.identity() == same.identity()


def test_writing_shards_imports_no_torch() -> None:
    code = "import sys, trainer.shards; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
