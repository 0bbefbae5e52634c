"""Deduplication of 10 billion documents on paper: rounds, tasks, bytes on disk and exchanged.

    python -m benchmarks.scaling [--documents 10000000000]

Near deduplication is run on a small corpus with every limit of a task made a thousandth, so that it
takes the path that a large corpus takes: several ranges of the order, of keys, of pairs and of
clusters. The sizes of the files that it writes, by document, and its numbers of tasks are then
multiplied. So the table follows the code; what it assumes is said below it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.planted import Planted, write_parts
from benchmarks.rounds import Ran, run_rounds
from benchmarks.vocabulary import own_vocabulary
from pipeline.engines.local import LocalEngine
from pipeline.store import Store
from stages.dedupe import exchange, listing, rank
from stages.dedupe.near import NearDedupe
from stages.dedupe.near_config import NearDedupeConfig
from stages.ingest.config import IngestConfig

SMALLER = 1000
SMALL_DOCUMENTS = 83_000
SMALL_PARTS = 83
"""A number that no other round is likely to have tasks of by chance."""
WORDS = 300, 660
"""Words of a document: about 3 kB, like web pages."""
NOT_EXCHANGED = ("sketch/rows.npy", "sketch/minima.npy", "decide", "signatures")
"""What no other task of the same run reads, but the last: rows, minima, and the results."""
HELD = {
    "order": ("documents", rank.RANKED_AT_ONCE, 100),
    "pairs": ("band keys", NearDedupe.keys_per_partition, 50),
    "clusters": ("similar pairs", NearDedupe.pairs_per_cluster_task, 100),
}
"""What a task of a round holds at most: what, how many, and bytes each (docs/dedupe.md)."""
READ_BY = {
    "order": ("sketch",),
    "ranks": ("order",),
    "pairs": ("sketch",),
    "shingles": ("pairs",),
    "verify": ("pairs", "shingles"),
    "decide": ("clusters",),
}
"""Every task of a round looks for its range in every output of these rounds."""


class Projected(NamedTuple):
    """A round on paper: how often it runs, tasks in all, bytes a document by file."""

    name: str
    times: int
    tasks: int
    bytes_each: dict[str, float]


def run_small(documents: int, limit: int) -> tuple[Ran, float]:
    """Runs ``near_dedupe`` with limits of a thousandth; also the bytes of text a document."""
    limits = {
        name: value // limit
        for name, value in vars(NearDedupe).items()
        if name.endswith(("_per_partition", "_per_task", "_per_cluster_task"))
    }
    stage: Any = type("SmallNearDedupe", (NearDedupe,), limits)
    # read by the driver and by tasks, which all run in this process
    vars(rank)["RANKED_AT_ONCE"] //= limit
    vars(rank)["_SAMPLED"] = 16
    vars(exchange)["SAMPLE_STEP"] = 16
    vars(listing)["LISTED_INLINE"] //= limit
    with tempfile.TemporaryDirectory() as folder:
        planted = Planted(documents, own_vocabulary(), *WORDS)
        parts = write_parts(planted, Path(folder), -(-documents // SMALL_PARTS))
        store = Store(Path(folder))
        ran = run_rounds(stage(NearDedupeConfig()), parts, store, LocalEngine(store, 1))
    return ran, sum(part.text_bytes for part in parts) / documents


def project(ran: Ran, documents: int, parts: int) -> list[Projected]:
    """The rounds of a run of ``run_small`` for so many documents in so many parts."""
    larger = documents / SMALL_DOCUMENTS / SMALLER
    projected = []
    for name, one in ran.rounds.items():
        each = one.tasks / one.times
        if each == 1:
            tasks = one.times
        elif each == SMALL_PARTS:
            tasks = one.times * parts
        else:
            tasks = round(one.tasks * larger)
        sizes = {file: size / SMALL_DOCUMENTS for file, size in one.files.items()}
        projected.append(Projected(name, one.times, tasks, sizes))
    return projected


def print_rounds(rounds: list[Projected], documents: int) -> None:
    """The table, and what follows from it."""
    print(f"| round | times | tasks | written, bytes a document | for {documents:,} |")
    print("|---|---|---|---|---|")
    for one in rounds:
        shown = [f"{name} {size:.1f}" for name, size in one.bytes_each.items() if size >= 0.05]
        total = sum(one.bytes_each.values())
        print(
            f"| {one.name} | {one.times} | {one.tasks:,} | {total:.1f}"
            + (f" ({', '.join(shown)})" if len(shown) > 1 else "")
            + f" | {total * documents / 1e12:.2f} TB |"
        )
    written = sum(sum(one.bytes_each.values()) for one in rounds)
    exchanged = sum(
        size
        for one in rounds
        for file, size in one.bytes_each.items()
        if not f"{one.name}/{file}".startswith(NOT_EXCHANGED)
    )
    times = sum(one.times for one in rounds)
    tasks = sum(one.tasks for one in rounds)
    print(f"\nrounds: {times}; tasks: {tasks:,}")
    print(f"on disk: {written:.0f} bytes a document, {written * documents / 1e12:.1f} TB")
    print(f"exchanged: {exchanged:.0f} bytes a document, {exchanged * documents / 1e12:.1f} TB")


def main() -> None:
    """Runs the small corpus and prints the table for the large one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--documents", type=int, default=10_000_000_000)
    given = parser.parse_args()
    part_bytes = IngestConfig().part_bytes
    ran, text_bytes = run_small(SMALL_DOCUMENTS, SMALLER)
    parts = round(given.documents * text_bytes / part_bytes)
    size = given.documents * text_bytes / 1e12
    print(
        f"{given.documents:,} documents of {text_bytes / 1e3:.1f} kB ({size:.1f} TB of text) in"
        f" {parts:,} parts of {part_bytes / 1e6:.0f} MB; a fifth are edited copies\n"
    )
    rounds = project(ran, given.documents, parts)
    print_rounds(rounds, given.documents)
    print("memory of a task:")
    for name, (what, count, each) in HELD.items():
        print(f"  {name}: {count:,} {what} x {each} bytes = {count * each / 1e6:,.0f} MB")
    print("ranges looked for in outputs of other tasks:")
    tasks = {one.name: one.tasks for one in rounds}
    for name, sources in READ_BY.items():
        outputs = sum(tasks[source] for source in sources)
        print(f"  {name}: {tasks[name]:,} x {outputs:,} = {tasks[name] * outputs:.1e}")


if __name__ == "__main__":
    main()
