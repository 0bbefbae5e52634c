"""What became of documents that have duplicates: from ranks back to parts, rows and ids."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.corpus import Corpus
from pipeline.task import Json, Receipt, Task, TaskRun
from stages.dedupe.arrays import Flags, Floats, Ints, id_column
from stages.dedupe.exchange import within_range
from stages.dedupe.listing import listed, outputs_of
from stages.dedupe.ranking import Ranking
from stages.dedupe.stored import load, save

DECISIONS_FILE = "decisions.parquet"
_NAMES = ("position", "cluster", "size", "survivor", "jaccard")
_TYPES: tuple[type[Any], ...] = (np.int64, np.int64, np.int64, np.int64, np.float32)


@dataclass(frozen=True)
class Outcomes:
    """Documents in clusters of two and more. ``rank`` and ``cluster`` (rank of the cluster's first
    document) and ``survivor`` (rank of the document that it duplicates; -1: kept) are int64,
    ``size`` (documents in the cluster) int64, ``jaccard`` (with the survivor; NaN: none) float32.
    """

    rank: Ints
    cluster: Ints
    size: Ints
    survivor: Ints
    jaccard: Floats

    def save(self, folder: Path, ranking: Ranking) -> None:
        """Writes the columns, sorted by position."""
        position = ranking.positions(self.rank)
        order = np.argsort(position)
        columns: list[np.ndarray[Any, Any]] = [position, self.cluster, self.size]
        columns += [self.survivor, self.jaccard]
        for name, kind, column in zip(_NAMES, _TYPES, columns, strict=True):
            save(folder / f"{name}.npy", column[order].astype(kind))


def decision_rounds(
    corpus: Corpus,
    sketches: Sequence[Receipt],
    ranking: str,
    outcomes: Sequence[Receipt],
    earlier: Sequence[str] = (),
) -> Generator[list[Task], list[Receipt], list[Receipt]]:
    """One task a part: its rows of all outcomes, with ranks turned into ids. ``earlier`` names the
    corpora of sketches that stand behind those of the parts, one name each."""
    source = yield from listed(corpus, "outcomes", outcomes)
    receipts = yield [
        corpus.task(
            "stages.dedupe.outcomes:write_decisions",
            "decide",
            {
                "part": part.index,
                "sketch": sketch.output,
                "ranking": ranking,
                "outcomes": source,
                "earlier": list(earlier),
            },
            label=f"decisions on {part.documents}",
            documents=part.rows,
        )
        for part, sketch in zip(corpus.parts, sketches, strict=False)
    ]
    return receipts


def write_decisions(run: TaskRun) -> Json:
    """Writes ``decisions.parquet``: ``row`` (int64, rising), ``cluster`` (id), ``cluster_size``
    (int32), ``survivor`` (id, null when kept), ``jaccard`` (float32, null without one) and
    ``corpus`` (string: the earlier corpus that the survivor is of, null if this one)."""
    ranking = Ranking.open(run.store, run.arguments["ranking"])
    part = run.arguments["part"]
    bounds = ranking.offsets[part : part + 2].tolist()
    pieces: list[list[np.ndarray[Any, Any]]] = [[np.zeros(0, kind)] for kind in _TYPES]
    for folder in outputs_of(run, "outcomes"):
        within = within_range(load(folder / "position.npy"), bounds)
        for name, piece in zip(_NAMES, pieces, strict=True):
            piece.append(load(folder / f"{name}.npy")[within])
    position, cluster, size, survivor, jaccard = (np.concatenate(piece) for piece in pieces)
    order = np.argsort(position)
    rows = load(run.path(run.arguments["sketch"]) / "rows.npy")[position[order] - bounds[0]]
    kept = survivor[order] < 0
    # a kept document has no witness: its own cluster stands there, and is masked
    witness = np.where(kept, cluster[order], survivor[order])
    pq.write_table(
        pa.table(
            {
                "row": pa.array(rows, pa.int64()),
                "cluster": id_column(ranking.ids(cluster[order])),
                "cluster_size": pa.array(size[order], pa.int32()),
                "survivor": id_column(ranking.ids(witness), kept),
                "jaccard": pa.array(jaccard[order], pa.float32(), from_pandas=True),
                "corpus": _corpora(ranking, witness, kept, run.arguments["earlier"]),
            }
        ),
        run.output / DECISIONS_FILE,
        compression="zstd",
    )
    return {"duplicates": int((~kept).sum()), "in_clusters": len(rows)}


def _corpora(ranking: Ranking, ranks: Ints, missing: Flags, earlier: Sequence[str]) -> pa.Array:
    """The earlier corpus that each document is of; null for those of this one."""
    names = pa.array(earlier, pa.string())
    sketch, _ = ranking.places(ranking.positions(ranks))
    number = sketch - (len(ranking.offsets) - 1 - len(earlier))
    return names.take(pa.array(number, mask=missing | (number < 0)))


def decisions_for(path: Path, rows: Ints) -> pa.Table:
    """The columns of ``write_decisions`` but ``row`` for rows of a part, null where a document has
    no duplicate; ``cluster_size`` is 1 there."""
    table = _decisions(str(path))
    known = table["row"].to_numpy()
    place = np.searchsorted(known, rows)
    found = np.zeros(len(rows), bool)
    inside = place < len(known)
    found[inside] = known[place[inside]] == rows[inside]
    index = pa.array(np.where(found, place, 0), pa.int64(), mask=~found)
    taken = table.drop_columns(["row"]).take(index).combine_chunks()
    return taken.set_column(
        taken.column_names.index("cluster_size"),
        "cluster_size",
        taken["cluster_size"].fill_null(1),
    )


@lru_cache(maxsize=4)
def _decisions(path: str) -> pa.Table:
    return pq.read_table(path)
