"""Moves between two corpora, against a join of everything in memory."""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.manifest import Manifest
from manifests.moves import NOT_THERE, find_moves
from manifests.schema import DOCUMENTS, ID, KEEP

REASONS = [KEEP, "low", "short"]


@dataclass
class Side:
    """A corpus of ids and verdicts of two stages, cut into parts."""

    ids: np.ndarray
    first: np.ndarray
    second: np.ndarray


def write(folder: Path, side: Side, parts: int) -> Manifest:
    """Ledgers as a build writes them: what the first stage drops, the second does not see."""
    folder.mkdir()
    files = []
    for number, rows in enumerate(np.array_split(np.arange(len(side.ids)), parts)):
        data = side.ids[rows].astype(">u8").tobytes()
        ids = pa.FixedSizeBinaryArray.from_buffers(ID, len(rows), [None, pa.py_buffer(data)])
        locators = [f"file#{value}" for value in side.ids[rows, 1]]
        columns = {
            "id": ids,
            "text": pa.array(["x"] * len(rows), pa.large_string()),
            "source": pa.array(["s"] * len(rows)).dictionary_encode(),
            "locator": pa.array(locators),
        }
        for name in ("url", "timestamp", "license", "metadata"):
            columns[name] = pa.nulls(len(rows), pa.string())
        pq.write_table(pa.table(columns, DOCUMENTS), folder / f"d{number}.parquet")
        dropped = side.first[rows] > 0
        tables = {
            f"d{number}.parquet": ("ingest", "documents", f"documents {blake2b(data).hexdigest()}"),
        }
        for stage, codes, absent in (
            ("one", side.first[rows], np.zeros(len(rows), bool)),
            ("two", side.second[rows], dropped),
        ):
            words = pa.DictionaryArray.from_arrays(
                pa.array(codes.astype(np.int32), mask=absent), pa.array(REASONS)
            )
            pq.write_table(pa.table({"id": ids, "verdict": words}), folder / f"{stage}{number}")
            told = blake2b(codes.tobytes()).hexdigest()
            tables[f"{stage}{number}"] = (stage, "verdicts", told)
        for path, (stage, role, sha256) in tables.items():
            files.append((stage, number, role, path, len(rows), 0, sha256))
    columns = ["stage", "part", "role", "path", "rows", "bytes", "sha256"]
    pl.DataFrame(files, columns, orient="row").write_parquet(folder / "files.parquet")
    content = {"stages": [{"name": "one"}, {"name": "two"}], "files": {"path": "files.parquet"}}
    return Manifest(content, folder, folder / "manifest.json")


def oracle(before: Side, after: Side) -> dict[tuple[str, str], int]:
    """Every id looked up in dictionaries."""

    def fates(side: Side) -> dict[tuple[int, int], str]:
        found = {}
        for (high, low), one, two in zip(side.ids, side.first, side.second, strict=True):
            fate = "kept"
            if one:
                fate = f"dropped by one: {REASONS[one]}"
            elif two:
                fate = f"dropped by two: {REASONS[two]}"
            found[int(high), int(low)] = fate
        return found

    a, b = fates(before), fates(after)
    moves: dict[tuple[str, str], int] = {}
    for key in a.keys() | b.keys():
        pair = (a.get(key, NOT_THERE), b.get(key, NOT_THERE))
        if pair[0] != pair[1]:
            moves[pair] = moves.get(pair, 0) + 1
    return moves


def side_of(ids: np.ndarray, seed: int) -> Side:
    random = np.random.default_rng(seed)
    codes = [random.choice(3, len(ids), p=[0.8, 0.1, 0.1]) for _ in range(2)]
    return Side(ids, *codes)


@pytest.mark.parametrize(("rows", "bucket"), [(3_000, 200), (300_000, 50_000)])
def test_moves_are_those_of_a_join(tmp_path: Path, rows: int, bucket: int) -> None:
    ids = np.random.default_rng(1).integers(0, 2**64, (rows, 2), dtype=np.uint64)
    before = side_of(ids[: rows * 9 // 10], 2)
    after = side_of(ids[rows // 10 :][::-1], 3)
    sides = [write(tmp_path / "a", before, 3), write(tmp_path / "b", after, 5)]
    found = find_moves(*sides, bucket=bucket)
    assert {(move.before, move.after): move.documents for move in found} == oracle(before, after)
    smallest = min(range(rows // 10), key=lambda n: (ids[n, 0], ids[n, 1]))
    gone = [move for move in found if move.after == NOT_THERE]
    assert f"{ids[smallest, 0]:016x}{ids[smallest, 1]:016x}" in {m.ids[0] for m in gone}
    assert all(m.sample[0] == f"file#{int(m.ids[0][16:], 16)}" for m in found)


def test_neither_parts_nor_buckets_matter(tmp_path: Path) -> None:
    ids = np.random.default_rng(4).integers(0, 2**64, (2_000, 2), dtype=np.uint64)
    before, after = side_of(ids, 5), side_of(ids, 6)
    one = find_moves(write(tmp_path / "a", before, 1), write(tmp_path / "b", after, 1))
    many = find_moves(write(tmp_path / "c", before, 7), write(tmp_path / "d", after, 2), bucket=100)
    shared = find_moves(write(tmp_path / "e", before, 4), write(tmp_path / "f", after, 4))
    assert one == many == shared
    assert {(m.before, m.after): m.documents for m in one} == oracle(before, after)


def test_ledgers_that_are_gone_are_named(tmp_path: Path) -> None:
    ids = np.random.default_rng(7).integers(0, 2**64, (20, 2), dtype=np.uint64)
    sides = [write(tmp_path / name, side_of(ids, 8), 2) for name in "ab"]
    (tmp_path / "b" / "two1").unlink()
    with pytest.raises(FileNotFoundError, match="gone"):
        find_moves(*sides)
