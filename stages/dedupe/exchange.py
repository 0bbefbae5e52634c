"""Exchange by key without moving a file: sketches are sorted, so a partition is a range of each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypedDict

import numpy as np

from stages.dedupe.arrays import Ints, Words64
from stages.dedupe.key_sort import sort_by_key
from stages.dedupe.ranking import Ranking
from stages.dedupe.stored import Stored, load

SAMPLE_STEP = 16_384
"""One in so many of a task's sorted numbers is told to the driver, which cuts ranges by them."""
SAMPLES = 16
"""At least so many are told, of so many as there are."""


def partition_bounds(partition: int, partitions: int) -> tuple[int, int | None]:
    """The keys of a partition: at least the first number, less than the second (None: no end)."""
    first = (partition << 64) // partitions
    last = ((partition + 1) << 64) // partitions
    return first, last if last < 1 << 64 else None


def key_range(keys: Stored, partition: int, partitions: int) -> slice:
    """Where a partition's keys stand in a sorted array of keys (uint64)."""
    first, last = partition_bounds(partition, partitions)
    return slice(keys.place(first), len(keys) if last is None else keys.place(last))


def gather(
    folders: Sequence[Path], names: Sequence[str], ranking: Ranking, partition: int, partitions: int
) -> tuple[list[Words64], Ints]:
    """A partition of all sketches: key columns (uint64; ``names[0]`` is the sorted one that the
    partition is a range of) and the ranks (int64) of the documents that have them.

    A sketch holds ``<name>.npy`` for each name, and ``index.npy``: the documents' indexes.
    """
    columns: list[list[Words64]] = [[np.zeros(0, np.uint64)] for _ in names]
    ranks: list[Ints] = [np.zeros(0, np.int64)]
    for part, folder in enumerate(folders):
        within = key_range(load(folder / f"{names[0]}.npy"), partition, partitions)
        for column, name in zip(columns, names, strict=True):
            column.append(load(folder / f"{name}.npy")[within])
        ranks.append(ranking.of_part(part)[load(folder / "index.npy")[within]])
    return [np.concatenate(column) for column in columns], np.concatenate(ranks)


def buckets(columns: Sequence[Words64], ranks: Ints) -> tuple[Ints, Ints]:
    """Documents that share all keys with another: their ranks, bucket by bucket and rising within
    each, and the bounds of the buckets (int64, buckets + 1)."""
    first, order = sort_by_key(columns[0])
    same = first[1:] == first[:-1]
    shared = np.zeros(len(first), bool)
    shared[1:] |= same
    shared[:-1] |= same
    order = order[shared]
    keys = [column[order] for column in columns]
    members = ranks[order]
    order = np.lexsort([members, *keys[::-1]])
    keys = [column[order] for column in keys]
    members = members[order]
    starts = np.ones(len(members), bool)
    if len(members):
        starts[1:] = np.any([column[1:] != column[:-1] for column in keys], axis=0)
    bounds = np.append(np.flatnonzero(starts), len(members))
    sizes = np.diff(bounds)
    repeated = np.repeat(sizes > 1, sizes)
    kept = sizes[sizes > 1]
    return members[repeated], np.append(0, np.cumsum(kept)).astype(np.int64)


class Quantiles(TypedDict):
    """One in ``step`` of a task's sorted numbers."""

    step: int
    values: list[int]


def quantiles(values: Ints) -> Quantiles:
    """Of sorted values, for ``even_ranges``."""
    step = max(1, min(SAMPLE_STEP, len(values) // SAMPLES))
    return {"step": step, "values": values[step - 1 :: step].tolist()}


def even_ranges(samples: Sequence[Quantiles], at_once: int) -> list[list[int]]:
    """Ranges ``[first, last)`` of numbers from 0 that hold about as many values each, about
    ``at_once`` at most, from the ``quantiles`` of all values; the last range has no end (-1). Equal
    values stay together."""
    values = np.concatenate([np.zeros(0, np.int64), *(sample["values"] for sample in samples)])
    stands_for = np.repeat(
        np.array([sample["step"] for sample in samples], np.int64),
        [len(sample["values"]) for sample in samples],
    )
    order = np.argsort(values, kind="stable")
    counted = np.cumsum(stands_for[order])
    total = int(counted[-1]) if len(counted) else 0
    ranges = -(-total // max(1, at_once))
    places = np.searchsorted(counted, [total * n // ranges for n in range(1, ranges)])
    cuts = np.unique(values[order[places]].astype(np.int64) + 1)
    bounds = [0, *(int(cut) for cut in cuts), -1]
    return [[first, last] for first, last in pairwise(bounds)]


def within_range(values: Stored, bounds: Sequence[int]) -> slice:
    """Where the values of a range ``[first, last)`` stand in a sorted array; a last of -1 is its
    end."""
    first, last = bounds
    return slice(values.place(first), len(values) if last < 0 else values.place(last))
