"""The stage `train`: a model from shards, and going on after a kill."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.task import TaskRun
from stages.tokenizer.make import write_trained
from stages.train import TrainConfig, train_model
from stages.trainer_process import trainer_options
from tests.stages.small_corpus import entry, sentences, walk_over

SMALL = {
    "steps": 30,
    "sequence_length": 64,
    "batch_size": 4,
    "width": 32,
    "layers": 1,
    "heads": 2,
    "kv_heads": 1,
    "mlp_width": 64,
    "held_out_min_tokens": 500,
    "held_out_max_tokens": 2000,
    "threads": 1,
    "checkpoint_every": 5,
}

# Runs one task as a worker would; the test kills it on the way.
WORKER = """
import json, sys
from pathlib import Path
from pipeline.store import Store
from pipeline.task import TaskRun
from stages.train import train_model
root, output, arguments = sys.argv[1:]
train_model(TaskRun(json.loads(arguments), {}, Store(Path(root)), Path(output)))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    docs = [{"text": text} for text in sentences(200)]
    chain = [
        entry("tokenize", vocabulary_size=400, train_bytes=20_000),
        entry("shard", shard_tokens=10_000),
        entry("train", **SMALL),
    ]
    return walk_over(tmp_path_factory.mktemp("corpus"), [docs[:100], docs[100:]], chain)


def test_the_loss_falls_and_the_record_holds_no_measurement(trained):
    record = trained.walked.records["train"]
    result = json.loads(trained.store.path(record["result"]).read_text())
    assert result["after"]["loss"] < result["before"]["loss"] - 0.1
    assert result["steps"] == 30
    assert set(record) == {"result", "model"}
    model = trained.store.path(record["model"])
    assert {path.name for path in model.iterdir()} >= {"config.json", "model.safetensors"}
    assert not trained.store.path("scratch/train").exists() or not any(
        trained.store.path("scratch/train").iterdir()
    )


def test_a_killed_training_goes_on_from_its_checkpoint(trained, tmp_path):
    task = next(t for t in trained.executed if t.function == "stages.train:train_model")
    arguments = {**task.arguments, "config": {**task.arguments["config"], "steps": 200}}
    output = tmp_path / "fingerprint-1"
    output.mkdir()
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(trained.store.root), str(output), json.dumps(arguments)],
        cwd=Path(__file__).resolve().parents[2],
    )
    scratch = trained.store.path("scratch/train/fingerprint")
    checkpoint = scratch / "out" / "checkpoint.pt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists():
        assert worker.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    # The trainer ends with the worker that started it: nothing else writes the checkpoint then.
    trainer_of_worker = [
        place for place in Path("/proc").glob("[0-9]*/cmdline") if str(scratch) in _read(place)
    ]
    while any(str(scratch) in _read(place) for place in trainer_of_worker):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not (output / "result.json").exists()

    second = tmp_path / "fingerprint-2"
    second.mkdir()
    train_model(TaskRun(arguments, {}, trained.store, second))
    undisturbed = tmp_path / "undisturbed-1"
    undisturbed.mkdir()
    train_model(TaskRun(arguments, {}, trained.store, undisturbed))
    results = [json.loads((f / "result.json").read_text()) for f in (second, undisturbed)]
    for result in results:
        del result["run"]
    assert results[0] == results[1]
    assert not scratch.exists()


def _read(place):
    try:
        return place.read_text(errors="replace")
    except OSError:
        return ""


def test_a_failing_trainer_says_why(trained, tmp_path):
    task = next(t for t in trained.executed if t.function == "stages.train:train_model")
    output = tmp_path / "failing-1"
    output.mkdir()
    arguments = {**task.arguments, "config": {**task.arguments["config"], "heads": 3}}
    with pytest.raises(RuntimeError, match=r"exit code 1\. (.|\n)*heads"):
        train_model(TaskRun(arguments, {}, trained.store, output))
    shutil.rmtree(trained.store.path("scratch/train/failing"))


def test_every_setting_is_an_option_of_the_trainer():
    from trainer.__main__ import parser

    config = json.loads(TrainConfig(tokens=1000).model_dump_json())
    options = parser().parse_args(["shards", "--out", "out", *trainer_options(config)])
    assert {name: getattr(options, name) for name in config} == config


def test_shards_are_needed(tmp_path):
    assert entry("train").stage.needs_stages() == ("shard",)
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    write_trained(tokenizer, sentences(10), 300)
    tokenize = entry("tokenize", tokenizer="file", file=str(tokenizer / "tokenizer.json"))
    with pytest.raises(ValueError, match="no document is left"):
        walk_over(tmp_path, [[]], [tokenize, entry("shard"), entry("train")])


def test_impossible_models_name_the_cure():
    with pytest.raises(ValidationError, match="Set width: 99"):
        TrainConfig(width=100, heads=3, kv_heads=3)
    with pytest.raises(ValidationError, match="kv_heads"):
        TrainConfig(heads=4, kv_heads=3)
    with pytest.raises(ValidationError, match="held_out_max_tokens"):
        TrainConfig(held_out_max_tokens=5)
