"""A collection of documents of which all pairs are compared, and what a contender removes of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from stages.dedupe.shingles import shingle_sets
from tests.stages.dedupe.oracle import tokens

Floats = np.ndarray[Any, np.dtype[np.float64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
Removal = Callable[[Sequence[str]], set[int]]

ALONE = 100
"""Pairs of a step that are looked at alone, at most."""


@dataclass(frozen=True)
class Collection:
    """Documents, and a label for those that one origin has (None: unknown)."""

    name: str
    texts: list[str]
    labels: list[str | None]

    @cached_property
    def similarity(self) -> Floats:
        """The Jaccard index of all pairs (documents x documents), 0 on the diagonal."""
        shingles, bounds = shingle_sets(pa.array(self.texts, pa.large_string()), 5, 8)
        sizes = np.diff(bounds)
        numbers = np.unique(shingles, return_inverse=True)[1]
        within = np.zeros(numbers.max() + 1, np.int64)
        # a bound at the very end would be out of range; nothing lies behind it
        starts = np.minimum(bounds[:-1], len(numbers) - 1)
        rows = []
        for number in range(len(sizes)):
            mine = numbers[bounds[number] : bounds[number + 1]]
            within[mine] = 1
            shared = np.where(sizes > 0, np.add.reduceat(within[numbers], starts), 0)
            rows.append(shared / np.maximum(sizes + sizes[number] - shared, 1))
            within[mine] = 0
        similarity = np.array(rows)
        np.fill_diagonal(similarity, 0.0)
        return similarity

    @cached_property
    def pairs(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], Floats]:
        """All pairs: two arrays of numbers, and their Jaccard indexes."""
        left, right = np.tril_indices(len(self.texts), -1)
        return left, right, self.similarity[left, right]

    def recall(self, removed: set[int], low: float, high: float = 2.0) -> tuple[int, int]:
        """Pairs of an index in [low, high) of which a document is removed; all such pairs."""
        gone = self._flags(removed)
        left, right, similarity = self.pairs
        inside = (similarity >= low) & (similarity < high)
        return int((gone[left] | gone[right])[inside].sum()), int(inside.sum())

    def recall_alone(self, contender: Removal, low: float, high: float) -> tuple[int, int]:
        """The same of at most ``ALONE`` of these pairs, each as if there were no other document."""
        left, right, similarity = self.pairs
        inside = np.flatnonzero((similarity >= low) & (similarity < high))
        chosen = random.Random(1).sample(inside.tolist(), min(ALONE, len(inside)))
        texts = [
            " ".join(f"{word}x{pair}" for word, _ in tokens(self.texts[side[pair]]))
            for pair in chosen
            for side in (left, right)
        ]
        return len({number // 2 for number in contender(texts)}), len(chosen)

    def witnesses(self, removed: set[int]) -> Floats:
        """For each removed document, its index with the most similar kept one."""
        gone = self._flags(removed)
        nearest: Floats = np.max(self.similarity[gone][:, ~gone], axis=1, initial=0.0)
        return nearest

    def other_origin(self, removed: set[int]) -> int:
        """Removed documents of whose origin nothing is kept."""
        gone = self._flags(removed)
        kept = {label for label, lost in zip(self.labels, gone, strict=True) if not lost}
        return len({label for label in self.labels if label is not None} - kept)

    def _flags(self, removed: set[int]) -> Flags:
        gone = np.zeros(len(self.texts), bool)
        gone[list(removed)] = True
        return gone
