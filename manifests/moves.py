"""Moves: documents whose fate differs between two corpora, found in bounded memory.

Parts that both corpora share hold the same documents in the same rows, and are compared row by row.
Of all others, ids and fates (20 bytes a document) are dealt into buckets by the first bits of the
id, on disk, and bucket by bucket joined. In memory are parts of one side, or one bucket of each
side: about ``BUCKET`` documents, 100 bytes each.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from manifests.fates import FateNames, PartFiles, fate_files
from manifests.manifest import Manifest

BUCKET = 2_000_000
"""Documents of one side in a bucket, about. Results do not depend on it."""
SAMPLE = 5
"""Documents named for each kind of move: those with the smallest ids, which are hashes."""

KEPT = "kept"
NOT_THERE = "not in the corpus"
_ABSENT = -1
_KEY = ["high", "low"]


@dataclass(frozen=True)
class Move:
    """Documents whose fate changed alike: in words (``kept``, ``dropped by quality: low_quality``,
    ``not in the corpus``), how many, and the ids (hexadecimal) and locators of a few."""

    before: str
    after: str
    documents: int
    ids: list[str]
    sample: list[str]


def find_moves(before: Manifest, after: Manifest, bucket: int = BUCKET) -> list[Move]:
    """All moves, the largest first. Raises FileNotFoundError when ledgers are gone."""
    old, new = fate_files(before), fate_files(after)
    names = FateNames()
    found: list[pl.DataFrame] = []
    shared = {part.identity: part for part in new}
    alike = [part for part in old if part.identity in shared]
    for part in alike:
        other = shared[part.identity]
        if part.decided != other.decided:
            found.append(_merged([*found[-1:], _moved(_aligned(part, other, names))]))
            found = found[-1:]
    met = {part.identity for part in alike}
    left = [[p for p in side if p.identity not in met] for side in (old, new)]
    largest = max(sum(part.rows for part in side) for side in left)
    buckets = max(1, -(-largest // bucket))
    with tempfile.TemporaryDirectory(prefix="tamis-diff-") as folder:
        places = [Path(folder) / name for name in ("before", "after")]
        for place, side in zip(places, left, strict=True):
            _deal(side, names, place, buckets, bucket)
        for number in range(buckets):
            sides = [_bucket(place / str(number)) for place in places]
            joined = sides[0].join(sides[1], on=_KEY, how="full", coalesce=True, suffix="_after")
            fates = joined.with_columns(pl.col("fate", "fate_after").fill_null(_ABSENT))
            found = [_merged([*found, _moved(fates)])]
    return _told(found[0], names, before, after)


def _frame(part: PartFiles, names: FateNames) -> pl.DataFrame:
    ids = part.ids()
    return pl.DataFrame({"high": ids[:, 0], "low": ids[:, 1], "fate": part.fates(names)})


def _aligned(part: PartFiles, other: PartFiles, names: FateNames) -> pl.DataFrame:
    return _frame(part, names).with_columns(pl.Series("fate_after", other.fates(names)))


def _moved(fates: pl.DataFrame) -> pl.DataFrame:
    """By both fates, the documents and the smallest ids."""
    return (
        fates.filter(pl.col("fate") != pl.col("fate_after"))
        .group_by("fate", "fate_after")
        .agg(
            pl.len().cast(pl.Int64).alias("documents"),
            pl.struct(_KEY).sort().head(SAMPLE).alias("ids"),
        )
    )


def _merged(moves: Sequence[pl.DataFrame]) -> pl.DataFrame:
    everything = pl.concat(moves)
    counts = everything.group_by("fate", "fate_after").agg(pl.col("documents").sum())
    ids = (
        everything.select("fate", "fate_after", "ids")
        .explode("ids")
        .group_by("fate", "fate_after")
        .agg(pl.col("ids").sort().head(SAMPLE))
    )
    return counts.join(ids, on=["fate", "fate_after"])


def _deal(
    parts: Sequence[PartFiles], names: FateNames, folder: Path, buckets: int, batch_rows: int
) -> None:
    """Writes ids and fates of the parts into buckets: ranges of ids, each a folder. Parts are dealt
    many at a time, so that files are few and large."""
    for number in range(buckets):
        (folder / str(number)).mkdir(parents=True)
    width = -(-(1 << 32) // buckets)
    held: list[pl.DataFrame] = []
    rows = batch = 0
    for position, part in enumerate(parts, 1):
        held.append(_frame(part, names))
        rows += part.rows
        if rows < batch_rows and position < len(parts):
            continue
        frame = pl.concat(held).with_columns(
            ((pl.col("high") // (1 << 32)) // width).cast(pl.Int64).alias("bucket")
        )
        for (number,), piece in frame.group_by("bucket"):
            piece.drop("bucket").write_ipc(folder / str(number) / f"{batch}.arrow")
        held, rows, batch = [], 0, batch + 1


def _bucket(folder: Path) -> pl.DataFrame:
    empty = pl.DataFrame(schema={"high": pl.UInt64, "low": pl.UInt64, "fate": pl.Int32})
    pieces = [pl.read_ipc(path) for path in sorted(folder.iterdir())]
    return pl.concat([empty, *pieces])


def _told(moves: pl.DataFrame, names: FateNames, before: Manifest, after: Manifest) -> list[Move]:
    def fate(code: int) -> str:
        if code == _ABSENT:
            return NOT_THERE
        known = names.fates[code]
        return KEPT if known is None else f"dropped by {known[0]}: {known[1]}"

    rows = []
    for row in moves.iter_rows(named=True):
        ids = [f"{one['high']:016x}{one['low']:016x}" for one in row["ids"]]
        rows.append((fate(row["fate"]), fate(row["fate_after"]), row["documents"], ids))
    wanted = {name for row in rows for name in row[3]}
    locators = _locators(after, wanted)
    locators |= _locators(before, wanted - locators.keys())
    return [
        Move(a, b, documents, ids, [locators[name] for name in ids])
        for a, b, documents, ids in sorted(rows, key=lambda row: (-row[2], row[0], row[1]))
    ]


def _locators(manifest: Manifest, ids: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in fate_files(manifest):
        if len(found) == len(ids):
            break
        rows = (
            pl.scan_parquet(part.documents)
            .select("id", "locator")
            .filter(pl.col("id").is_in([bytes.fromhex(name) for name in sorted(ids)]))
            .collect()
        )
        found |= {identity.hex(): locator for identity, locator in rows.rows()}
    return found
