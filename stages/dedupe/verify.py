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
from stages.dedupe.shingles import likeness, shingles_and_slots
from stages.dedupe.slots import differing_slots
from stages.dedupe.stored import load, save
from stages.dedupe.texts import texts_of_rows

_GATHERED_SHINGLES = 32 << 20
"""Shingles held at once by a verification task: 256 MB."""


def write_shingles(run: TaskRun) -> Json:
    """The shingle sets of a part's documents that are in a candidate pair, and their slots where
    ``names`` count.

    Writes ``index.npy`` (int64, rising), ``bounds.npy`` (int64, documents + 1) and
    ``shingles.npy`` (uint64); ``slot_bounds.npy`` and ``slots.npy`` of the same types.
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
    slots: list[Words64] = [np.zeros(0, np.uint64)]
    slot_sizes: list[Ints] = [np.zeros(1, np.int64)]
    settings = arguments["ngram"], arguments["char_ngram"]
    if len(index):
        view = arguments["view"]
        rows = living_rows(run.store, view["documents"], view["verdicts"])[index]
        for text, chosen in texts_of_rows(run.store, view, rows):
            some, bounds, others, other_bounds = shingles_and_slots(
                text, *settings, chosen, names=arguments["names"]
            )
            shingles.append(some)
            sizes.append(np.diff(bounds))
            slots.append(others)
            slot_sizes.append(np.diff(other_bounds))
    save(run.output / "index.npy", index)
    save(run.output / "bounds.npy", np.cumsum(np.concatenate(sizes)))
    save(run.output / "shingles.npy", np.concatenate(shingles))
    save(run.output / "slot_bounds.npy", np.cumsum(np.concatenate(slot_sizes)))
    save(run.output / "slots.npy", np.concatenate(slots))
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
    folders = outputs_of(run, "shingles")
    sets = _SetFiles(folders, ranking, "shingles", "bounds")
    slots = _SetFiles(folders, ranking, "slots", "slot_bounds")
    here = np.flatnonzero(~earlier)
    weights = arguments["number_weight"], arguments["slot_weight"]
    plain, least, contained = _likenesses(sets, slots, left[here], right[here], *weights)
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


class _SetFiles:
    """The shingle sets (or slots) of all parts, memory-mapped as they are needed, gathered by
    rank; ``values`` and ``bounds`` are the names of their files."""

    def __init__(self, folders: Sequence[Path], ranking: Ranking, values: str, bounds: str) -> None:
        self.folders = folders
        self.ranking = ranking
        self.values = f"{values}.npy"
        self.bounds = f"{bounds}.npy"

    def sizes(self, ranks: Ints) -> Ints:
        """Number of values of documents (int64)."""
        sizes = np.zeros(len(ranks), np.int64)
        for folder, rows, places in self._places(ranks):
            bounds = load(folder / self.bounds)
            sizes[rows] = bounds[places + 1] - bounds[places]
        return sizes

    def gather(self, ranks: Ints, starts: Ints) -> Words64:
        """Values of documents one after the other; document i at ``starts[i]:starts[i + 1]``."""
        gathered = np.empty(starts[-1], np.uint64)
        for folder, rows, places in self._places(ranks):
            bounds, values = load(folder / self.bounds), load(folder / self.values)
            begins = bounds[places]
            values.check_runs(begins, bounds[places + 1])
            _copy_sets(values.array, begins, gathered, starts, rows)
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
def _copy_sets(values: Words64, begins: Ints, gathered: Words64, starts: Ints, rows: Ints) -> None:
    for item in range(len(rows)):
        begin = begins[item]
        start = starts[rows[item]]
        for offset in range(starts[rows[item] + 1] - start):
            gathered[start + offset] = values[begin + offset]


@compiled
def _compare(
    shingles: Words64,
    starts: Ints,
    slots: Words64,
    slot_starts: Ints,
    left: Ints,
    right: Ints,
    number_weight: int,
    slot_weight: int,
) -> Floats:
    result = np.empty((3, len(left)), np.float32)
    for pair in range(len(left)):
        a = shingles[starts[left[pair]] : starts[left[pair] + 1]]
        b = shingles[starts[right[pair]] : starts[right[pair] + 1]]
        c = slots[slot_starts[left[pair]] : slot_starts[left[pair] + 1]]
        d = slots[slot_starts[right[pair]] : slot_starts[right[pair] + 1]]
        apart = slot_weight * differing_slots(c, d)
        found = likeness(a, b, number_weight, apart)
        result[0, pair], result[1, pair], result[2, pair] = found
    return result


def _likenesses(
    sets: _SetFiles, slots: _SetFiles, left: Ints, right: Ints, *weights: int
) -> Floats:
    """``likeness`` of each pair (float32, 3 x pairs), a few at a time so that memory is bounded."""
    result = np.empty((3, len(left)), np.float32)
    if len(left) == 0:
        return result
    ranks, inverse = np.unique(np.concatenate([left, right]), return_inverse=True)
    sizes, slot_sizes = sets.sizes(ranks), slots.sizes(ranks)
    loads = (sizes + slot_sizes)[inverse].reshape(2, -1).sum(axis=0)
    groups = (np.cumsum(loads) - loads) // _GATHERED_SHINGLES
    cuts = np.flatnonzero(np.diff(groups)) + 1
    for begin, end in zip(np.append(0, cuts), np.append(cuts, len(left)), strict=True):
        here = slice(begin, end)
        some, inner = np.unique(np.concatenate([left[here], right[here]]), return_inverse=True)
        places = np.searchsorted(ranks, some)
        starts = np.append(0, np.cumsum(sizes[places]))
        slot_starts = np.append(0, np.cumsum(slot_sizes[places]))
        gathered = sets.gather(some, starts), starts, slots.gather(some, slot_starts), slot_starts
        half = end - begin
        result[:, here] = _compare(*gathered, inner[:half], inner[half:], *weights)
    return result


def _estimated(left: Bytes, right: Bytes) -> Floats:
    """The Jaccard index (float32) that signatures of 8 bits a minimum tell: unequal minima agree by
    chance once in 256 (b-bit minwise hashing, Li and Koenig 2010, arXiv 0910.3349)."""
    agreeing = (left == right).mean(axis=1)
    chance = 1 / 256
    estimate: Floats = np.maximum((agreeing - chance) / (1 - chance), 0.0).astype(np.float32)
    return estimate
