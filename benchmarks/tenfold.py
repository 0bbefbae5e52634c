"""Decontamination with the shared benchmarks and with ten times their items, in turns.

    python -m benchmarks.tenfold [--data ../shared/data] [--megabytes 100] [--threads 2] [--times 5]

Both have worker processes of their own that stay, and take the same documents alternately, since
runs a minute apart differ by more on a shared machine than the items cost. The least of
``--times`` counts: what else runs only ever makes a time longer. The items are those of
``benchmarks.decontaminate``: nine changed copies of each beside it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.decontaminate import (
    PART_BYTES,
    external,
    flags_of,
    load_documents,
    megabytes,
    prefix,
    stage_of,
    tenfold,
    write_parts,
)
from benchmarks.decontamination_peers import chosen
from benchmarks.rounds import run_rounds
from benchmarks.usage import cpu_seconds
from pipeline.corpus import Part
from pipeline.engines.local import LocalEngine
from pipeline.store import Store
from stages.decontaminate.window import MODES

GOAL = 0.9
"""Share of its speed that tamis keeps with ten times the items: "flat", less what noise leaves."""


class Side:
    """The stage in one mode with some benchmarks, and the processes that run it."""

    def __init__(self, mode: str, files: Mapping[str, Any], store: Store, threads: int) -> None:
        self.stage = stage_of(mode, files)
        self.externals = {of["path"]: external(of["path"]) for of in files.values()}
        self.store = store
        self.engine = LocalEngine(store, threads)
        self.times: list[tuple[float, float]] = []

    def run(self, parts: Sequence[Part]) -> None:
        """The whole stage but its index; notes seconds by the clock and of CPU time."""
        used = cpu_seconds()
        ran = run_rounds(self.stage, parts, self.store, self.engine, self.externals)
        begun = time.perf_counter()
        for part in parts:
            flags_of(self.stage, self.store, ran, part)
        seconds = time.perf_counter() - begun
        seconds += sum(one.seconds for name, one in ran.rounds.items() if name != "index")
        self.times.append((seconds, cpu_seconds() - used))

    def least(self) -> tuple[float, float]:
        """Seconds by the clock, and of CPU time, each the least of all runs but the first."""
        seconds, cpu = zip(*self.times[1:], strict=True)
        return min(seconds), min(cpu)


def compare(
    mode: str,
    files: Sequence[Mapping[str, Any]],
    parts: Mapping[str, Sequence[Part]],
    store: Store,
    threads: int,
) -> None:
    """Prints one mode's line of the table. ``parts``: few documents first, for the index and all
    that is compiled, then one copy of all documents for each turn."""
    sides = [Side(mode, some, store, threads) for some in files]
    for some in parts.values():
        for side in sides:
            side.run(some)
    (once, once_cpu), (more, more_cpu) = (side.least() for side in sides)
    for side in sides:
        side.engine.close()
    print(
        f"{mode:10}{once:8.2f} s{more:8.2f} s{once_cpu:10.2f} s{more_cpu:8.2f} s"
        f"{once / more:10.2f}{once_cpu / more_cpu:10.2f}",
        flush=True,
    )


def main() -> None:
    """Writes the documents, runs both sides of each mode in turns, prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--documents", type=Path)
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--times", type=int, default=5)
    arguments = parser.parse_args()
    arguments.benchmarks = None
    if not (arguments.data / "open" / "benchmarks").is_dir():
        sys.exit(f"no benchmarks at {arguments.data}: name the data folder with --data")
    texts = load_documents(arguments)
    whole = texts * max(1, round(arguments.megabytes / megabytes(texts)))
    files = {name: {"path": str(path.resolve())} for name, path in chosen(arguments).items()}
    with tempfile.TemporaryDirectory() as name:
        store = Store(Path(name))
        given = {"few": prefix(texts, 2 * PART_BYTES / 1e6)}
        given |= {f"turn-{turn}": whole for turn in range(arguments.times)}
        parts = {name: write_parts(some, store, name) for name, some in given.items()}
        more = tenfold(files, Path(name) / "changed.jsonl")
        print(f"{len(whole):,} documents, {megabytes(whole):.0f} MB; speed kept (goal: {GOAL})")
        print("mode          seconds  tenfold       CPU    tenfold  by clock  by CPU time")
        for mode in MODES:
            compare(mode, (files, more), parts, store, arguments.threads)


if __name__ == "__main__":
    main()
