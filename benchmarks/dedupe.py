"""Near deduplication side by side: tamis, datatrove, datasketch and rensa on the same documents.

    python -m benchmarks.dedupe [--documents 60000] [--peer-documents N] [--without NAME …]
    python -m benchmarks.dedupe --input FILE.jsonl[.gz|.zst] …

Without ``--input`` documents of about 3 kB are put together from lines of the sample, a fifth of
them edited copies (``benchmarks.planted``). Every contender runs in a process of its own, on two
cores, from its natural input on disk (documents parts for tamis, JSON lines for the others) to its
result on disk: the decisions of ``near_dedupe`` for every part, datatrove's files of kept
documents, the list of removed documents of the other two. Each is first run on a few documents, so
that imports and compilation are not counted.

Recall is the share of pairs of Jaccard index >= 0.8 of which a document was removed, precision the
share of removed documents that are >= 0.8 similar to one that was kept; the pairs are found exactly
(``benchmarks.pairs``). Both are given by word 5-grams as the peers see them (lower case, white
space) and as tamis sees them (its own words), since the two differ in punctuation and markup. So
that all are judged by what they were asked for, tamis runs with ``min_jaccard: 0.8`` and
``number_weight: 1`` and ``name_weight: 1``: its defaults also keep documents apart that differ in
numbers and names.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks.dedupe_peers import BANDS, NGRAM, PEERS, ROWS, Flags
from benchmarks.pairs import Judgement, Sets, judge, similar_pairs, whitespace_sets
from benchmarks.parts import documents_table, write_part
from benchmarks.peers import read_texts
from benchmarks.planted import Planted
from benchmarks.rounds import Ran, removed_documents, run_rounds
from benchmarks.usage import Memory, cpu_seconds, run_measured
from benchmarks.vocabulary import sample_vocabulary
from pipeline.corpus import Part
from pipeline.engines.local import LocalEngine
from pipeline.store import Store
from stages.dedupe.near import NearDedupe
from stages.dedupe.near_config import NearDedupeConfig
from stages.dedupe.shingles import shingle_sets

WORKERS = 2
PARTS = 16
"""Documents parts that the input is cut into, so that both processes have work to the end."""
FEW = 400
WORDS = 300, 660
"""Words of a generated document."""
ALIKE = 0.8
"""The Jaccard index that tamis verifies and all are judged by."""
GOALS = {"datatrove": 100, "datasketch": 20, "rensa": 6}
"""How many times faster tamis wants to be, in documents/s."""
SKETCH_GOAL = 100.0
"""GB of text an hour and core up to the exchange."""


@dataclass(frozen=True)
class Input:
    """Documents on disk below a root, as parts of a workspace and as JSON lines."""

    name: str
    parts: list[Part]
    documents: int
    text_bytes: int

    @staticmethod
    def load(root: Path, name: str) -> Input:
        """The input of that name."""
        content = json.loads((root / f"{name}.json").read_text())
        return Input(**{**content, "parts": [Part(**part) for part in content["parts"]]})

    def lines(self, root: Path) -> Path:
        """The folder of JSON lines, one file a worker."""
        return root / self.name / "lines"


def write_input(table: pa.Table, root: Path, name: str) -> Input:
    """Writes a table of documents as parts and as JSON lines."""
    rows = -(-len(table) // PARTS)
    parts = [
        write_part(table.slice(index * rows, rows), root, index, f"{name}/documents")
        for index in range(-(-len(table) // rows))
    ]
    written = Input(name, parts, len(table), sum(part.text_bytes for part in parts))
    folder = written.lines(root)
    folder.mkdir(parents=True)
    texts = table["text"].to_pylist()
    share = -(-len(texts) // WORKERS)
    for worker in range(WORKERS):
        with (folder / f"{worker}.jsonl").open("w", encoding="utf-8") as lines:
            for number in range(worker * share, min((worker + 1) * share, len(texts))):
                lines.write(json.dumps({"id": str(number), "text": texts[number]}) + "\n")
    (root / f"{name}.json").write_text(json.dumps(asdict(written)))
    return written


def numbered(texts: pa.Array) -> pa.Table:
    """Texts as documents; a document's id is its number."""
    ids = [number.to_bytes(16, "big") for number in range(len(texts))]
    return documents_table(pa.array(ids, pa.binary(16)), texts, 0)


def twice(table: pa.Table) -> pa.Table:
    """Its texts, each twice: what only duplicates reach is warmed up too."""
    return numbered(pa.concat_arrays([*table["text"].chunks, *table["text"].chunks]))


@dataclass(frozen=True)
class Result:
    """What a contender took for an input, and which documents it removed."""

    input: Input
    seconds: float
    cpu: float
    rounds: dict[str, float]
    memory: Memory
    removed: Flags

    @property
    def rate(self) -> float:
        """Documents a second."""
        return self.input.documents / self.seconds


def run_contender(name: str, root: Path, few: str, whole: str) -> None:
    """In a process of its own: runs a contender on a few documents, then on all, and writes what it
    took and what it removed below ``root``."""
    rounds: dict[str, float] = {}
    if name == "tamis":
        store = Store(root)
        engine = LocalEngine(store, WORKERS)
        # with two seeds, so that both processes have done all kinds of tasks
        for seed in (2, 3):
            _tamis(store, engine, Input.load(root, few), seed)
        chosen = Input.load(root, whole)
        before, started = cpu_seconds(), time.perf_counter()
        ran = _tamis(store, engine, chosen, 1)
        seconds, cpu = time.perf_counter() - started, cpu_seconds() - before
        engine.close()
        rounds = {name: one.seconds for name, one in ran.rounds.items()}
        removed = removed_documents(ran, chosen.parts, store)
    else:
        peer = PEERS[name]
        peer(Input.load(root, few).lines(root), root / f"{name}-few", WORKERS)
        before, started = cpu_seconds(), time.perf_counter()
        read = peer(Input.load(root, whole).lines(root), root / f"{name}-whole", WORKERS)
        seconds, cpu = time.perf_counter() - started, cpu_seconds() - before
        removed = read()
    np.save(root / f"{name}-removed.npy", removed)
    took = {"seconds": seconds, "cpu": cpu, "rounds": rounds}
    (root / f"{name}-took.json").write_text(json.dumps(took))


def _tamis(store: Store, engine: LocalEngine, chosen: Input, seed: int) -> Ran:
    config = NearDedupeConfig(
        min_jaccard=ALIKE,
        number_weight=1,
        name_weight=1,
        ngram=NGRAM,
        bands=BANDS,
        rows=ROWS,
        seed=seed,
    )
    return run_rounds(NearDedupe(config), chosen.parts, store, engine)


def compete(names: Sequence[str], root: Path, inputs: dict[str, Input]) -> dict[str, Result]:
    """Runs contenders one after the other."""
    results = {}
    for name in names:
        chosen = inputs["documents"] if name == "tamis" else inputs["peers"]
        print(f"{name} …", flush=True)
        command = ["-m", "benchmarks.dedupe", "--contender", name, "--root", str(root)]
        memory = run_measured([*command, "--whole", chosen.name])
        took = json.loads((root / f"{name}-took.json").read_text())
        removed = np.load(root / f"{name}-removed.npy")
        results[name] = Result(chosen, **took, memory=memory, removed=removed)
    return results


class Judged(NamedTuple):
    """Judgements by words between white space, and by tamis's words."""

    whitespace: Judgement
    own: Judgement


def judge_all(results: dict[str, Result], texts: pa.Array) -> dict[str, Judged]:
    """Judges every contender on all the documents that it was given, and tamis also on those that
    the peers were given, where these are fewer."""
    own = similar_pairs(Sets(*shingle_sets(texts, NGRAM, 8)), ALIKE)
    whitespace = similar_pairs(whitespace_sets(texts, NGRAM), ALIKE)
    found = f"{len(whitespace.left):,} pairs of Jaccard index >= {ALIKE}"
    print(f"{found} by words between white space, {len(own.left):,} by tamis's words")
    removed = {name: result.removed for name, result in results.items()}
    fewest = min(map(len, removed.values()))
    if "tamis" in removed and fewest < len(removed["tamis"]):
        removed[f"tamis, the first {fewest:,}"] = removed["tamis"][:fewest]
    return {
        name: Judged(judge(whitespace, flags), judge(own, flags)) for name, flags in removed.items()
    }


def _ratios(results: dict[str, Result], name: str) -> str:
    if "tamis" not in results or name not in GOALS:
        return ""
    ours, theirs = results["tamis"], results[name]
    rates = [one.input.documents / one.cpu for one in (ours, theirs)]
    return f"{ours.rate / theirs.rate:>9.1f}x{rates[0] / rates[1]:>7.1f}x{GOALS[name]:>5}x"


def print_table(results: dict[str, Result], judged: dict[str, Judged]) -> None:
    """One line a contender; ratios of documents/s beside the goals."""
    print(
        f"{'':<11}{'documents':>10}{'seconds':>9}{'CPU s':>8}{'documents/s':>12}{'MB/s':>7}"
        f"{'memory':>9}{'removed':>9}{'recall':>15}{'precision':>15}{'tamis is':>10}{'by CPU':>8}"
        f"{'goal':>6}"
    )
    for name, result in results.items():
        words, own = judged[name]
        print(
            f"{name:<11}{result.input.documents:>10,}{result.seconds:>9.2f}{result.cpu:>8.2f}"
            f"{result.rate:>12,.0f}{result.input.text_bytes / result.seconds / 1e6:>7.1f}"
            f"{result.memory.own / 1e6:>6,.0f} MB{result.removed.sum():>9,}"
            f"{words.recall:>8.2%}{own.recall:>7.1%}{words.precision:>8.2%}{own.precision:>7.1%}"
            + _ratios(results, name)
        )
    print("tamis is: ratio of documents a second, of the clock and of CPU time")
    print("recall, precision: by words between white space, by tamis's words")
    print("recall by tamis's words, with what chance leaves open (95 %):")
    for name, (_, own) in judged.items():
        low, high = own.recall_between
        print(f"  {name}: {own.recall:.2%} of {own.pairs:,} pairs, {low:.2%} to {high:.2%}")
    print("memory: peak of all processes (PSS), pages of mapped files not counted")
    if "tamis" in results:
        best = results["tamis"]
        print("tamis by round: " + ", ".join(f"{n} {s:.2f} s" for n, s in best.rounds.items()))
        print(f"tamis, pages of mapped files at their peak: {best.memory.files / 1e6:,.0f} MB")
        hourly = best.input.text_bytes / best.rounds["sketch"] / WORKERS * 3600 / 1e9
        print(f"up to the exchange: {hourly:.0f} GB an hour and core (goal: {SKETCH_GOAL:.0f})")


def main() -> None:
    """Writes the input, runs the contenders one after the other, prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--documents", type=int, default=60_000)
    parser.add_argument("--peer-documents", type=int, help="peers get only the first so many")
    parser.add_argument("--input", type=Path)
    parser.add_argument("--without", action="append", default=[], choices=["tamis", *PEERS])
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--whole", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contender:
        run_contender(given.contender, given.root, "few", given.whole)
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if given.input:
            texts = read_texts([given.input], given.documents)
            table = numbered(pa.array(texts, pa.large_string()))
        else:
            planted = Planted(given.documents, sample_vocabulary(), *WORDS)
            table = planted.table(0, given.documents)
        write_input(twice(table.slice(0, FEW // 2)), root, "few")
        inputs = {"documents": write_input(table, root, "documents")}
        limit = given.peer_documents or len(table)
        limited = limit < len(table)
        inputs["peers"] = (
            write_input(table.slice(0, limit), root, "peers") if limited else inputs["documents"]
        )
        size = inputs["documents"].text_bytes
        print(f"{len(table):,} documents, {size / 1e6:.1f} MB, {os.cpu_count()} cores")
        names = [name for name in ("tamis", *PEERS) if name not in given.without]
        results = compete(names, root, inputs)
        print_table(results, judge_all(results, table["text"].combine_chunks()))


if __name__ == "__main__":
    main()
