"""Verification: candidate pairs count when the true Jaccard index of their shingles says so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.compile import compiled
from pipeline.corpus import open_view
from pipeline.task import TaskRun
from stages.dedupe.arrays import Floats, Ints, Words64, load
from stages.dedupe.candidates import distinct_pairs
from stages.dedupe.order import Ranking
from stages.dedupe.shingles import jaccard, shingle_sets

Json = Any

_GATHERED_SHINGLES = 32 << 20
"""Shingles held at once by a verification task: 256 MB."""


def write_shingles(run: TaskRun) -> Json:
    """The shingle sets of a part's documents that are in a candidate pair.

    Writes ``index.npy`` (int64, rising), ``bounds.npy`` (int64, documents + 1) and
    ``shingles.npy`` (uint64).
    """
    arguments = run.arguments
    first, last = Ranking.open(run.store, arguments["order"]).offsets[
        arguments["part"] : arguments["part"] + 2
    ]
    wanted: list[Ints] = [np.zeros(0, np.int64)]
    for output in arguments["pairs"]:
        positions = load(run.path(output) / "positions.npy")
        wanted.append(positions[slice(*np.searchsorted(positions, [first, last]))])
    index = np.unique(np.concatenate(wanted)) - first
    shingles, bounds = np.zeros(0, np.uint64), np.zeros(1, np.int64)
    if len(index):
        text = open_view(run.store, arguments["view"], ["text"]).table["text"]
        chosen = text if len(index) == len(text) else text.take(index)
        shingles, bounds = shingle_sets(chosen, arguments["ngram"], arguments["char_ngram"])
    np.save(run.output / "index.npy", index)
    np.save(run.output / "bounds.npy", bounds)
    np.save(run.output / "shingles.npy", shingles)
    return {"documents": len(index), "shingles": len(shingles)}


def verify_pairs(run: TaskRun) -> Json:
    """The pairs of one range of left ranks, found by any bucket, whose Jaccard index is at least
    ``min_jaccard``: ``left.npy``, ``right.npy`` (int64 ranks, sorted by left, then right) and
    ``jaccard.npy`` (float32). Without ``shingles`` all candidates are written, with NaN."""
    arguments = run.arguments
    left, right = _pairs_of_range(
        [run.path(output) for output in arguments["pairs"]], *arguments["ranks"]
    )
    candidates = len(left)
    if arguments["shingles"] is None:
        similarity = np.full(candidates, np.nan, np.float32)
    else:
        ranking = Ranking.open(run.store, arguments["order"])
        sets = _ShingleFiles([run.path(output) for output in arguments["shingles"]], ranking)
        similarity = _similarities(sets, left, right)
        alike = similarity >= np.float32(arguments["min_jaccard"])
        left, right, similarity = left[alike], right[alike], similarity[alike]
    np.save(run.output / "left.npy", left)
    np.save(run.output / "right.npy", right)
    np.save(run.output / "jaccard.npy", similarity)
    return {"candidates": candidates, "verified": len(left)}


def _pairs_of_range(folders: Sequence[Path], first: int, last: int) -> tuple[Ints, Ints]:
    lefts: list[Ints] = [np.zeros(0, np.int64)]
    rights: list[Ints] = [np.zeros(0, np.int64)]
    for folder in folders:
        left = load(folder / "left.npy")
        within = slice(*np.searchsorted(left, [first, last]))
        lefts.append(left[within])
        rights.append(load(folder / "right.npy")[within])
    return distinct_pairs(np.concatenate(lefts), np.concatenate(rights))


class _ShingleFiles:
    """The shingle sets of all parts, memory-mapped, gathered by rank."""

    def __init__(self, folders: Sequence[Path], ranking: Ranking) -> None:
        self.ranking = ranking
        names = ("index", "bounds", "shingles")
        self.parts = [tuple(load(folder / f"{name}.npy") for name in names) for folder in folders]

    def sizes(self, ranks: Ints) -> Ints:
        """Number of shingles of documents (int64)."""
        sizes = np.zeros(len(ranks), np.int64)
        for part, rows, places in self._places(ranks):
            bounds = self.parts[part][1]
            sizes[rows] = bounds[places + 1] - bounds[places]
        return sizes

    def gather(self, ranks: Ints, starts: Ints) -> Words64:
        """Shingles of documents one after the other; document i at ``starts[i]:starts[i + 1]``."""
        gathered = np.empty(starts[-1], np.uint64)
        for part, rows, places in self._places(ranks):
            _, bounds, shingles = self.parts[part]
            _copy_sets(shingles, bounds, places, gathered, starts, rows)
        return gathered

    def _places(self, ranks: Ints) -> list[tuple[int, Ints, Ints]]:
        """For each part that has any of the documents: which of them, and their places there."""
        positions = self.ranking.positions[ranks]
        parts = np.searchsorted(self.ranking.offsets, positions, "right") - 1
        order = np.argsort(parts, kind="stable")
        present, begins = np.unique(parts[order], return_index=True)
        ends = np.append(begins[1:], len(order))
        found = []
        for part, begin, end in zip(present, begins, ends, strict=True):
            rows = order[begin:end]
            index = positions[rows] - self.ranking.offsets[part]
            found.append((int(part), rows, np.searchsorted(self.parts[part][0], index)))
        return found


@compiled
def _copy_sets(
    shingles: Words64, bounds: Ints, places: Ints, gathered: Words64, starts: Ints, rows: Ints
) -> None:
    for item in range(len(rows)):
        begin = bounds[places[item]]
        size = bounds[places[item] + 1] - begin
        start = starts[rows[item]]
        for offset in range(size):
            gathered[start + offset] = shingles[begin + offset]


@compiled
def _jaccards(gathered: Words64, starts: Ints, left: Ints, right: Ints) -> Floats:
    result = np.empty(len(left), np.float32)
    for pair in range(len(left)):
        a = gathered[starts[left[pair]] : starts[left[pair] + 1]]
        b = gathered[starts[right[pair]] : starts[right[pair] + 1]]
        result[pair] = jaccard(a, b)
    return result


def _similarities(sets: _ShingleFiles, left: Ints, right: Ints) -> Floats:
    """The Jaccard index of each pair (float32), a few at a time so that memory is bounded."""
    if len(left) == 0:
        return np.zeros(0, np.float32)
    ranks, inverse = np.unique(np.concatenate([left, right]), return_inverse=True)
    sizes = sets.sizes(ranks)
    loads = sizes[inverse[: len(left)]] + sizes[inverse[len(left) :]]
    groups = (np.cumsum(loads) - loads) // _GATHERED_SHINGLES
    result = np.empty(len(left), np.float32)
    cuts = np.flatnonzero(np.diff(groups)) + 1
    for begin, end in zip(np.append(0, cuts), np.append(cuts, len(left)), strict=True):
        here = slice(begin, end)
        some, inner = np.unique(np.concatenate([left[here], right[here]]), return_inverse=True)
        starts = np.append(0, np.cumsum(sizes[np.searchsorted(ranks, some)]))
        gathered = sets.gather(some, starts)
        half = end - begin
        result[here] = _jaccards(gathered, starts, inner[:half], inner[half:])
    return result
