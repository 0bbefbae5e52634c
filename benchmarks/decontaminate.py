"""Decontamination beside its peers: the same documents, the same benchmarks, the same cores.

    python -m benchmarks.decontaminate [--data ../shared/data] [--documents FILE.jsonl[.gz|.zst]]
        [--benchmarks gsm8k humaneval] [--decon PYTHON] [--threads 2] [--megabytes 100]

tamis is the whole stage as a build runs it, on two worker processes: Parquet parts are read,
matched, counted, matches written and read again, documents decided on; what it takes is that of
all but the index. Its peers get the texts of the first ``--peer-megabytes``: datatrove's 12-gram
filter in memory, decon as JSON lines (see ``decontamination_peers.py``). All documents flagged are
counted on these. Without ``--documents`` (JSON lines with a field ``text``) the web pages of the
data folder are repeated up to ``--megabytes``. "x10" adds nine changed copies of every item
(``benchmarks.tenfold`` tells what these cost, more exactly).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.decontamination_peers import (
    BENCHMARKS,
    Flags,
    PeerRun,
    chosen,
    run_datatrove,
    run_decon,
)
from benchmarks.peers import read_texts
from benchmarks.rounds import Ran, run_rounds
from benchmarks.usage import Memory, cpu_seconds, run_measured
from manifests.checksum import sha256_of_file
from manifests.parquet import read_columns
from pipeline.corpus import External, Part
from pipeline.engines.local import LocalEngine
from pipeline.stage import Batch
from pipeline.store import Store
from stages.decontaminate.benchmark import BenchmarkConfig, read_sequences
from stages.decontaminate.stage import Decontaminate, DecontaminateConfig
from stages.decontaminate.window import MODES

PAGES = "research_only/web/weborganizer_pages.jsonl.gz"
PART_BYTES = 8 << 20
DECON = Path(__file__).resolve().parents[1] / ".venv-decon" / "bin" / "python"
GOALS = {"decon": 10, "datatrove": 30}
"""How many times as fast as a peer tamis is to be, in both modes."""
INDEX_GOAL = 5.0
COPIES = 9
AGAIN = ("first", "second", "third")
"""Names of the copies of the documents that tamis takes one after the other: the least time of
three counts, because other programs on the machine only ever make one longer."""


@dataclass(frozen=True)
class Result:
    """What a contender took: MB of text a second, seconds of the index, and the flags of the peers'
    documents. Of tamis only: the peak of its memory, and the CPU seconds behind ``rate``, which
    other programs on the machine change less."""

    rate: float
    index: float
    flags: Flags
    memory: Memory | None = None
    cpu: float = 0.0


def load_documents(arguments: argparse.Namespace) -> list[str]:
    """The documents to measure on, read once."""
    return read_texts([arguments.documents or arguments.data / PAGES])


def megabytes(texts: Sequence[str]) -> float:
    return sum(len(text.encode()) for text in texts) / 1e6


def prefix(texts: Sequence[str], size: float) -> list[str]:
    """The first texts, of about so many MB."""
    total = np.cumsum([len(text.encode()) for text in texts]) / 1e6
    return list(texts[: int(np.searchsorted(total, size)) + 1])


def write_parts(texts: Sequence[str], store: Store, name: str) -> list[Part]:
    """Documents parts of about ``PART_BYTES``."""
    sizes = np.array([len(text.encode()) for text in texts])
    groups = np.cumsum(sizes) // PART_BYTES
    store.path(name).mkdir(parents=True)
    parts = []
    for index, group in enumerate(np.unique(groups)):
        first, last = np.searchsorted(groups, [group, group + 1])
        path = f"{name}/{index:05d}.parquet"
        rows, size = int(last - first), int(sizes[first:last].sum())
        ids = pa.array(
            [row.to_bytes(16, "big") for row in range(int(first), int(last))], pa.binary(16)
        )
        table = pa.table({"id": ids, "text": pa.array(texts[first:last], pa.large_string())})
        pq.write_table(table, store.path(path), compression="zstd")
        parts.append(Part(index, path, "web", rows, size))
    return parts


def stage_of(mode: str, files: Mapping[str, Mapping[str, Any]]) -> Decontaminate:
    return Decontaminate(DecontaminateConfig.model_validate({"mode": mode, "benchmarks": files}))


@cache
def external(path: str) -> External:
    return External(path, sha256_of_file(Path(path)))


def run_contender(arguments: argparse.Namespace) -> None:
    """In a process of its own: the stage on a few documents, then on all."""
    root = arguments.root
    files = json.loads((root / "benchmarks.json").read_text())
    parts = {
        name: [Part(**part) for part in of]
        for name, of in json.loads((root / "parts.json").read_text()).items()
    }
    stage = stage_of(arguments.contender, files)
    externals = {of["path"]: external(of["path"]) for of in files.values()}
    store = Store(root)
    engine = LocalEngine(store, arguments.threads)

    def run(stage: Decontaminate, some: Sequence[Part]) -> tuple[Ran, float]:
        ran = run_rounds(stage, some, store, engine, externals)
        begun = time.perf_counter()
        flags = [flag for part in some for flag in flags_of(stage, store, ran, part)]
        (root / f"{arguments.contender}-flags.json").write_text(json.dumps(flags))
        return ran, time.perf_counter() - begun

    # Each process does all kinds of tasks first, so that no compilation is measured: the index of
    # one benchmark goes to one process, that of the next to the other.
    for name in sorted(files)[:2]:
        run(stage_of(arguments.contender, {name: files[name]}), parts["few"])
    few, _ = run(stage, parts["few"])
    cpu, seconds = [], []
    for again in AGAIN:
        used = cpu_seconds()
        ran, flagging = run(stage, parts[again])
        cpu.append(cpu_seconds() - used)
        rounds = sum(one.seconds for name, one in ran.rounds.items() if name != "index")
        seconds.append(rounds + flagging)
    run(stage, parts["peers"])
    engine.close()
    took = {"cpu": min(cpu), "seconds": min(seconds), "index": few.rounds["index"].seconds}
    took["n_grams"] = few.artefacts.record["n_grams"]
    (root / f"{arguments.contender}-took.json").write_text(json.dumps(took))


def flags_of(stage: Decontaminate, store: Store, ran: Ran, part: Part) -> Flags:
    """Annotates and decides on a part, with the columns that a build gives the stage."""
    shared = {name: store.path(path) for name, path in ran.artefacts.shared.items()}
    matches = store.path(ran.artefacts.per_part["matches"][part.index])
    table = read_columns(store.path(part.documents), stage.read_columns())
    batch = Batch(table, np.arange(part.rows), {**shared, "matches": matches})
    return [v != "keep" for v in stage.decide(stage.annotate(batch)).verdict.to_pylist()]


def compete(
    arguments: argparse.Namespace,
    mode: str,
    parts: Mapping[str, Sequence[Part]],
    files: Mapping[str, Any],
    root: Path,
) -> tuple[Result, int]:
    """tamis in one mode, and its number of n-grams."""
    (root / "benchmarks.json").write_text(json.dumps(files))
    (root / "parts.json").write_text(
        json.dumps({name: [asdict(part) for part in of] for name, of in parts.items()})
    )
    options = ["--contender", mode, "--root", str(root), "--threads", str(arguments.threads)]
    memory = run_measured(["-m", "benchmarks.decontaminate", *options])
    took = json.loads((root / f"{mode}-took.json").read_text())
    flags = json.loads((root / f"{mode}-flags.json").read_text())
    size = sum(part.text_bytes for part in parts[AGAIN[0]]) / 1e6
    result = Result(size / took["seconds"], took["index"], flags, memory, took["cpu"])
    return result, took["n_grams"]


def tenfold(files: Mapping[str, Mapping[str, Any]], path: Path) -> dict[str, Any]:
    """The benchmarks, and one more that holds the longest text of each of their items nine times,
    with other words of the same lengths."""
    longest: dict[tuple[str, str], str] = {}
    for name, fields in files.items():
        sequences, _ = read_sequences(name, Path(fields["path"]), BenchmarkConfig(**fields))
        for sequence in sequences:
            key = (sequence.benchmark, sequence.item)
            longest[key] = max(longest.get(key, ""), sequence.text, key=len)
    letters = "abcdefghijklmnopqrstuvwxyz"
    with path.open("w") as out:
        for copy in range(1, COPIES + 1):
            moved = str.maketrans(letters, letters[copy:] + letters[:copy])
            for text in longest.values():
                out.write(json.dumps({"text": text.lower().translate(moved)}) + "\n")
    return {**files, "changed": {"path": str(path), "question": "text"}}


def run_peers(arguments: argparse.Namespace, texts: list[str]) -> Iterator[tuple[str, PeerRun]]:
    """The peers that are there; says how to get those that are not."""
    if arguments.decon.is_file():
        arguments.decon = str(arguments.decon)
        yield "decon", run_decon(texts, arguments)
    else:
        print(
            f"decon is left out: there is no {arguments.decon}. `python3.12 -m venv .venv-decon`"
            " and `.venv-decon/bin/pip install decontaminate` make it."
        )
    try:
        yield "datatrove", run_datatrove(texts, arguments)
    except ImportError as error:
        print(f"datatrove is left out: {error}. Its word tokenizer needs spacy.")


def print_results(results: Mapping[str, Result]) -> None:
    """One line a contender, then pairwise agreement and the ratios beside their goals."""
    head = f"{'MB/s':>8}{'index s':>9}{'CPU s':>7}{'memory':>10}{'mapped':>9}{'flagged':>9}"
    print(f"\n{'':20}{head}")
    for name, result in results.items():
        used = result.memory
        memory = f"{used.own / 1e6:7,.0f} MB{used.files / 1e6:6,.0f} MB" if used else " " * 19
        cpu = f"{result.cpu:7.2f}" if used else " " * 7
        print(f"{name:20}{result.rate:8.1f}{result.index:9.1f}{cpu}{memory}{sum(result.flags):9,}")
    print("\nof the peers' documents:            both  only the first  only the second")
    for one, other in combinations(results, 2):
        pairs = list(zip(results[one].flags, results[other].flags, strict=True))
        counts = [pairs.count(pair) for pair in ((True, True), (True, False), (False, True))]
        print(f"{one + ' | ' + other:32}{counts[0]:8,}{counts[1]:16,}{counts[2]:17,}")
    print()
    for peer, goal in GOALS.items():
        for mode in MODES:
            if peer in results:
                ratio = results[f"tamis {mode}"].rate / results[peer].rate
                print(f"tamis {mode} / {peer}: {ratio:.1f}x (goal: {goal}x)")
    for mode in MODES:
        print(
            f"index of tamis {mode}: {results[f'tamis {mode}'].index:.1f} s (goal: {INDEX_GOAL} s)"
        )


def main() -> None:
    """Writes the input, runs the contenders one after the other, prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--documents", type=Path)
    parser.add_argument("--benchmarks", nargs="+", choices=sorted(BENCHMARKS), help="default: all")
    parser.add_argument("--decon", type=Path, default=DECON, help="a Python with decontaminate")
    parser.add_argument("--without", nargs="*", default=[], choices=["peers", "tenfold"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--peer-megabytes", type=float, default=17)
    parser.add_argument("--contender", choices=list(MODES), help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        run_contender(arguments)
        return
    folder = arguments.data / "open" / "benchmarks"
    if not folder.is_dir():
        sys.exit(f"no benchmarks at {arguments.data}: name the data folder with --data")
    texts = load_documents(arguments)
    fewer = prefix(texts, arguments.peer_megabytes)
    whole = texts * max(1, round(arguments.megabytes / megabytes(texts)))
    print(
        f"{len(whole):,} documents, {megabytes(whole):.0f} MB, {arguments.threads} processes;"
        f" peers: {len(fewer):,} documents, {megabytes(fewer):.0f} MB"
    )
    files = {name: {"path": str(path.resolve())} for name, path in chosen(arguments).items()}
    results: dict[str, Result] = {}
    with tempfile.TemporaryDirectory() as name:
        store = Store(Path(name))
        given = {"few": prefix(texts, 2 * PART_BYTES / 1e6), "peers": fewer}
        given |= dict.fromkeys(AGAIN, whole)
        parts = {name: write_parts(some, store, name) for name, some in given.items()}
        runs = {"": files}
        if "tenfold" not in arguments.without:
            runs[" x10"] = tenfold(files, Path(name) / "changed.jsonl")
        for suffix, some in runs.items():
            for mode in MODES:
                result, n_grams = compete(arguments, mode, parts, some, Path(name))
                results[f"tamis {mode}{suffix}"] = result
                print(f"tamis {mode}{suffix}: {n_grams:,} n-grams", flush=True)
    if "peers" not in arguments.without:
        for peer, ran in run_peers(arguments, fewer):
            rate = megabytes(fewer) / ran.seconds
            results[peer] = Result(rate, ran.index_seconds, ran.flags)
    print_results(results)


if __name__ == "__main__":
    main()
