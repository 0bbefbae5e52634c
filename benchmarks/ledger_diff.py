"""Document moves between two large ledgers: how long, and in how much memory.

    python -m benchmarks.ledger_diff --rows 100000000

Two corpora are made up, in the layout of a workspace: documents parts (ids and locators) and the
verdicts of two stages, with the columns that a diff reads. No part of one has the rows of a part of
the other: parts are of other sizes and in the opposite order, a tenth of the documents is new, a
tenth is gone, and a hundredth has another verdict. So every id has to be looked for, which is the
most work that a diff can have. Everything follows from the row's number, so that the counts are
known beforehand and are checked.

Disk: 20 bytes a row and side for the ledgers, and as much while the diff runs, in ``--folder``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.usage import cpu_seconds
from manifests.manifest import Manifest
from manifests.moves import NOT_THERE, find_moves
from manifests.schema import ID, KEEP

Numbers = np.ndarray[Any, np.dtype[np.uint64]]
Codes = np.ndarray[Any, np.dtype[np.int32]]

STAGES = ("heuristics", "near_dedupe")
REASONS = (KEEP, "too_short", "repetition", "near_duplicate")
"""Words of the verdicts; of the second stage only the first and the last."""
PART_ROWS = (100_000, 90_000)
"""Documents in a part, of the corpus before and of the one after."""
GIGABYTE = 2**30


@dataclass(frozen=True)
class Side:
    """One corpus: which rows it holds, and whether it has the changed thresholds."""

    name: str
    rows: range
    part_rows: int
    changed: bool

    def parts(self) -> Iterator[Numbers]:
        """The numbers of the rows, part by part; in the opposite order where changed."""
        starts = range(self.rows.start, self.rows.stop, self.part_rows)
        for start in reversed(starts) if self.changed else starts:
            numbers = np.arange(start, min(start + self.part_rows, self.rows.stop), dtype=np.uint64)
            yield numbers[::-1] if self.changed else numbers

    def codes(self, numbers: Numbers) -> tuple[Codes, Codes]:
        """The verdicts of both stages, as places in ``REASONS``; -1 for a document that the first
        has dropped. With the changed thresholds one in two hundred more is too short, and one in
        two hundred fewer a duplicate."""
        chance = (_mixed(numbers) >> np.uint64(40)).astype(np.float64) / 2**24
        short, repeats = 0.1 + 0.005 * self.changed, 0.05
        first = np.select([chance < short, chance > 1 - repeats], [1, 2], 0)
        second = np.where(np.abs(chance - 0.5) < 0.1 - 0.0025 * self.changed, 3, 0)
        return first.astype(np.int32), np.where(first > 0, -1, second).astype(np.int32)

    def fates(self, numbers: Numbers) -> Codes:
        """What became of rows, as places in ``REASONS``; -1 where the corpus does not hold them."""
        first, second = self.codes(numbers)
        held = (numbers >= self.rows.start) & (numbers < self.rows.stop)
        return np.where(held, np.where(first > 0, first, second), -1).astype(np.int32)


def _mixed(numbers: Numbers) -> Numbers:
    """Whole numbers scattered over 64 bits, one to one (splitmix64, Steele et al. 2014)."""
    mixed = numbers * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def write(folder: Path, side: Side) -> None:
    """The ledgers of a side, in a folder of its name."""
    place = folder / side.name
    place.mkdir(parents=True)
    files = []
    for part, numbers in enumerate(side.parts()):
        tables = {
            ("ingest", "documents"): pa.table(
                {"id": _ids(numbers), "locator": pl.Series(numbers).cast(pl.String).to_arrow()}
            )
        }
        for stage, codes in zip(STAGES, side.codes(numbers), strict=True):
            words = pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), REASONS)
            tables[stage, "verdicts"] = pa.table({"verdict": words})
        for (stage, role), table in tables.items():
            path = f"{stage}-{part}.parquet"
            pq.write_table(table, place / path, compression="zstd", use_dictionary=["verdict"])
            sha256 = f"{side.name} {path}"
            files.append((stage, part, role, path, len(numbers), 0, sha256))
    columns = ("stage", "part", "role", "path", "rows", "bytes", "sha256")
    pl.DataFrame(files, columns, orient="row").write_parquet(place / "files.parquet")


def read(place: Path) -> Manifest:
    """What a diff of documents asks a manifest for."""
    stages = [{"name": name} for name in STAGES]
    content = {"stages": stages, "files": {"path": "files.parquet"}}
    return Manifest(content, place, place / "manifest.json")


def _ids(numbers: Numbers) -> pa.Array:
    halves = np.empty((len(numbers), 2), ">u8")
    halves[:, 0] = _mixed(numbers)
    halves[:, 1] = _mixed(~numbers)
    return pa.FixedSizeBinaryArray.from_buffers(
        ID, len(numbers), [None, pa.py_buffer(halves.tobytes())]
    )


def expected(before: Side, after: Side) -> Counter[tuple[str, str]]:
    """The moves, from the rows' numbers alone."""
    kinds = len(REASONS) + 1
    counts = np.zeros(kinds * kinds, np.int64)
    stop = max(before.rows.stop, after.rows.stop)
    for start in range(0, stop, 1 << 20):
        numbers = np.arange(start, min(stop, start + (1 << 20)), dtype=np.uint64)
        old, new = before.fates(numbers) + 1, after.fates(numbers) + 1
        counts += np.bincount(old * kinds + new, minlength=len(counts))
    found: Counter[tuple[str, str]] = Counter()
    for place in np.flatnonzero(counts).tolist():
        old_kind, new_kind = divmod(place, kinds)
        if old_kind != new_kind:
            found[_told(old_kind - 1), _told(new_kind - 1)] += int(counts[place])
    return found


def _told(code: int) -> str:
    if code < 0:
        return NOT_THERE
    stage = STAGES[REASONS[code] == "near_duplicate"]
    return "kept" if code == 0 else f"dropped by {stage}: {REASONS[code]}"


@dataclass(frozen=True)
class Found:
    """What a diff found and what it took."""

    moves: Counter[tuple[str, str]]
    seconds: float
    cpu_seconds: float
    peak_bytes: int


def diff(folder: Path) -> Found:
    """The moves between the ledgers in a folder, found in a process that does nothing else."""
    begun, used = time.perf_counter(), cpu_seconds()
    moves = find_moves(read(folder / "before"), read(folder / "after"))
    return Found(
        Counter({(move.before, move.after): move.documents for move in moves}),
        time.perf_counter() - begun,
        cpu_seconds() - used,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


def main() -> None:
    """Makes the ledgers, finds the moves, checks and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000_000, help="documents of each side")
    parser.add_argument("--folder", type=Path, default=Path("build/ledger-diff"))
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    rows, folder = options.rows, options.folder
    before = Side("before", range(rows), PART_ROWS[0], changed=False)
    after = Side("after", range(rows // 10, rows + rows // 10), PART_ROWS[1], changed=True)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        for side in (before, after):
            write(folder, side)
        size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
        print(f"two ledgers of {rows:,} rows, {size / GIGABYTE:.2f} GiB", flush=True)
        os.environ["TMPDIR"] = str(folder)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            found = process.submit(diff, folder).result()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if found.moves != expected(before, after):
        raise SystemExit(f"the moves are wrong: {found.moves}, not {expected(before, after)}")
    print(
        f"{sum(found.moves.values()):,} documents moved in {len(found.moves)} ways:"
        f" {found.seconds:.1f} s, {found.cpu_seconds:.1f} CPU seconds on"
        f" {len(os.sched_getaffinity(0))} cores, peak {found.peak_bytes / GIGABYTE:.2f} GiB"
    )
    if options.json is not None:
        figures = {
            "rows": rows,
            "moved": sum(found.moves.values()),
            "seconds": round(found.seconds, 1),
            "cpu_seconds": round(found.cpu_seconds, 1),
            "peak_bytes": found.peak_bytes,
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
