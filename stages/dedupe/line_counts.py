"""Tasks that count lines: each part by itself, then by range of keys, then back to the parts."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.corpus import open_view
from pipeline.task import Json, TaskRun
from stages.dedupe.arrays import Flags, Ints, Words64
from stages.dedupe.exchange import key_range
from stages.dedupe.kinds import rows_of_kinds
from stages.dedupe.listing import outputs_of
from stages.dedupe.segments import (
    document_scopes,
    find_segments,
    is_scope,
    scope_keys,
    segment_keys,
)
from stages.dedupe.stored import load, save

READ = ("text", "source", "url")
"""Columns of the documents that lines are counted from."""


class Repeated(NamedTuple):
    """Lines that stand in many documents: keys (uint64, rising) and how many (int64)."""

    key: Words64
    documents: Ints


def count_part(run: TaskRun) -> Json:
    """Lines of a part, each with the number of its documents that have it: ``key.npy`` (uint64,
    rising) and ``documents.npy`` (uint32), 12 bytes a distinct line. Scopes are counted among them,
    as lines that all their documents have.

    63 bits are enough: of 10^11 lines, less than one would take the key of one of 10^8 that are
    boilerplate.
    """
    arguments = run.arguments
    view = open_view(run.store, arguments["view"], READ)
    table = view.table.take(pa.array(rows_of_kinds(view.table, arguments["kinds"])))
    segments = find_segments(table["text"], arguments["unit"])
    scopes = document_scopes(table, arguments["scope"])
    keys, words = segment_keys(table["text"], segments, scopes)
    counted = words >= arguments["min_words"]
    all_keys = np.concatenate([keys[counted], scope_keys(scopes)])
    rows = np.concatenate([segments.row[counted], np.arange(table.num_rows)])
    order = np.argsort(all_keys, kind="stable")  # rows rise among equal keys
    all_keys, rows = all_keys[order], rows[order]
    new_key = _differs(all_keys)
    new_document = new_key | _differs(rows)
    starts = np.flatnonzero(new_key)
    documents = np.add.reduceat(new_document.astype(np.uint32), starts) if len(starts) else starts
    save(run.output / "key.npy", all_keys[starts])
    save(run.output / "documents.npy", documents.astype(np.uint32))
    return {"documents": table.num_rows, "lines": len(segments.row), "keys": len(starts)}


def add_partition(run: TaskRun) -> Json:
    """Of one range of keys of all parts, those of at least ``min_documents`` documents: ``key.npy``
    (uint64, rising), ``documents.npy`` (int64)."""
    arguments = run.arguments
    keys: list[Words64] = [np.zeros(0, np.uint64)]
    documents: list[Ints] = [np.zeros(0, np.int64)]
    for folder in outputs_of(run, "counts"):
        of_part = load(folder / "key.npy")
        within = key_range(of_part, arguments["partition"], arguments["partitions"])
        keys.append(of_part[within])
        documents.append(load(folder / "documents.npy")[within].astype(np.int64))
    key, count = np.concatenate(keys), np.concatenate(documents)
    order = np.argsort(key, kind="stable")
    key, count = key[order], count[order]
    starts = np.flatnonzero(_differs(key))
    total = np.add.reduceat(count, starts) if len(starts) else starts
    kept = total >= arguments["min_documents"]
    repeated = key[starts][kept]
    save(run.output / "key.npy", repeated)
    save(run.output / "documents.npy", total[kept])
    return {"repeated": int((~is_scope(repeated)).sum())}


def select_part(run: TaskRun) -> Json:
    """Those of the repeated lines that the part has: files as those of ``add_partition``."""
    own = load(run.path(run.arguments["counts"]) / "key.npy")
    folders = outputs_of(run, "repeated")
    keys: list[Words64] = [np.zeros(0, np.uint64)]
    documents: list[Ints] = [np.zeros(0, np.int64)]
    for partition, folder in enumerate(folders):
        asked = own[key_range(own, partition, len(folders))]
        count = look_up(_open(folder), asked)
        keys.append(asked[count > 0])
        documents.append(count[count > 0])
    save(run.output / "key.npy", np.concatenate(keys))
    save(run.output / "documents.npy", np.concatenate(documents))
    return {"repeated": sum(len(piece) for piece in keys)}


def look_up(repeated: Repeated, keys: Words64) -> Ints:
    """How many documents have each line (int64); 0 for those that are not repeated."""
    if len(repeated.key) == 0:
        return np.zeros(len(keys), np.int64)
    place = np.minimum(np.searchsorted(repeated.key, keys), len(repeated.key) - 1)
    return np.where(repeated.key[place] == keys, repeated.documents[place], 0)


def repeated_lines(folder: Path) -> Repeated:
    """What ``select_part`` wrote for a part; the last few are kept open."""
    return _open_once(str(folder))


@lru_cache(maxsize=4)
def _open_once(folder: str) -> Repeated:
    return _open(Path(folder))


def _open(folder: Path) -> Repeated:
    return Repeated(load(folder / "key.npy")[:], load(folder / "documents.npy")[:])


def _differs(sorted_values: Words64 | Ints) -> Flags:
    """Where a value is not the one before it; true at the first."""
    new = np.ones(len(sorted_values), np.bool_)
    new[1:] = sorted_values[1:] != sorted_values[:-1]
    return new
