"""Training on the shards: the compact trainer, in a process of its own."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import IO, Self

from pydantic import model_validator

from pipeline.corpus import Corpus
from pipeline.stage import Artefacts, Stage, StageConfig, setting
from pipeline.task import Json, Receipt, Resources, Task, TaskRun
from stages.trainer_process import run_trainer, trainer_options

RESULT_FILE = "result.json"
CHECKPOINT_FILE = "checkpoint.pt"
MODEL_FOLDER = "model"
LOG_FILE = "log.txt"


class TrainConfig(StageConfig):
    """A Qwen2 model and its training. The defaults take about a minute on two CPU cores; they show
    that the corpus can be learned from, no more."""

    steps: int | None = setting(
        200,
        about="Optimizer steps, shared by the phases as `balance` plans them. Null: as many as the"
        " phases plan, or 150 without phases.",
        ge=1,
    )
    tokens: int | None = setting(None, about="Tokens to train on; replaces `steps`.", ge=1)
    sequence_length: int = setting(256, about="Tokens of one sequence.", ge=2)
    batch_size: int = setting(8, about="Sequences of one optimizer step.", ge=1)
    learning_rate: float = setting(3e-3, about="Peak learning rate of AdamW.", gt=0)
    width: int = setting(128, about="Width of the model.", ge=8)
    layers: int = setting(4, about="Transformer layers.", ge=1)
    heads: int = setting(4, about="Query heads.", ge=1)
    kv_heads: int = setting(2, about="Key and value heads.", ge=1)
    mlp_width: int = setting(384, about="Width inside SwiGLU.", ge=8)
    held_out_share: float = setting(
        0.01, about="Share of documents held out, chosen by a hash of their id.", ge=0, lt=1
    )
    held_out_min_tokens: int = setting(16_384, about="Hold out at least this many tokens.", ge=1)
    held_out_max_tokens: int = setting(
        65_536, about="Stop holding out when this many are reached.", ge=1
    )
    seed: int = setting(0, about="Seed of the weights and of the order of documents.", ge=0)
    device: str = setting("cpu", about="`cpu`, `cuda`, or `auto`: CUDA where there is one.")
    threads: int | None = setting(
        2, about="CPU threads. A fixed number fixes the bits on one machine.", ge=1
    )
    checkpoint_every: int = setting(100, about="Steps between two checkpoints.", ge=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.width % self.heads:
            raise ValueError(
                f"width: {self.width} is not a multiple of heads ({self.heads})."
                f" Set width: {self.width // self.heads * self.heads or self.heads}."
            )
        if self.heads % self.kv_heads:
            raise ValueError(
                f"heads: {self.heads} is not a multiple of kv_heads ({self.kv_heads})."
                " Set kv_heads to a divisor of it."
            )
        if self.held_out_max_tokens < self.held_out_min_tokens:
            raise ValueError(
                f"held_out_max_tokens: {self.held_out_max_tokens} is less than"
                f" held_out_min_tokens ({self.held_out_min_tokens}). Raise it."
            )
        return self


class Train(Stage[TrainConfig]):
    """See the module."""

    name = "train"
    version = 1
    Config = TrainConfig
    summary = "Train a small Qwen2 model on the shards; held-out loss before and after."
    drops = False
    needs_corpus = True

    def needs_stages(self) -> tuple[str, ...]:
        """The stage that writes what it reads."""
        return ("shard",)

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Artefacts]:
        """One task. What it measures is not the same on every machine, so the record says what was
        trained and where the result lies, but no loss."""
        shards = dict(sorted(corpus.artefacts["shard"].items()))
        if not shards:
            raise ValueError("there is no shard to train on: no document is left.")
        (done,) = yield [
            corpus.task(
                "stages.train:train_model",
                "run",
                {
                    "shards": shards,
                    "plan": corpus.artefacts.get("balance", {}).get("plan"),
                    "config": self.measured_config(),
                },
                label="training",
                resources=Resources(cpus=float(self.config.threads or 1)),
            )
        ]
        return Artefacts(
            shared={"result": done.path(RESULT_FILE)},
            record={"result": done.path(RESULT_FILE), "model": done.path(MODEL_FOLDER)},
        )


def train_model(run: TaskRun) -> Json:
    """Runs ``python -m trainer`` over the shards. A run that was killed goes on from its last
    checkpoint, which lies in the workspace's scratch folder under the fingerprint of this task.

    Raises RuntimeError with the trainer's last lines when it fails.
    """
    # The output folder is named `<fingerprint>-<random>` until it is whole.
    scratch = run.store.path(f"scratch/train/{run.output.name.rsplit('-', 1)[0]}")
    shards = scratch / "shards"
    shards.mkdir(parents=True, exist_ok=True)
    place = scratch.with_suffix(".lock")
    with place.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # waits for the trainer of a killed run to end
        _train_in(run, scratch, lock)
        place.unlink(missing_ok=True)
    return None


def _train_in(run: TaskRun, scratch: Path, lock: IO[str]) -> None:
    """Trains in the scratch folder, whose lock the trainer holds as long as it lives."""
    shards = scratch / "shards"
    for name, path in run.arguments["shards"].items():
        link = shards / name
        link.unlink(missing_ok=True)
        link.symlink_to(run.path(path).resolve())
    trained = scratch / "out"
    options = ["trainer", str(shards), "--out", str(trained)]
    options += trainer_options(run.arguments["config"])
    if run.arguments["plan"] is not None:
        options.append(f"--plan={run.path(run.arguments['plan']).resolve()}")
    run_trainer(options, run.output / LOG_FILE, [lock.fileno()])
    for name in (RESULT_FILE, CHECKPOINT_FILE):
        shutil.copyfile(trained / name, run.output / name)
    shutil.copytree(trained / MODEL_FOLDER, run.output / MODEL_FOLDER)
    shutil.rmtree(scratch)
