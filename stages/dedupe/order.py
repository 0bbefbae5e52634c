"""The survivor order: every living document's rank, from its own properties and its id alone.

After this round deduplication speaks of documents by rank: rank 0 is the document that is kept
before all others. So nothing depends on how documents are split into parts. Two more numbers name
a document inside the rounds: its *position* (parts in order, living rows in order), which finds
its text, and its *index*, which is the position within its part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.corpus import Corpus, View
from pipeline.store import Store
from pipeline.task import Receipt, Task, TaskRun
from stages.dedupe.arrays import Bytes, Ints, Words64, id_bytes, load, text_buffers

Json = Any
Key = Literal["n_bytes", "source_priority", "id"]

DEFAULT_ORDER: tuple[Key, ...] = ("n_bytes", "id")


def check_order(order: Sequence[Key], source_priority: Sequence[str]) -> None:
    """Raises ValueError, with the cure, when the order cannot decide between two documents."""
    if len(set(order)) != len(order):
        raise ValueError(f"order: {_listed(order)} names a key twice. Name each once.")
    if not order or order[-1] != "id":
        shown = [key for key in order if key != "id"]
        raise ValueError(
            f"order: {_listed(order)} does not end with `id`, so it cannot decide between equal"
            f" documents. Set order: {_listed([*shown, 'id'])}."
        )
    if ("source_priority" in order) != bool(source_priority):
        raise ValueError(
            "order names `source_priority` if and only if `source_priority` lists sources."
            " Set source_priority: [best source, second best …] and"
            " order: [source_priority, n_bytes, id], or neither."
        )
    if len(set(source_priority)) != len(source_priority):
        raise ValueError("source_priority names a source twice. Name each once.")


def _listed(order: Sequence[str]) -> str:
    return f"[{', '.join(order)}]"


def write_order_keys(folder: Path, view: View) -> None:
    """Into a sketch: what the order reads of each living document, and its row in the part.

    ``ids.npy`` uint8 (rows, 16), ``n_bytes.npy`` int64 (UTF-8 bytes of text), ``rows.npy`` int64.
    """
    _, offsets = text_buffers(view.table["text"])
    np.save(folder / "ids.npy", id_bytes(view.table["id"]))
    np.save(folder / "n_bytes.npy", np.diff(offsets))
    np.save(folder / "rows.npy", view.rows)


def order_task(
    corpus: Corpus,
    sketches: Sequence[Receipt],
    order: Sequence[Key],
    source_priority: Sequence[str],
) -> Task:
    """The task that ranks all documents. Raises ValueError when ``source_priority`` names a source
    that the recipe does not have."""
    known = {*corpus.recipe.get("sources", ()), *(part.source for part in corpus.parts)}
    for name in source_priority:
        if name not in known:
            raise ValueError(
                f"{corpus.stage}.source_priority: there is no source `{name}`."
                f" Sources: {', '.join(sorted(known))}."
            )
    ranks = {name: index for index, name in enumerate(source_priority)}
    return corpus.task(
        "stages.dedupe.order:rank_documents",
        "order",
        {
            "sketches": [receipt.output for receipt in sketches],
            "priorities": [ranks.get(part.source, len(ranks)) for part in corpus.parts],
            "order": list(order),
        },
        label="survivor order",
        documents=sum(part.rows for part in corpus.parts),
    )


def rank_documents(run: TaskRun) -> Json:
    """Sorts all documents. Memory: about 60 bytes a document.

    Writes ``ids.npy`` (uint8, documents x 16, by rank), ``positions.npy`` (int64, by rank),
    ``ranks.npy`` (int64, by position) and ``offsets.npy`` (int64, parts + 1: positions at which
    parts begin).
    """
    sketches = [run.path(output) for output in run.arguments["sketches"]]
    ids = _joined([load(folder / "ids.npy") for folder in sketches], np.zeros((0, 16), np.uint8))
    sizes = [load(folder / "n_bytes.npy") for folder in sketches]
    n_bytes: Ints = _joined(sizes, np.zeros(0, np.int64))
    offsets = np.zeros(len(sizes) + 1, np.int64)
    offsets[1:] = np.cumsum([len(size) for size in sizes])
    words = np.ascontiguousarray(ids).view(">u8").astype(np.uint64)
    keys: list[Words64 | Ints] = []
    for key in run.arguments["order"]:
        if key == "n_bytes":
            keys.append(-n_bytes)
        elif key == "source_priority":
            priorities = np.array(run.arguments["priorities"], np.int64)
            keys.append(np.repeat(priorities, np.diff(offsets)))
        else:
            keys += [words[:, 0], words[:, 1]]
    positions: Ints = np.lexsort(keys[::-1]).astype(np.int64)
    ranks = np.empty_like(positions)
    ranks[positions] = np.arange(len(positions))
    ordered = ids[positions]
    repeated = np.flatnonzero((ordered[1:] == ordered[:-1]).all(axis=1))
    if len(repeated):
        raise ValueError(
            f"two documents have the id {ordered[repeated[0]].tobytes().hex()}."
            " Ids must be unique: give each source a name of its own and ingest again."
        )
    np.save(run.output / "ids.npy", ordered)
    np.save(run.output / "positions.npy", positions)
    np.save(run.output / "ranks.npy", ranks)
    np.save(run.output / "offsets.npy", offsets)
    return {"documents": len(positions)}


def _joined(pieces: Sequence[np.ndarray[Any, Any]], empty: np.ndarray[Any, Any]) -> Any:
    return np.concatenate([empty, *pieces])


@dataclass(frozen=True)
class Ranking:
    """The files of ``rank_documents``, memory-mapped."""

    ids: Bytes
    positions: Ints
    ranks: Ints
    offsets: Ints

    @staticmethod
    def open(store: Store, output: str) -> Ranking:
        """The ranking in an output folder (workspace-relative)."""
        folder = store.path(output)
        names = ("ids", "positions", "ranks", "offsets")
        return Ranking(*(load(folder / f"{name}.npy") for name in names))

    def of_part(self, part: int) -> Ints:
        """Ranks of a part's living documents, by index."""
        return self.ranks[self.offsets[part] : self.offsets[part + 1]]
