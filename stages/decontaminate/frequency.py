"""Document frequency: in how many documents the benchmarks' n-grams stand, with and without items.

A phrase that everybody writes, or a licence, may stand in an item too; then many documents hold it
and not the rest of the item. A popular item that was copied onto hundreds of pages is the opposite:
where its n-grams are, the item is. So what is counted is documents that hold an n-gram *without* an
item that it is of, and only where they are at least half of those that hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.task import Json, TaskRun
from stages.decontaminate.gate import I32
from stages.decontaminate.hits import Booleans, Seen
from stages.decontaminate.index import LISTED, load_index
from stages.decontaminate.match import Found

Floats = np.ndarray[Any, np.dtype[np.float32]]

PARTS_PER_SUM = 64
"""Parts whose counts one task adds up. Results do not depend on it."""


class Counts(NamedTuple):
    """Of the n-grams that occur: numbers in the long gate (rising), documents that hold each, and
    those of them that hold a sequence which it is of. ``total`` are all documents looked at."""

    grams: I32
    documents: I32
    copies: I32
    total: int

    def phrases(self) -> I32:
        """Documents that hold each n-gram and not its item; 0 where most of them hold the item."""
        without = self.documents - self.copies
        return np.where(2 * without >= self.documents, without, np.int32(0)).astype(np.int32)

    def save(self, folder: Path) -> None:
        """Writes the arrays, always with the same bytes for the same counts."""
        for name in ("grams", "documents", "copies"):
            np.save(folder / f"{name}.npy", getattr(self, name))
        np.save(folder / "total.npy", np.array([self.total], np.int64))


@lru_cache(maxsize=4)
def load_counts(folder: Path) -> Counts:
    """The counts of a folder, memory-mapped."""
    grams, documents, copies = (
        np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))
        for name in ("grams", "documents", "copies")
    )
    return Counts(grams, documents, copies, int(np.load(folder / "total.npy")[0]))


def count_documents(seen: Seen, total: int) -> Counts:
    """The counts of ``total`` documents, from the n-grams that they hold."""
    grams, place = np.unique(seen.grams, return_inverse=True)
    documents = np.bincount(place, minlength=len(grams))
    copies = np.bincount(place[seen.copied], minlength=len(grams))
    return Counts(grams, documents.astype(np.int32), copies.astype(np.int32), total)


def add_counts(parts: Sequence[Counts]) -> Counts:
    """The counts of disjoint sets of documents together. Costs what occurs, whatever the number of
    n-grams that do not."""
    grams, place = np.unique(np.concatenate([part.grams for part in parts]), return_inverse=True)
    documents = np.zeros(len(grams), np.int32)
    copies = np.zeros(len(grams), np.int32)
    np.add.at(documents, place, np.concatenate([part.documents for part in parts]))
    np.add.at(copies, place, np.concatenate([part.copies for part in parts]))
    return Counts(grams, documents, copies, sum(part.total for part in parts))


def rarest(found: Found, counts: Counts) -> I32:
    """For each match, ``Counts.phrases`` of that of its n-grams for which it is least; 0 for one
    without n-grams, which stands whole."""
    result = np.zeros(len(found.row), np.int32)
    some = np.diff(found.gram_offsets) > 0
    if some.any() and len(counts.grams):
        place = np.minimum(np.searchsorted(counts.grams, found.grams), len(counts.grams) - 1)
        there = counts.grams[place] == found.grams
        phrases = np.where(there, counts.phrases()[place], np.int32(0))
        result[some] = np.minimum.reduceat(phrases, found.gram_offsets[:-1][some])
    return result


def add_counts_files(run: TaskRun) -> Json:
    """Task: adds the counts of several tasks."""
    added = add_counts([load_counts(run.path(folder)) for folder in run.arguments["counts"]])
    added.save(run.output)
    return {"documents": added.total}


def list_phrases(run: TaskRun) -> Json:
    """Task: the n-grams that are common in the corpus, the most frequent with their words."""
    index = load_index(run.path(run.arguments["index"]))
    counts = load_counts(run.path(run.arguments["counts"]))
    phrases = counts.phrases()
    limits = run.arguments["min_documents"], run.arguments["min_share"]
    common = np.flatnonzero(is_common(phrases, shares(phrases, counts.total), *limits))
    order = np.lexsort((counts.grams[common], -phrases[common].astype(np.int64)))[:LISTED]
    return {
        "documents": counts.total,
        "corpus_common_n_grams": len(common),
        "corpus_common_n_grams_listed": [
            {
                "text": index.words_of(int(index.firsts[counts.grams[k]]), index.long.n),
                "documents": int(counts.documents[k]),
                "without_item": int(phrases[k]),
                "items": index.items_of(int(counts.grams[k])),
            }
            for k in common[order]
        ],
    }


def shares(documents: I32, total: int) -> Floats:
    """Numbers of documents as shares of all, as they are stored and compared."""
    return (documents / np.float64(max(1, total))).astype(np.float32)


def is_common(documents: I32, share: Floats, min_documents: int, min_share: float) -> Booleans:
    """Whether n-grams that stand without their item in so many documents, and in so large a share
    of all (float32), are phrases."""
    common: Booleans = (documents >= min_documents) & (share >= np.float32(min_share))
    return common
