"""The training loop: held-out loss before and after, checkpoints, a result that can be compared.

`train` is a function of its config and the shards. It leaves in `config.out`:

* `checkpoint.pt`: weights, optimizer and step; the next call with equal settings goes on from it
* `result.json`: losses before and after, tokens, parameters, settings, checksums of the shards
* `model/`: the trained model in Hugging Face format
"""

import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainer.config import ConfigError, TrainConfig
from trainer.export import export
from trainer.held_out import HeldOut, HeldOutLoss, precision
from trainer.model import Qwen2
from trainer.packing import Documents, split_held_out
from trainer.phases import Schedule, pieces, schedule
from trainer.shards import read_shards

REPORT_SECONDS = 0.5  # reading the loss makes the CPU wait for the GPU: not more often than this


@dataclass(frozen=True)
class TrainResult:
    """What a run came to; `run` holds what may differ between two equal runs."""

    before: HeldOutLoss
    after: HeldOutLoss
    by_domain: dict[str, dict[str, HeldOutLoss]]
    """Domain → "before" and "after"."""
    steps: int
    tokens: int
    """Tokens trained on, EOS and repeats included."""
    passes: float
    """tokens over the tokens of one pass through the shards, repeats included."""
    phases: list[dict[str, Any]]
    """Name, sequence length, batch size, steps and tokens of every phase, where there are any."""
    parameters: int
    settings: dict[str, Any]
    """The settings that decide the result."""
    shards: dict[str, str]
    """Name of each shard → its SHA-256."""
    run: dict[str, Any]
    """Seconds, tokens a second, device, threads, version of torch, folders."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands: given to `on_progress`."""

    step: int
    steps: int
    loss: float
    """Mean training loss since the last report, nats a token."""
    learning_rate: float
    tokens_per_second: float
    seconds_left: float


@contextmanager
def _signals() -> Iterator[Callable[[], int | None]]:
    """Within, SIGINT and SIGTERM only make a note; the yielded function returns the signal noted.

    A second signal ends the process as usual. Outside of the main thread, where Python allows no
    handlers, nothing is changed.
    """
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: object) -> None:
        noted.append(number)
        for each, handler in handlers.items():
            signal.signal(each, handler)

    try:
        for number in handlers:
            signal.signal(number, note)
        yield lambda: noted[0] if noted else None
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one. Raises ConfigError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device: {name} is none. Set cpu, cuda or auto.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device: {name}, but torch sees no CUDA device. Set cpu or auto.")
    return device


def adamw(
    model: nn.Module, learning_rate: float, weight_decay: float, betas: tuple[float, float]
) -> torch.optim.AdamW:
    """AdamW (Loshchilov, Hutter, arXiv 1711.05101); norms and biases do not decay."""
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() != 2]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, eps=1e-8, fused=True)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """`write` under a temporary name, then rename: a reader sees the old file or the new one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class _Run:
    """State of a run: model, optimizer, the next step, and the losses evaluated so far."""

    def __init__(
        self, config: TrainConfig, vocabulary_size: int, longest: int, identity: dict[str, Any]
    ) -> None:
        self.config, self.identity = config, identity
        self.device = pick_device(config.device)
        with torch.random.fork_rng(devices=[]):  # drawn on the CPU: equal weights on any device
            torch.manual_seed(config.seed)
            self.model = Qwen2(config.model(vocabulary_size, longest))
        self.model.to(self.device)
        betas = (config.beta1, config.beta2)
        self.optimizer = adamw(self.model, config.learning_rate, config.weight_decay, betas)
        self.step = 0
        self.losses: dict[str, dict[str, HeldOutLoss]] = {}
        self.path = config.out / "checkpoint.pt"

    def save(self) -> None:
        """Write the checkpoint."""
        state = {
            "identity": json.dumps(self.identity),
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "losses": json.dumps(
                {when: {k: asdict(v) for k, v in of.items()} for when, of in self.losses.items()}
            ),
        }
        write_whole(self.path, lambda partial: torch.save(state, partial))

    def load(self) -> None:
        """Continue from the checkpoint, if there is one; ConfigError if it is of another run."""
        if not self.path.exists():
            return
        try:
            state = torch.load(self.path, map_location=self.device, weights_only=True)
            found = json.loads(state["identity"])
        except Exception as error:  # torch raises many kinds for damaged files
            raise ConfigError(
                f"{self.path}: damaged ({error}).\n  Delete it, or train with restart."
            ) from error
        now = json.loads(json.dumps(self.identity))
        changed = [
            f"{key}: {found.get(key)} → {now.get(key)}"
            for key in sorted(found.keys() | now.keys())
            if found.get(key) != now.get(key)
        ]
        if changed:
            raise ConfigError(
                f"{self.path}: belongs to a run with other settings ({'; '.join(changed)}).\n"
                "  Choose another folder for the output, or train with restart."
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.losses = {
            when: {name: HeldOutLoss(**values) for name, values in of.items()}
            for when, of in json.loads(state["losses"]).items()
        }

    def train(self, data: Schedule, report: Callable[[Progress], object] | None) -> float | None:
        """All remaining steps. Returns tokens a second, or None where too few steps were left."""
        config, device = self.config, self.device
        wanted = device.type == "cuda" if config.compile is None else config.compile
        model = torch.compile(self.model) if wanted else self.model
        parameters = list(self.model.parameters())
        steps = data.steps

        def load(step: int) -> Tensor:
            batch = torch.from_numpy(data.batch(step))
            if device.type == "cuda":
                return batch.pin_memory().to(device, non_blocking=True)
            return batch

        total = torch.zeros((), device=device)  # stays on the device: no wait a step
        summed = 0
        clock = reported = time.perf_counter()
        first = self.step
        coming = load(self.step) if self.step < steps else None
        with _signals() as stop:
            while coming is not None:
                batch = coming
                rate = config.learning_rate_at(self.step)
                for group in self.optimizer.param_groups:
                    group["lr"] = rate
                count = pieces(len(batch), config.accumulate)
                for piece in batch.chunk(count):
                    with precision(device):
                        loss = model(piece[:, :-1], piece[:, 1:]).mean() / count
                    loss.backward()
                    total += loss.detach()
                torch.nn.utils.clip_grad_norm_(parameters, config.clip)
                self.optimizer.step()
                self.optimizer.zero_grad(set_to_none=True)
                self.step, summed = self.step + 1, summed + 1
                coming = load(self.step) if self.step < steps else None  # while the GPU works
                now = time.perf_counter()
                if self.step == first + 1:
                    clock = now  # the first step, which may compile, does not count
                number = stop()  # asked once: what comes later waits for the next step
                save = number is not None or self.step % config.checkpoint_every == 0
                if save or coming is None or now - reported > REPORT_SECONDS:
                    mean = total.item() / summed
                    if not math.isfinite(mean):
                        raise FloatingPointError(
                            f"the loss is {mean} near step {self.step}.\n"
                            f"  Lower learning_rate ({rate}) or clip ({config.clip})."
                        )
                    now = time.perf_counter()
                    speed = (self.step - first - 1) / (now - clock) if now > clock else 0.0
                    if report is not None:
                        left = (steps - self.step) / speed if speed else math.inf
                        tokens = speed * config.tokens_per_step
                        report(Progress(self.step, steps, mean, rate, tokens, left))
                    total.zero_()
                    summed, reported = 0, now
                if save or coming is None:
                    self.save()
                if number is not None:
                    if number == signal.SIGINT:
                        raise KeyboardInterrupt
                    raise SystemExit(128 + number)
        done = self.step - first - 1
        return done * config.tokens_per_step / (reported - clock) if done > 0 else None


def train(
    config: TrainConfig, on_progress: Callable[[Progress], object] | None = None
) -> TrainResult:
    """Train as `config` says, going on from a checkpoint in `config.out` where there is one.

    `on_progress` is called about twice a second. On Ctrl-C or SIGTERM the running step is finished,
    a checkpoint is written, and KeyboardInterrupt or SystemExit raised. On one machine with a fixed
    number of CPU threads, a run that was stopped and continued ends with the bits of an undisturbed
    one.
    Raises ConfigError, ShardError (trainer.shards), and FloatingPointError when the loss diverges.
    """
    began = time.perf_counter()
    shards = read_shards(config.shards)
    for shard in shards:
        shard.check()
    checksums = {shard.path.name: shard.sha256() for shard in shards}
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    training, held = split_held_out(
        Documents.of(shards),
        config.held_out_share,
        config.held_out_min_tokens,
        config.held_out_max_tokens,
    )
    names = shards[0].phases
    data = schedule(config, training, names)
    config = replace(config, steps=data.steps, tokens=None)
    config.out.mkdir(parents=True, exist_ok=True)
    identity = config.identity() | {"shards": checksums}
    if names:
        identity["phases"] = data.summary()
    longest = max(phase.data.sequence_length for phase in data.phases)
    run = _Run(config, shards[0].vocabulary_size, longest, identity)
    if config.restart:
        run.path.unlink(missing_ok=True)
    run.load()
    held_out = HeldOut(
        held, config.sequence_length, config.batch_size // config.accumulate, run.device
    )
    if "before" not in run.losses:
        run.losses["before"] = held_out.evaluate(run.model)
    speed = run.train(data, on_progress)
    if "after" not in run.losses:
        run.losses["after"] = held_out.evaluate(run.model)
        run.save()
    before, after = run.losses["before"], run.losses["after"]
    result = TrainResult(
        before=before[""],
        after=after[""],
        by_domain={k: {"before": before[k], "after": after[k]} for k in before if k},
        steps=data.steps,
        tokens=data.tokens,
        passes=data.passes,
        phases=data.summary() if names else [],
        parameters=run.model.parameter_count(),
        settings=config.identity(),
        shards=checksums,
        run={
            "seconds": round(time.perf_counter() - began, 2),
            "tokens_per_second": None if speed is None else round(speed),
            "flops_per_token": run.model.flops_per_token(config.sequence_length),
            "device": str(run.device),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "shards": str(config.shards),
            "out": str(config.out),
        },
    )
    export(run.model, config.out / "model", shards[0].eos)
    text = json.dumps(asdict(result), indent=2) + "\n"
    write_whole(config.out / "result.json", lambda partial: partial.write_text(text))
    return result
