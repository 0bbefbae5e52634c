"""`python -m trainer.reward SOLUTIONS --out DIR`: train a reward model on labelled solutions.

SOLUTIONS is a file of :mod:`trainer.reward_data`. Problems are split by a hash of their name, so no
problem is on both sides; each step takes some problems with all their solutions. It leaves in
`DIR`:

* `result.json`: pairwise accuracy and loss on held-out problems before and after, and the settings
* `scores.json`: the score of every row of a held-out problem
* `model/`: the model in Hugging Face format (`Qwen2ForSequenceClassification`), without a tokenizer
"""

import argparse
import hashlib
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainer.config import ConfigError, RunConfig, cosine_share, setting
from trainer.held_out import precision
from trainer.options import add_options
from trainer.reward_data import (
    Bools,
    Ints,
    Solutions,
    SolutionsError,
    contrasting_problems,
    held_out_problems,
    padded,
    problems_of_step,
    read_solutions,
)
from trainer.reward_model import LOSSES, RewardModel, export_reward, read_pretrained
from trainer.reward_scores import HeldOutPairs, compare_held_out, score_rows
from trainer.train import adamw, pick_device, write_whole

# What may change without changing the result.
_NOT_IDENTITY = ("data", "out", "device", "threads")
_BETAS = (0.9, 0.95)


@dataclass(frozen=True)
class RewardTrainConfig(RunConfig):
    """Settings of one run; raises ConfigError for impossible values."""

    data: Path = field(metadata={"help": "file of labelled solutions (Arrow IPC)"})
    out: Path = field(metadata={"help": "folder for result.json, scores.json and the model"})
    loss: str = setting(
        "listwise", "listwise (Qwen2.5-Math: each problem weighs the same) or bradley-terry"
    )
    language_weight: float = setting(
        0.0, "weight of the language loss on right responses, beside the loss on pairs"
    )
    epochs: float = setting(3.0, "passes over the problems trained on")
    problems: int = setting(8, "problems of one step, each with all its solutions")
    learning_rate: float = setting(1e-3, "peak learning rate of AdamW")
    final_share: float = setting(0.1, "learning rate of the last step, as a share of the peak")
    warmup_share: float = setting(0.05, "share of the steps with a linear warm-up; then cosine")
    weight_decay: float = setting(0.1, "decoupled weight decay on matrices")
    clip: float = setting(1.0, "largest norm of the gradient")
    init: str | None = setting(
        None, "folder of a Qwen2 or Llama model in Hugging Face format to start from"
    )
    width: int = setting(128, "model width, C (without init)")
    layers: int = setting(4, "transformer layers (without init)")
    heads: int = setting(4, "query heads (without init)")
    kv_heads: int = setting(2, "key and value heads (without init)")
    mlp_width: int = setting(384, "width inside SwiGLU (without init)")
    max_length: int = setting(512, "longest prompt and response; longer rows are left out")
    seed: int = setting(0, "seed of weights, split and order")
    held_out_share: float = setting(0.2, "share of problems held out, by a hash of their name")
    hold_out: str | None = setting(
        None, "problems whose name begins with this are all held out, beside the share"
    )
    device: str = setting("auto", "cpu, cuda, cuda:1, … ; auto takes CUDA where there is one")
    threads: int | None = setting(None, "CPU threads of torch; a fixed number fixes the bits")

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", Path(self.data))
        object.__setattr__(self, "out", Path(self.out))
        self.require("loss", self.loss in LOSSES, f"is none. Set {' or '.join(LOSSES)}")
        for name in ("problems", "max_length", "epochs", "learning_rate", "clip"):
            value = getattr(self, name)
            self.require(name, 0 < value < math.inf, "must be a number above 0")
        for name in ("final_share", "warmup_share"):
            self.require(name, 0 <= getattr(self, name) <= 1, "must lie between 0 and 1")
        for name in ("weight_decay", "language_weight"):
            self.require(name, 0 <= getattr(self, name) < math.inf, "must not be negative")
        self.require("seed", 0 <= self.seed < 1 << 63, "must lie in [0, 2^63)")
        self.require("held_out_share", 0 < self.held_out_share < 1, "must lie between 0 and 1")
        self.sizes(1, self.max_length)

    def steps(self, problems: int) -> int:
        """Steps that take `epochs` passes over so many problems."""
        return max(1, math.ceil(self.epochs * problems / self.problems))

    def identity(self) -> dict[str, Any]:
        """The settings that decide the result."""
        return {k: v for k, v in asdict(self).items() if k not in _NOT_IDENTITY}


@dataclass(frozen=True)
class RewardResult:
    """What a run came to; `run` holds what may differ between two equal runs."""

    before: HeldOutPairs
    after: HeldOutPairs
    problems: int
    """Problems trained on: those with right and wrong solutions."""
    solutions: int
    """Their rows."""
    too_long: int
    """Rows left out since they are longer than `max_length`."""
    steps: int
    parameters: int
    settings: dict[str, Any]
    data_sha256: str
    run: dict[str, Any]
    """Seconds, device, threads, version of torch, mean training loss of each tenth of the run."""


def _train_steps(
    config: RewardTrainConfig,
    model: RewardModel,
    solutions: Solutions,
    groups: list[Ints],
    device: torch.device,
    report: Callable[[int, int, float], object] | None,
) -> list[float]:
    """All steps; the mean training loss of each tenth of them. Raises FloatingPointError."""
    steps = config.steps(len(groups))
    optimizer = adamw(model, config.learning_rate, config.weight_decay, _BETAS)
    multiple = 64 if device.type == "cuda" else 1
    losses: list[Tensor] = []
    for step in range(steps):
        share = cosine_share(step, steps, config.warmup_share, config.final_share)
        for parameters in optimizer.param_groups:
            parameters["lr"] = config.learning_rate * share
        numbers = problems_of_step(len(groups), step, config.problems, config.seed)
        chosen = [groups[number] for number in numbers]
        with precision(device):
            loss = _loss(config, model, solutions, chosen, device, multiple)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())
        if (step + 1) * 10 // steps > step * 10 // steps:
            mean = torch.stack(losses[-math.ceil(steps / 10) :]).mean().item()
            if not math.isfinite(mean):
                raise FloatingPointError(
                    f"the loss is {mean} near step {step}.\n"
                    f"  Lower learning_rate ({config.learning_rate}) or clip ({config.clip})."
                )
            if report is not None:
                report(step + 1, steps, mean)
    tenths = np.array_split(torch.stack(losses).float().cpu().numpy(), min(10, steps))
    return [round(float(tenth.mean()), 4) for tenth in tenths]


def _loss(
    config: RewardTrainConfig,
    model: RewardModel,
    solutions: Solutions,
    groups: list[Ints],
    device: torch.device,
    multiple: int,
) -> Tensor:
    """The loss of a step over some problems."""
    rows = np.concatenate(groups)
    batch, ends = padded(solutions, rows, multiple)
    tokens, last = torch.from_numpy(batch).to(device), torch.from_numpy(ends).to(device)
    right = torch.from_numpy(solutions.right[rows]).to(device)
    sizes = [len(group) for group in groups]
    hidden = model.model(tokens)
    scores = model.scores(hidden, last)
    loss = LOSSES[config.loss](list(scores.split(sizes)), list(right.split(sizes)))
    if config.language_weight:
        begins = np.array([len(solutions.prompts[int(row)]) for row in rows])
        places = np.arange(batch.shape[1])
        wanted = (places >= begins[:, None]) & (places <= ends[:, None])
        wanted &= solutions.right[rows][:, None]
        language = model.language_loss(hidden, tokens, torch.from_numpy(wanted).to(device))
        loss = loss + config.language_weight * language
    return loss


def _model(config: RewardTrainConfig, vocabulary_size: int) -> RewardModel:
    """The model before training, drawn on the CPU: equal weights on any device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        if config.init is None:
            return RewardModel(config.sizes(vocabulary_size, config.max_length))
        try:
            model = read_pretrained(config.init, config.max_length)
        except ValueError as error:
            raise ConfigError(f"init: {error}") from error
    if model.config.vocabulary_size < vocabulary_size:
        raise ConfigError(
            f"init: {config.init} has {model.config.vocabulary_size} tokens, the solutions"
            f" {vocabulary_size}. Write the solutions with its tokenizer."
        )
    return model


def _parted(
    config: RewardTrainConfig, solutions: Solutions, fits: Bools
) -> tuple[list[Ints], Ints]:
    """The rows of each problem to train on, and all rows that are held out; of both those that
    ``fits`` names. Raises SolutionsError where either side has no problem to compare."""
    names = solutions.problem_names
    held = held_out_problems(names, config.held_out_share, config.seed)
    if config.hold_out is not None:
        held |= np.array([name.startswith(config.hold_out) for name in names])
    is_held = held[solutions.problems]
    groups = contrasting_problems(solutions, np.flatnonzero(fits & ~is_held))
    held_rows = np.flatnonzero(fits & is_held)
    if not groups or not contrasting_problems(solutions, held_rows):
        raise SolutionsError(
            f"{config.data}: no problem with right and wrong solutions to"
            f" {'check' if groups else 'train'} on. Give more problems, or set held_out_share"
            f" ({config.held_out_share}) or max_length ({config.max_length})."
        )
    return groups, held_rows


def train_reward(
    config: RewardTrainConfig, report: Callable[[int, int, float], object] | None = None
) -> RewardResult:
    """Train as `config` says; `report` is given step, steps and mean loss ten times.

    On one machine with a fixed number of CPU threads the same data gives the same bits. Raises
    ConfigError, SolutionsError, and FloatingPointError when the loss diverges.
    """
    began = time.perf_counter()
    solutions = read_solutions(config.data)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    fits = solutions.lengths() <= config.max_length
    groups, held_rows = _parted(config, solutions, fits)
    device = pick_device(config.device)
    model = _model(config, solutions.vocabulary_size).to(device)
    before = compare_held_out(solutions, held_rows, score_rows(model, solutions, held_rows, device))
    tenths = _train_steps(config, model, solutions, groups, device, report)
    scores = score_rows(model, solutions, held_rows, device)
    result = RewardResult(
        before=before,
        after=compare_held_out(solutions, held_rows, scores),
        problems=len(groups),
        solutions=sum(len(group) for group in groups),
        too_long=int((~fits).sum()),
        steps=config.steps(len(groups)),
        parameters=model.parameter_count(),
        settings=config.identity(),
        data_sha256=hashlib.sha256(config.data.read_bytes()).hexdigest(),
        run={
            "seconds": round(time.perf_counter() - began, 2),
            "device": str(device),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "losses": tenths,
        },
    )
    _write(config.out, result, model, solutions.pad, held_rows, scores)
    return result


def _write(
    out: Path, result: RewardResult, model: RewardModel, pad: int, rows: Ints, scores: Any
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    export_reward(model, out / "model", pad)
    listed = {"rows": rows.tolist(), "scores": [round(float(score), 4) for score in scores]}
    _write_json(out / "scores.json", listed)
    _write_json(out / "result.json", asdict(result))


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=1) + "\n"
    write_whole(path, lambda partial: partial.write_text(text))


def parser() -> argparse.ArgumentParser:
    """The command's arguments: one option for each field of RewardTrainConfig."""
    command = argparse.ArgumentParser(
        prog="python -m trainer.reward",
        description="Train a reward model on labelled solutions and print its pairwise accuracy.",
    )
    add_options(command, RewardTrainConfig, "data")
    return command


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    try:
        config = RewardTrainConfig(**vars(parser().parse_args(arguments)))
        result = train_reward(
            config, lambda step, steps, loss: print(f"step {step}/{steps}  loss {loss:.4f}")
        )
    except (ConfigError, SolutionsError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(
        f"{result.parameters:,} parameters, {result.problems:,} problems, {result.steps:,} steps,"
        f" {result.run['seconds']:.0f} s on {result.run['device']}"
    )
    for when, pairs in (("before", result.before), ("after", result.after)):
        print(
            f"{when:<8}{pairs.pairwise_accuracy:.4f} of {pairs.pairs:,} held-out pairs in order,"
            f" loss {pairs.loss:.4f}"
        )
    print(f"written to {config.out}: result.json, scores.json, model/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
