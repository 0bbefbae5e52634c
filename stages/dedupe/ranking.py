"""Ranks, positions and ids of all documents, looked up in files that are mapped as they are asked
for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.store import Store
from stages.dedupe.arrays import Bytes, Ints
from stages.dedupe.stored import load

_FILE = "ranking.json"


def write_ranking(
    folder: Path,
    ranges: Sequence[str],
    counts: Sequence[int],
    sizes: Sequence[int],
    ranks: Sequence[str] | None,
) -> None:
    """Says which outputs a ranking is made of: ``ranges`` (with ``ids.npy`` and ``positions.npy``
    of ``counts`` documents each; "": this folder) and, by sketch, documents (``sizes``) and
    ``ranks`` (with ``ranks.npy``; None: one for all in this folder)."""
    content = {"ranges": ranges, "counts": counts, "sizes": sizes, "ranks": ranks}
    (folder / _FILE).write_text(json.dumps(content))


class Ranking:
    """The files of a ranking. ``offsets`` (int64, sketches + 1): positions at which sketches
    begin."""

    def __init__(self, store: Store, output: str) -> None:
        folder = store.path(output)
        content = json.loads((folder / _FILE).read_text())
        self._ranges = [store.path(name or output) for name in content["ranges"]]
        self._bases = np.cumsum([0, *content["counts"]])
        self._folder = folder
        names = content["ranks"]
        self._ranks = None if names is None else [store.path(name) for name in names]
        self.offsets: Ints = np.cumsum([0, *content["sizes"]])

    @staticmethod
    def open(store: Store, output: str) -> Ranking:
        """The ranking in an output folder (workspace-relative)."""
        return _opened(store, output)

    def of_part(self, part: int) -> Ints:
        """Ranks of a sketch's documents, by index."""
        if self._ranks is None:
            return load(self._folder / "ranks.npy")[self.offsets[part] : self.offsets[part + 1]]
        return load(self._ranks[part] / "ranks.npy")[:]

    def ids(self, ranks: Ints) -> Bytes:
        """Ids (uint8, rows x 16) of documents."""
        found: Bytes = self._taken("ids.npy", ranks, np.empty((len(ranks), 16), np.uint8))
        return found

    def positions(self, ranks: Ints) -> Ints:
        """Positions of documents."""
        found: Ints = self._taken("positions.npy", ranks, np.empty(len(ranks), np.int64))
        return found

    def _taken(self, name: str, ranks: Ints, found: np.ndarray[Any, Any]) -> Any:
        for number, folder in enumerate(self._ranges):
            first, last = self._bases[number], self._bases[number + 1]
            if len(self._ranges) == 1:
                return load(folder / name)[ranks]
            here = np.flatnonzero((ranks >= first) & (ranks < last))
            if len(here):
                found[here] = load(folder / name)[ranks[here] - first]
        return found

    def places(self, positions: Ints) -> tuple[Ints, Ints]:
        """The sketch and the index in it of documents at given positions."""
        part = np.searchsorted(self.offsets, positions, "right") - 1
        return part, positions - self.offsets[part]


@lru_cache(maxsize=4)
def _opened(store: Store, output: str) -> Ranking:
    return Ranking(store, output)
