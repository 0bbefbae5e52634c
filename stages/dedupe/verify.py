"""Verification: candidate pairs count when the true Jaccard index of their shingles says so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.compile import compiled
from pipeline.corpus import living_rows
from pipeline.task import Json, TaskRun
from stages.dedupe.arrays import Bytes, Flags, Floats, Ints, Words64
from stages.dedupe.candidates import distinct_pairs
from stages.dedupe.exchange import quantiles, within_range
from stages.dedupe.listing import outputs_of
from stages.dedupe.ranking import Ranking
from stages.dedupe.shingles import likeness, shingle_sets
from stages.dedupe.stored import load, save
from stages.dedupe.texts import texts_of_rows

_GATHERED_SHINGLES = 32 << 20
"""Shingles held at once by a verification task: 256 MB."""


def write_shingles(run: TaskRun) -> Json:
    """The shingle sets of a part's documents that are in a candidate pair.

    Writes ``index.npy`` (int64, rising), ``bounds.npy`` (int64, documents + 1) and
    ``shingles.npy`` (uint64).
    """
    arguments = run.arguments
    offsets = Ranking.open(run.store, arguments["ranking"]).offsets
    first, last = offsets[arguments["part"] : arguments["part"] + 2].tolist()
    wanted: list[Ints] = [np.zeros(0, np.int64)]
    for folder in outputs_of(run, "pairs"):
        positions = load(folder / "positions.npy")
        wanted.append(positions[within_range(positions, [first, last])])
    index = np.unique(np.concatenate(wanted)) - first
    shingles: list[Words64] = [np.zeros(0, np.uint64)]
    sizes: list[Ints] = [np.zeros(1, np.int64)]
    if len(index):
        view = arguments["view"]
        rows = living_rows(run.store, view["documents"], view["verdicts"])[index]
        for text, chosen in texts_of_rows(run.store, view, rows):
            found, bounds = shingle_sets(text, arguments["ngram"], arguments["char_ngram"], chosen)
            shingles.append(found)
            sizes.append(np.diff(bounds))
    save(run.output / "index.npy", index)
    save(run.output / "bounds.npy", np.cumsum(np.concatenate(sizes)))
    save(run.output / "shingles.npy", np.concatenate(shingles))
    return {"documents": len(index), "shingles": sum(map(len, shingles))}


def verify_pairs(run: TaskRun) -> Json:
    """The pairs of one range of left ranks, found by any bucket, that are alike: ``left.npy``,
    ``right.npy`` (int64 ranks, sorted by left, then right) and ``jaccard.npy`` (float32).

    Without ``shingles`` all candidates are alike, and their Jaccard index is NaN.
    """
    arguments = run.arguments
    left, right = _pairs_of_range(outputs_of(run, "pairs"), arguments["ranks"])
    candidates = len(left)
    similarity = np.full(candidates, np.nan, np.float32)
    if arguments["shingles"] is not None:
        ranking = Ranking.open(run.store, arguments["ranking"])
        similarity, alike = _compared(run, ranking, left, right)
        left, right, similarity = left[alike], right[alike], similarity[alike]
    save(run.output / "left.npy", left)
    save(run.output / "right.npy", right)
    save(run.output / "jaccard.npy", similarity)
    return {
        "candidates": candidates,
        "verified": len(left),
        "sample": quantiles(left),
    }


def _pairs_of_range(folders: Sequence[Path], bounds: Sequence[int]) -> tuple[Ints, Ints]:
    lefts: list[Ints] = [np.zeros(0, np.int64)]
    rights: list[Ints] = [np.zeros(0, np.int64)]
    for folder in folders:
        left = load(folder / "left.npy")
        within = within_range(left, bounds)
        lefts.append(left[within])
        rights.append(load(folder / "right.npy")[within])
    return distinct_pairs(np.concatenate(lefts), np.concatenate(rights))


def _compared(run: TaskRun, ranking: Ranking, left: Ints, right: Ints) -> tuple[Floats, Flags]:
    """The Jaccard index of each pair, and whether it is alike: by shingles where both texts are in
    this corpus, by signatures where one is of an earlier corpus."""
    arguments = run.arguments
    earlier = left < arguments["earlier"]
    similarity = np.empty(len(left), np.float32)
    alike = np.empty(len(left), bool)
    sets = _ShingleFiles(outputs_of(run, "shingles"), ranking)
    here = np.flatnonzero(~earlier)
    plain, least, contained = _likenesses(sets, left[here], right[here], arguments["number_weight"])
    similarity[here] = plain
    alike[here] = least >= np.float32(arguments["min_jaccard"])
    if arguments["min_containment"] is not None:
        alike[here] |= contained >= np.float32(arguments["min_containment"])
    there = np.flatnonzero(earlier)
    if len(there):
        minima = _MinimaFiles(outputs_of(run, "sketches"), ranking)
        similarity[there] = _estimated(minima.gather(left[there]), minima.gather(right[there]))
        alike[there] = similarity[there] >= np.float32(arguments["min_jaccard"])
    return similarity, alike


class _ShingleFiles:
    """The shingle sets of all parts, memory-mapped as they are needed, gathered by rank."""

    def __init__(self, folders: Sequence[Path], ranking: Ranking) -> None:
        self.folders = folders
        self.ranking = ranking

    def sizes(self, ranks: Ints) -> Ints:
        """Number of shingles of documents (int64)."""
        sizes = np.zeros(len(ranks), np.int64)
        for folder, rows, places in self._places(ranks):
            bounds = load(folder / "bounds.npy")
            sizes[rows] = bounds[places + 1] - bounds[places]
        return sizes

    def gather(self, ranks: Ints, starts: Ints) -> Words64:
        """Shingles of documents one after the other; document i at ``starts[i]:starts[i + 1]``."""
        gathered = np.empty(starts[-1], np.uint64)
        for folder, rows, places in self._places(ranks):
            bounds, shingles = load(folder / "bounds.npy"), load(folder / "shingles.npy")
            begins = bounds[places]
            shingles.check_runs(begins, bounds[places + 1])
            _copy_sets(shingles.array, begins, gathered, starts, rows)
        return gathered

    def _places(self, ranks: Ints) -> list[tuple[Path, Ints, Ints]]:
        """For each part that has any of the documents: which of them, and their places there."""
        found = []
        for part, rows, index in _by_part(self.ranking, ranks):
            folder = self.folders[part]
            found.append((folder, rows, np.searchsorted(load(folder / "index.npy")[:], index)))
        return found


class _MinimaFiles:
    """The low bytes of the signatures of all sketches, memory-mapped, gathered by rank."""

    def __init__(self, folders: Sequence[Path], ranking: Ranking) -> None:
        self.folders = folders
        self.ranking = ranking

    def gather(self, ranks: Ints) -> Bytes:
        """Low bytes of the minima of documents (uint8, documents x hashes)."""
        width = load(self.folders[0] / "minima.npy").array.shape[1]
        gathered = np.empty((len(ranks), width), np.uint8)
        for part, rows, index in _by_part(self.ranking, ranks):
            gathered[rows] = load(self.folders[part] / "minima.npy")[index]
        return gathered


def _by_part(ranking: Ranking, ranks: Ints) -> list[tuple[int, Ints, Ints]]:
    """For each sketch that has any of the documents: which of them, and their indexes there."""
    parts, indexes = ranking.places(ranking.positions(ranks))
    order = np.argsort(parts, kind="stable")
    present, begins = np.unique(parts[order], return_index=True)
    ends = np.append(begins[1:], len(order))
    return [
        (int(part), order[begin:end], indexes[order[begin:end]])
        for part, begin, end in zip(present, begins, ends, strict=True)
    ]


@compiled
def _copy_sets(
    shingles: Words64, begins: Ints, gathered: Words64, starts: Ints, rows: Ints
) -> None:
    for item in range(len(rows)):
        begin = begins[item]
        start = starts[rows[item]]
        for offset in range(starts[rows[item] + 1] - start):
            gathered[start + offset] = shingles[begin + offset]


@compiled
def _compare(gathered: Words64, starts: Ints, left: Ints, right: Ints, weight: int) -> Floats:
    result = np.empty((3, len(left)), np.float32)
    for pair in range(len(left)):
        a = gathered[starts[left[pair]] : starts[left[pair] + 1]]
        b = gathered[starts[right[pair]] : starts[right[pair] + 1]]
        result[0, pair], result[1, pair], result[2, pair] = likeness(a, b, weight)
    return result


def _likenesses(sets: _ShingleFiles, left: Ints, right: Ints, weight: int) -> Floats:
    """``likeness`` of each pair (float32, 3 x pairs), a few at a time so that memory is bounded."""
    result = np.empty((3, len(left)), np.float32)
    if len(left) == 0:
        return result
    ranks, inverse = np.unique(np.concatenate([left, right]), return_inverse=True)
    sizes = sets.sizes(ranks)
    loads = sizes[inverse[: len(left)]] + sizes[inverse[len(left) :]]
    groups = (np.cumsum(loads) - loads) // _GATHERED_SHINGLES
    cuts = np.flatnonzero(np.diff(groups)) + 1
    for begin, end in zip(np.append(0, cuts), np.append(cuts, len(left)), strict=True):
        here = slice(begin, end)
        some, inner = np.unique(np.concatenate([left[here], right[here]]), return_inverse=True)
        starts = np.append(0, np.cumsum(sizes[np.searchsorted(ranks, some)]))
        gathered = sets.gather(some, starts)
        half = end - begin
        result[:, here] = _compare(gathered, starts, inner[:half], inner[half:], weight)
    return result


def _estimated(left: Bytes, right: Bytes) -> Floats:
    """The Jaccard index (float32) that signatures of 8 bits a minimum tell: unequal minima agree by
    chance once in 256 (b-bit minwise hashing, Li and Koenig 2010, arXiv 0910.3349)."""
    agreeing = (left == right).mean(axis=1)
    chance = 1 / 256
    estimate: Floats = np.maximum((agreeing - chance) / (1 - chance), 0.0).astype(np.float32)
    return estimate
