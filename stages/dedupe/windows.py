"""Tasks of substring deduplication: windows of so many words, hashed, grouped, handed back.

A run of at least n words stands twice exactly if windows of n words do, so all windows are hashed
and sorted instead of all suffixes. That needs no text in one memory: windows are exchanged by range
of keys, and every repetition in the corpus is found, whatever parts the two documents are in.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.compile import compiled
from pipeline.corpus import open_view
from pipeline.task import Json, TaskRun
from stages.dedupe.arrays import Flags, Ints, Words32, Words64, id_bytes, id_column
from stages.dedupe.exchange import key_range, within_range
from stages.dedupe.kinds import rows_of_kinds
from stages.dedupe.listing import outputs_of
from stages.dedupe.stored import load, save
from stages.words import hash_words, mix

WINDOWS_FILE = "windows.parquet"

_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no word is lost from a hash
_AT_ONCE = 8 << 20
"""Bytes of text whose words are in memory at once."""


@compiled
def _rolled(hashes: Words64, offsets: Ints, length: int) -> tuple[Words64, Words32, Words32]:
    """Of every window of ``length`` words inside a row: its hash (uint64), the row, and the number
    of its first word in the row (uint32)."""
    total = 0
    for row in range(len(offsets) - 1):
        total += max(0, offsets[row + 1] - offsets[row] - length + 1)
    keys = np.empty(total, np.uint64)
    rows = np.empty(total, np.uint32)
    places = np.empty(total, np.uint32)
    leaving = np.uint64(1)  # what the oldest word's hash has been multiplied by
    for _ in range(length):
        leaving *= _BASE
    count = 0
    for row in range(len(offsets) - 1):
        first = offsets[row]
        rolling = np.uint64(0)
        for word in range(first, offsets[row + 1]):
            rolling = rolling * _BASE + hashes[word]
            if word >= first + length:
                rolling -= leaving * hashes[word - length]
            if word >= first + length - 1:
                keys[count] = mix(rolling)
                rows[count] = row
                places[count] = word - length + 1 - first
                count += 1
    return keys, rows, places


def window_keys(text: pa.ChunkedArray, length: int) -> tuple[Words64, Words32, Words32]:
    """Hashes of all windows, documents and first words, as ``_rolled`` gives them for each part of
    the texts, in order."""
    sizes = np.cumsum([0, *(chunk.nbytes for chunk in text.chunks)])
    pieces = max(1, int(sizes[-1]) // _AT_ONCE)
    bounds = np.linspace(0, len(text), pieces + 1).astype(np.int64)
    found: list[tuple[Words64, Words32, Words32]] = []
    for first, last in pairwise(bounds):
        words = hash_words(text.slice(first, last - first))
        keys, rows, places = _rolled(words.hashes, words.offsets, length)
        found.append((keys, rows + np.uint32(first), places))
    keys, rows, places = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return keys, rows, places


def sketch_part(run: TaskRun) -> Json:
    """Windows of a part, sorted: ``key.npy`` (uint64), ``index.npy``, ``place.npy`` (uint32: the
    document among those looked at, and its word), 16 bytes a window; and of the documents
    ``ids.npy`` (uint8, x 16) and ``rows.npy`` (int64: rows in the part)."""
    arguments = run.arguments
    view = open_view(run.store, arguments["view"])
    chosen = rows_of_kinds(view.table, arguments["kinds"])
    table = view.table.take(pa.array(chosen))
    keys, index, places = window_keys(table["text"], arguments["words"])
    order = np.argsort(keys, kind="stable")
    save(run.output / "key.npy", keys[order])
    save(run.output / "index.npy", index[order])
    save(run.output / "place.npy", places[order])
    save(run.output / "ids.npy", id_bytes(table["id"]))
    save(run.output / "rows.npy", view.rows[chosen])
    return {"documents": len(chosen), "windows": len(keys)}


_MARKS = ("part", "index", "place", "first", "kept_part", "kept_index")


def group_partition(run: TaskRun) -> Json:
    """Windows of one range of keys that stand more than once, sorted by document and place.

    Files of equal length: ``part.npy``, ``index.npy``, ``place.npy`` (uint32) say where each is;
    ``first.npy`` (bool) whether it is the first of its group, by the priority of its source, the
    id of its document and its place; ``kept_part.npy`` and ``kept_index.npy`` (uint32) where
    the first one is.
    """
    arguments = run.arguments
    folders = outputs_of(run, "sketches")
    columns: list[list[Any]] = [
        [np.zeros(0, np.uint64)],
        *([np.zeros(0, np.uint32)] for _ in "123"),
    ]
    for number, folder in enumerate(folders):
        all_keys = load(folder / "key.npy")
        within = key_range(all_keys, arguments["partition"], arguments["partitions"])
        columns[0].append(all_keys[within])
        columns[1].append(np.full(len(columns[0][-1]), number, np.uint32))
        columns[2].append(load(folder / "index.npy")[within])
        columns[3].append(load(folder / "place.npy")[within])
    key, part, index, place = (np.concatenate(column) for column in columns)
    shared = _shared(key)
    key, part, index, place = key[shared], part[shared], index[shared], place[shared]
    ids = np.zeros((len(key), 2), np.uint64)
    for number, folder in enumerate(folders):
        here = part == number
        words = np.ascontiguousarray(load(folder / "ids.npy")[:]).view(">u8")
        ids[here] = words[index[here]]
    priority = np.array(arguments["priorities"], np.int64)[part]
    order = np.lexsort([place, ids[:, 1], ids[:, 0], priority, key])
    key, part, index, place = key[order], part[order], index[order], place[order]
    first = np.ones(len(key), np.bool_)
    first[1:] = key[1:] != key[:-1]
    leader = np.flatnonzero(first)[np.cumsum(first) - 1]
    found = (part, index, place, first, part[leader], index[leader])
    order = np.lexsort([place, index, part])
    for name, column in zip(_MARKS, found, strict=True):
        save(run.output / f"{name}.npy", column[order])
    return {"groups": int(first.sum()), "repeated_windows": int((~first).sum())}


def _shared(keys: Words64) -> Ints:
    """Numbers of the keys that are not alone, equal keys together."""
    order = np.argsort(keys, kind="stable")
    same = keys[order[1:]] == keys[order[:-1]]
    alone: Flags = np.ones(len(keys), np.bool_)
    alone[1:] &= ~same
    alone[:-1] &= ~same
    return np.asarray(order[~alone], np.int64)


def collect_part(run: TaskRun) -> Json:
    """A part's repeated windows from all partitions: ``windows.parquet``, sorted by ``row`` (of the
    part) and ``place``. Windows at ``count`` words one behind the other are one row where they
    are alike: ``first`` as above, ``kept_in`` the id of the document that keeps the words."""
    number = run.arguments["part"]
    sketches = outputs_of(run, "sketches")
    columns: list[list[Any]] = [[] for _ in _MARKS]
    for folder in outputs_of(run, "groups"):
        parts = load(folder / "part.npy")
        within = within_range(parts, [number, number + 1])
        for column, name in zip(columns, _MARKS, strict=True):
            column.append(load(folder / f"{name}.npy")[within])
    _, index, place, first, kept_part, kept_index = (np.concatenate(c) for c in columns)
    order = np.lexsort([place, index])
    index, place, first = index[order], place[order], first[order]
    kept_part, kept_index = kept_part[order], kept_index[order]
    new = np.ones(len(index), np.bool_)
    new[1:] = place[1:] != place[:-1] + 1
    for alike in (index, first, kept_part, kept_index):
        new[1:] |= alike[1:] != alike[:-1]
    begins = np.flatnonzero(new)
    kept = np.zeros((len(begins), 16), np.uint8)
    for part in np.unique(kept_part):
        here = kept_part[begins] == part
        kept[here] = load(sketches[part] / "ids.npy")[kept_index[begins][here]]
    rows = load(sketches[number] / "rows.npy")[:]
    pq.write_table(
        pa.table(
            {
                "row": pa.array(rows[index[begins]], pa.int64()),
                "place": pa.array(place[begins].astype(np.int64)),
                "count": pa.array(np.diff(np.append(begins, len(index)))),
                "first": pa.array(first[begins]),
                "kept_in": id_column(kept),
            }
        ),
        run.output / WINDOWS_FILE,
        compression="zstd",
    )
    return {"repeated_windows": int((~first).sum())}
