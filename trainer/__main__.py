"""`python -m trainer SHARDS --out DIR`: train on a folder of shards."""

import argparse
import sys
import time
import typing

from trainer.config import ConfigError, TrainConfig
from trainer.held_out import HeldOutLoss
from trainer.options import add_options
from trainer.shards import ShardError
from trainer.train import Progress, train

PLAIN_SECONDS = 10.0  # between two lines when not on a terminal


class ProgressLine:
    """One live line on a terminal; a plain line every few seconds elsewhere."""

    def __init__(self, stream: typing.TextIO) -> None:
        self.stream = stream
        self.live = stream.isatty()
        self.last = 0.0

    def __call__(self, now: Progress) -> None:
        clock = time.monotonic()
        ended = now.step == now.steps
        if not self.live and not ended and clock - self.last < PLAIN_SECONDS:
            return
        self.last = clock
        left = "" if now.seconds_left == float("inf") else f"{now.seconds_left:.0f} s left"
        text = (
            f"step {now.step}/{now.steps}  loss {now.loss:.3f}  lr {now.learning_rate:.2e}  "
            f"{now.tokens_per_second:,.0f} tokens/s  {left}"
        )
        start, end = ("\r\x1b[K", "\n" if ended else "") if self.live else ("", "\n")
        print(start + text.rstrip(), end=end, file=self.stream, flush=True)


def parser() -> argparse.ArgumentParser:
    """The command's arguments: one option for each field of TrainConfig."""
    command = argparse.ArgumentParser(
        prog="python -m trainer",
        description="Train a Qwen2 model on a folder of Arrow shards and print its held-out loss.",
    )
    add_options(command, TrainConfig, "shards")
    return command


def _line(when: str, loss: HeldOutLoss) -> str:
    return f"{when:<8}{loss.loss:8.4f} nats/token  {loss.bits_per_byte:7.4f} bits/byte"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    try:
        config = TrainConfig(**vars(parser().parse_args(arguments)))
        result = train(config, ProgressLine(sys.stderr))
    except (ConfigError, ShardError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    print(
        f"{result.parameters:,} parameters, {result.tokens:,} tokens "
        f"({result.passes:.2f} passes), {result.run['seconds']:.0f} s on {result.run['device']}"
    )
    print(f"held out: {result.before.tokens:,} tokens, {result.before.n_bytes:,} bytes")
    print(_line("before", result.before))
    print(_line("after", result.after))
    for domain, losses in sorted(result.by_domain.items()):
        print(_line(f"  {domain}: before", losses["before"]))
        print(_line(f"  {domain}: after", losses["after"]))
    print(f"written to {config.out}: result.json, checkpoint.pt, model/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
