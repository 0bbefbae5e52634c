"""How deduplication grows: time, memory and disk at 100 thousand, 1 and 10 million documents.

    python -m benchmarks.growth [--documents 100000 1000000 10000000] [--folder FOLDER]
        [--json FILE] [--plot FILE.svg]

Documents of about 1 kB are generated with planted clusters of known Jaccard index
(``benchmarks.planted``) and deduplicated by ``exact_dedupe`` and ``near_dedupe``, each in a process
of its own with the local engine on two workers, from documents parts to decisions. 10 million need
about 20 GB of disk in FOLDER (by default where temporary files lie), which is checked first, and
given back. Recall is the share of pairs, similar enough by their planted Jaccard index, of which a
document was removed; precision the share of removed documents that are similar enough to a kept
one. Recall is also given by Jaccard index, for clusters of two only: in larger ones a third
document can settle a pair that was not found.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.growth_plot import draw
from benchmarks.pairs import Similar, judge
from benchmarks.planted import Pairs, Planted, write_parts
from benchmarks.rounds import Round, removed_documents, run_rounds
from benchmarks.usage import cpu_seconds, run_measured
from benchmarks.vocabulary import own_vocabulary
from pipeline.corpus import Part
from pipeline.engines.local import LocalEngine
from pipeline.stage import Stage
from pipeline.store import Store
from stages.dedupe.exact import ExactDedupe, ExactDedupeConfig
from stages.dedupe.minhash import collision_probability
from stages.dedupe.near import NearDedupe
from stages.dedupe.near_config import NearDedupeConfig

WORKERS = 2
PART_ROWS = 50_000
"""Documents of a part: 50 MB of text, so that 100 thousand documents keep two workers busy."""
FEW = 200
BYTES_NEEDED = 2000
"""Disk a document: 530 bytes of documents (zstd), 750 of the rounds of both stages, and room."""
STEPS = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
"""Planted Jaccard indices between which recall is given; the last step is that of equal texts."""
STAGES: dict[str, Callable[[], Stage[Any]]] = {
    "exact_dedupe": lambda: ExactDedupe(ExactDedupeConfig()),
    "near_dedupe": lambda: NearDedupe(NearDedupeConfig()),
}


@dataclass(frozen=True)
class Step:
    """Recall among planted clusters of two, in a step of the Jaccard index, and what bands and rows
    lead to expect of it: the mean of 1 - (1 - s^rows)^bands."""

    least: float
    pairs: int
    recall: float
    expected: float


@dataclass(frozen=True)
class Grown:
    """A stage at one size. Times are of the clock, ``cpu`` of all processes; bytes of disk."""

    stage: str
    documents: int
    text_bytes: int
    documents_bytes: int
    seconds: float
    cpu: float
    memory_bytes: int
    mapped_bytes: int
    rounds: dict[str, Round]
    removed: int
    recall: float
    precision: float
    by_jaccard: list[Step]

    @property
    def written_bytes(self) -> int:
        """What all rounds wrote."""
        return sum(one.bytes_written for one in self.rounds.values())


def check_room(folder: Path, documents: int) -> None:
    """Ends the program when the disk is too full for so many documents."""
    needed, free = documents * BYTES_NEEDED, shutil.disk_usage(folder).free
    if needed > free:
        raise SystemExit(
            f"{folder}: {documents:,} documents need about {needed / 1e9:.1f} GB of disk, and"
            f" {free / 1e9:.1f} GB are free. Give another place with --folder, or fewer documents"
            " with --documents."
        )


def generate(planted: Planted, folder: Path) -> list[Part]:
    """Writes the documents and a list of their parts."""
    parts = write_parts(planted, folder, PART_ROWS)
    (folder / "parts.json").write_text(json.dumps([asdict(part) for part in parts]))
    return parts


def deduplicate(name: str, folder: Path) -> None:
    """In a process of its own: runs a stage over all parts and writes what it took."""
    parts = [Part(**part) for part in json.loads((folder / "parts.json").read_text())]
    store = Store(folder)
    engine = LocalEngine(store, WORKERS)
    # imports and compilation are not what grows: a few documents first
    few = write_parts(Planted(WORKERS * FEW, own_vocabulary()), folder, FEW // 2, "few")
    run_rounds(STAGES[name](), few, store, engine)
    before, started = cpu_seconds(), time.perf_counter()
    ran = run_rounds(STAGES[name](), parts, store, engine)
    took: dict[str, Any] = {"seconds": time.perf_counter() - started}
    took["cpu"] = cpu_seconds() - before
    engine.close()
    took["rounds"] = {label: asdict(one) for label, one in ran.rounds.items()}
    (folder / f"{name}.json").write_text(json.dumps(took))
    np.save(folder / f"{name}.npy", removed_documents(ran, parts, store))


def measure(name: str, folder: Path, parts: Sequence[Part], pairs: Pairs) -> Grown:
    """Runs a stage and judges it by the planted pairs."""
    memory = run_measured(["-m", "benchmarks.growth", "--stage", name, "--folder", str(folder)])
    took = json.loads((folder / f"{name}.json").read_text())
    removed = np.load(folder / f"{name}.npy")
    least = 1.0 if name == "exact_dedupe" else NearDedupeConfig().min_jaccard
    alike = pairs.jaccard >= least
    truth = Similar(pairs.left[alike], pairs.right[alike], pairs.jaccard[alike])
    judged = judge(truth, removed)
    return Grown(
        name,
        len(removed),
        sum(part.text_bytes for part in parts),
        sum((folder / part.documents).stat().st_size for part in parts),
        took["seconds"],
        took["cpu"],
        *memory,
        {label: Round(**one) for label, one in took["rounds"].items()},
        int(removed.sum()),
        judged.recall,
        judged.precision,
        recall_by_jaccard(pairs, removed),
    )


def recall_by_jaccard(pairs: Pairs, removed: np.ndarray[Any, np.dtype[np.bool_]]) -> list[Step]:
    """Recall in the steps of ``STEPS``, from ``min_jaccard`` on, that have clusters of two."""
    partners = np.bincount(np.concatenate([pairs.left, pairs.right]), minlength=len(removed))
    resolved = removed[pairs.left] | removed[pairs.right]
    alone = partners[pairs.left] == 1
    shape = NearDedupeConfig().shape
    found = []
    steps = [step for step in STEPS if step >= NearDedupeConfig().min_jaccard]
    for least, most in zip(steps, [*steps[1:], np.inf], strict=True):
        within = alone & (pairs.jaccard >= least) & (pairs.jaccard < most)
        if within.any():
            values, counts = np.unique(pairs.jaccard[within], return_counts=True)
            likely = [collision_probability(value, *shape) for value in values]
            expected = float(np.average(likely, weights=counts))
            recall = float(resolved[within].mean())
            found.append(Step(least, int(within.sum()), recall, expected))
    return found


def exponent(runs: Sequence[Grown], of: Callable[[Grown], float]) -> float:
    """The slope of a quantity over the number of documents, both as logarithms (least squares)."""
    sizes = np.log([run.documents for run in runs])
    return float(np.polyfit(sizes, np.log([of(run) for run in runs]), 1)[0])


def print_run(run: Grown) -> None:
    """One run: totals, rounds, recall."""
    rate = run.documents / run.seconds
    print(
        f"{run.stage}: {run.seconds:,.1f} s ({run.cpu:,.1f} s of CPU), {rate:,.0f} documents/s,"
        f" {run.text_bytes / run.seconds / 1e6:,.1f} MB/s; memory {run.memory_bytes / 1e6:,.0f} MB"
        f" (PSS of all processes) and {run.mapped_bytes / 1e6:,.0f} MB of mapped files;"
        f" disk {run.documents_bytes / 1e6:,.0f} MB of documents,"
        f" {run.written_bytes / 1e6:,.0f} MB written"
    )
    for label, one in run.rounds.items():
        print(
            f"  {label:<12}{one.seconds:>9.2f} s {one.tasks:>6,} tasks"
            f"{one.bytes_written / run.documents:>9.1f} bytes a document"
        )
    if run.stage == "near_dedupe":
        shown = [
            f"{one.least:.2f}+ {one.recall:.1%} ({one.expected:.1%})" for one in run.by_jaccard
        ]
        print("  clusters of two by Jaccard index, found (expected): " + ", ".join(shown))
    print(
        f"  removed {run.removed:,}, recall {run.recall:.3%}, precision {run.precision:.4%}",
        flush=True,
    )


def main() -> None:
    """Runs every size, prints each, fits the growth, writes figures and the plot."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--documents", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000]
    )
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--plot", type=Path, help="where the plot goes (SVG)")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        deduplicate(given.stage, given.folder)
        return
    # ended by kill, it still gives the disk back
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    given.folder.mkdir(parents=True, exist_ok=True)
    check_room(given.folder, max(given.documents))
    vocabulary = own_vocabulary()
    runs: list[Grown] = []
    for documents in sorted(given.documents):
        planted = Planted(documents, vocabulary)
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            started = time.perf_counter()
            parts = generate(planted, Path(folder))
            took = time.perf_counter() - started
            size = sum(part.text_bytes for part in parts)
            print(
                f"\n{documents:,} documents, {size / 1e6:,.0f} MB of text, {len(parts)} parts,"
                f" generated in {took:,.1f} s"
            )
            pairs = planted.pairs()
            for name in STAGES:
                runs.append(measure(name, Path(folder), parts, pairs))
                print_run(runs[-1])
    for name in STAGES if len(runs) > len(STAGES) else ():
        chosen = [run for run in runs if run.stage == name]
        by_clock = exponent(chosen, lambda run: run.seconds)
        by_cpu = exponent(chosen, lambda run: run.cpu)
        print(f"{name}: time grows as n^{by_clock:.3f}, CPU time as n^{by_cpu:.3f}")
    if given.json or given.plot:
        content = json.dumps([asdict(run) for run in runs], indent=1) + "\n"
        if given.json:
            given.json.write_text(content)
        if given.plot:
            draw(json.loads(content), given.plot)


if __name__ == "__main__":
    main()
