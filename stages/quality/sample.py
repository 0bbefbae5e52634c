"""A stratified sample of documents for the judge, chosen by hash: the same on any machine.

A stratum is source x kind x language. Within a stratum documents are taken by rising hash of id and
seed, so that a bigger sample contains a smaller one. Strata share the sample in proportion to the
square root of their size: small ones are seen, large ones are seen more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.corpus import open_view
from pipeline.store import Store
from pipeline.task import Json, TaskRun
from stages.sampling import hash_ids

STRATUM = ("source", "kind", "language")


def candidates_of_part(run: TaskRun) -> Json:
    """Writes ``candidates.parquet``: of every stratum in the part the documents of lowest hash, at
    most ``sample_size``; returns how many documents each stratum has."""
    arguments = run.arguments
    view = open_view(run.store, arguments["view"], ("id",))
    rows = len(view.rows)
    empty = pl.Series([""] * rows, dtype=pl.String)

    def column(name: str) -> pl.Series:
        if name not in view.table.column_names:
            return empty
        return pl.Series(view.table[name].combine_chunks()).cast(pl.String).fill_null("")

    frame = pl.DataFrame(
        {
            "source": pl.Series([str(arguments["source"])] * rows, dtype=pl.String),
            "kind": column("kind.kind"),
            "language": column("language.language"),
            "row": view.rows,
            "hash": hash_ids(view.table["id"], int(arguments["seed"])),
        }
    )
    counts = frame.group_by(STRATUM).len().sort(STRATUM)
    chosen = (
        frame.sort([*STRATUM, "hash", "row"])
        .group_by(STRATUM, maintain_order=True)
        .head(int(arguments["sample_size"]))
    )
    chosen.write_parquet(run.output / "candidates.parquet")
    return {"strata": [list(row) for row in counts.iter_rows()]}


def choose_sample(run: TaskRun) -> Json:
    """Writes ``sample.parquet`` (part, row, hash, source, kind, language; by part and row) out of
    the parts' candidates; returns the number of documents and of strata."""
    frames, sizes = [], dict[tuple[str, ...], int]()
    for index, part in enumerate(run.arguments["parts"]):
        frame = pl.read_parquet(run.path(part["candidates"]))
        frames.append(frame.with_columns(pl.lit(index, pl.Int64).alias("part")))
        for source, kind, language, count in part["strata"]:
            key = (source, kind, language)
            sizes[key] = sizes.get(key, 0) + int(count)
    shares = allocate(sizes, int(run.arguments["sample_size"]))
    candidates = pl.concat(frames).sort([*STRATUM, "hash", "part", "row"])
    chosen = [
        group.head(shares[key])
        for key, group in candidates.partition_by(STRATUM, as_dict=True).items()
    ]
    sample = pl.concat(chosen) if chosen else candidates.head(0)
    sample = sample.select("part", "row", "hash", *STRATUM).sort("part", "row")
    sample.write_parquet(run.output / "sample.parquet")
    return {"documents": len(sample), "strata": sum(1 for share in shares.values() if share)}


def allocate(sizes: Mapping[tuple[str, ...], int], total: int) -> dict[tuple[str, ...], int]:
    """Documents to take from each stratum: proportional to the root of its size, never more than it
    has, in all ``total`` where there are as many. Largest remainders first, ties by name."""
    keys = sorted(sizes)
    shares = dict.fromkeys(keys, 0)
    left = min(total, sum(sizes.values()))
    while left:
        open_keys = [key for key in keys if shares[key] < sizes[key]]
        weights = np.sqrt(np.array([sizes[key] for key in open_keys], np.float64))
        quotas = weights / weights.sum() * left
        given = 0
        for key, quota in zip(open_keys, quotas, strict=True):
            take = min(int(quota), sizes[key] - shares[key])
            shares[key] += take
            given += take
        if given == 0:
            order = sorted(range(len(open_keys)), key=lambda i: (-quotas[i], open_keys[i]))
            for i in order[:left]:
                shares[open_keys[i]] += 1
                given += 1
        left -= given
    return shares


def read_texts(store: Store, documents: str, rows: Sequence[int]) -> list[str]:
    """Texts of some rows of a documents part, in the order of ``rows``; only their row groups are
    read."""
    path: Path = store.path(documents)
    file = pq.ParquetFile(path)
    found: dict[int, str] = {}
    start = 0
    for group in range(file.num_row_groups):
        end = start + file.metadata.row_group(group).num_rows
        wanted = sorted({row for row in rows if start <= row < end})
        if wanted:
            column = file.read_row_group(group, columns=["text"])["text"]
            taken = column.take(pa.array([row - start for row in wanted])).to_pylist()
            found.update(zip(wanted, taken, strict=True))
        start = end
    return [found[row] for row in rows]
