"""Rounds that rank all documents by the survivor order.

After them deduplication speaks of documents by rank: rank 0 is the document that is kept before all
others. So nothing depends on how documents are split into parts. Two more numbers name a document
inside the rounds: its *position* (sketches in order, living rows in order), which finds its text,
and its *index*, which is the position within its sketch.

A small corpus is ranked by one task. A large one is cut into ranges of the order, of
``RANKED_AT_ONCE`` documents each, so that no task holds all documents.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import pairwise

import numpy as np

from pipeline.corpus import Corpus
from pipeline.task import Json, Receipt, Task, TaskRun
from stages.dedupe.arrays import Ints, Words64
from stages.dedupe.exchange import key_range, within_range
from stages.dedupe.listing import Listed, listed, names_of, outputs_of
from stages.dedupe.order import sorting
from stages.dedupe.ranking import write_ranking
from stages.dedupe.stored import Stored, load, save

RANKED_AT_ONCE = 4_000_000
"""Documents that one task ranks (about 100 bytes each). Results do not depend on it."""
_SAMPLED = 1024
"""One document in so many of a sketch says where the order is cut into ranges."""


def ranking_rounds(
    corpus: Corpus, sketches: Sequence[Receipt], source: Listed, earlier: int = 0
) -> Generator[list[Task], list[Receipt], str]:
    """Rounds that rank all documents of the sketches (``source`` lists them); returns the output
    folder of the ranking, for ``Ranking.open``. ``earlier`` documents are of other corpora."""
    documents = sum(receipt.value["documents"] for receipt in sketches)
    ranges = max(1, -(-documents // RANKED_AT_ONCE))
    bounds: list[Json] = [None, None]
    if ranges > 1:
        (cuts,) = yield [
            corpus.task(
                "stages.dedupe.rank:cut_order",
                "order-bounds",
                {"sketches": source, "ranges": ranges},
                label="bounds of the survivor order",
            )
        ]
        bounds = [None, *cuts.value, None]
    ranked = yield [
        corpus.task(
            "stages.dedupe.rank:rank_range",
            "order",
            {"sketches": source, "first": first, "last": last, "earlier": earlier > 0},
            label="survivor order" + (f", {n + 1} of {len(bounds) - 1}" if ranges > 1 else ""),
            documents=documents // (len(bounds) - 1),
        )
        for n, (first, last) in enumerate(pairwise(bounds))
    ]
    if len(ranked) == 1:
        return ranked[0].output
    return (yield from _put_together(corpus, sketches, source, ranked))


def _put_together(
    corpus: Corpus, sketches: Sequence[Receipt], source: Listed, ranked: Sequence[Receipt]
) -> Generator[list[Task], list[Receipt], str]:
    """Rounds that check the ids of all ranges and make them one ranking; returns its folder."""
    counts = [receipt.value["documents"] for receipt in ranked]
    ordered = yield from listed(corpus, "order", ranked)
    yield [
        corpus.task(
            "stages.dedupe.rank:check_ids",
            "ids",
            {"order": ordered, "partition": partition, "partitions": len(ranked)},
            label=f"check of ids, {partition + 1} of {len(ranked)}",
        )
        for partition in range(len(ranked))
    ]
    scattered = yield [
        corpus.task(
            "stages.dedupe.rank:ranks_of_part",
            "ranks",
            {"sketch": sketch.output, "first": first, "order": ordered, "counts": counts},
            label="ranks of a part",
        )
        for sketch, first in zip(sketches, _firsts(sketches), strict=True)
    ]
    ranks = yield from listed(corpus, "ranks", scattered)
    (ranking,) = yield [
        corpus.task(
            "stages.dedupe.rank:assemble",
            "ranking",
            {"sketches": source, "order": ordered, "counts": counts, "ranks": ranks},
            label="survivor order",
        )
    ]
    return ranking.output


def _firsts(sketches: Sequence[Receipt]) -> list[int]:
    """The position of each sketch's first document."""
    sizes = [receipt.value["documents"] for receipt in sketches]
    return [int(first) for first in np.cumsum([0, *sizes])[:-1]]


def cut_order(run: TaskRun) -> Json:
    """Rows of order words at which a sample of all documents is cut into like ranges."""
    folders = outputs_of(run, "sketches")
    sample = np.concatenate([load(folder / "order.npy")[::_SAMPLED] for folder in folders])
    sample = sample[sorting(list(sample.T))]
    ranges = run.arguments["ranges"]
    places = [len(sample) * n // ranges for n in range(1, ranges)]
    bounds = [sample[place].tolist() for place in places if place]
    return [row for n, row in enumerate(bounds) if n == 0 or row != bounds[n - 1]]


def rank_range(run: TaskRun) -> Json:
    """Ranks the documents of one range of the order: ``ids.npy`` (uint8, documents x 16) and
    ``positions.npy`` (int64), by rank.

    If the range is all, the ranking is complete; else ``sorted.npy`` has the positions sorted,
    ``by_position.npy`` the rank in the range of each (int64), for ``ranks_of_part``; ``by_id.npy``
    and ``by_id_low.npy`` (uint64) both words of ids, sorted, for ``check_ids``. Earlier corpora's
    are left out: they may share documents."""
    first, last = run.arguments["first"], run.arguments["last"]
    folders = outputs_of(run, "sketches")
    pieces: list[Words64] = []
    positions: list[Ints] = []
    sizes: list[int] = []
    for folder in folders:
        rows = load(folder / "order.npy")
        within = slice(_place(rows, first, 0), _place(rows, last, len(rows)))
        pieces.append(rows[within])
        positions.append(load(folder / "order_index.npy")[within] + np.int64(sum(sizes)))
        sizes.append(len(rows))
    words = np.concatenate(pieces) if pieces else np.zeros((0, 2), np.uint64)
    columns = [np.ascontiguousarray(column) for column in words.T]
    order = sorting(columns)
    ids = np.stack([columns[-2][order], columns[-1][order]], axis=1)
    # two earlier corpora may share documents, and this one theirs: their first word is 0
    own = columns[0] != 0 if run.arguments["earlier"] else np.ones(len(order), bool)
    by_id = _check_ids(columns[-2][own], columns[-1][own])
    named = ids.astype(">u8").view(np.uint8).reshape(-1, 16)
    position = (np.concatenate(positions) if positions else np.zeros(0, np.int64))[order]
    save(run.output / "ids.npy", named)
    save(run.output / "positions.npy", position)
    if first is None and last is None:
        ranks = np.empty_like(position)
        ranks[position] = np.arange(len(position))
        save(run.output / "ranks.npy", ranks)
        write_ranking(run.output, [""], [len(position)], sizes, None)
    else:
        by_position = np.argsort(position)
        save(run.output / "by_position.npy", by_position)
        save(run.output / "sorted.npy", position[by_position])
        save(run.output / "by_id.npy", by_id[:, 0])
        save(run.output / "by_id_low.npy", by_id[:, 1])
    return {"documents": len(position)}


def _check_ids(high: Words64, low: Words64) -> Words64:
    """Ids as two words (uint64, documents x 2), sorted. Raises ValueError when one repeats."""
    order = sorting([high, low])
    ids = np.stack([high[order], low[order]], axis=1)
    repeated = np.flatnonzero((ids[1:] == ids[:-1]).all(axis=1))
    if len(repeated):
        raise ValueError(
            f"two documents have the id {ids[repeated[0]].astype('>u8').tobytes().hex()}."
            " Ids must be unique: give each source a name of its own and ingest again."
        )
    return ids


def check_ids(run: TaskRun) -> Json:
    """Raises ValueError when two documents, of whichever ranges of the order, have one id, of one
    range of ids."""
    arguments = run.arguments
    high: list[Words64] = [np.zeros(0, np.uint64)]
    low: list[Words64] = [np.zeros(0, np.uint64)]
    for folder in outputs_of(run, "order"):
        ids = load(folder / "by_id.npy")
        within = key_range(ids, arguments["partition"], arguments["partitions"])
        high.append(ids[within])
        low.append(load(folder / "by_id_low.npy")[within])
    return {"documents": len(_check_ids(np.concatenate(high), np.concatenate(low)))}


def _place(rows: Stored, bound: list[int] | None, otherwise: int) -> int:
    """How many rows of a sorted table come before ``bound``."""
    if bound is None:
        return otherwise
    low, high = 0, len(rows)
    while low < high:
        middle = (low + high) // 2
        if rows[middle : middle + 1][0].tolist() < bound:
            low = middle + 1
        else:
            high = middle
    return low


def ranks_of_part(run: TaskRun) -> Json:
    """Ranks of a sketch's documents, by index: ``ranks.npy`` (int64)."""
    size = len(load(run.path(run.arguments["sketch"]) / "order_index.npy"))
    first = run.arguments["first"]
    ranks = np.empty(size, np.int64)
    before = 0
    for folder, count in zip(outputs_of(run, "order"), run.arguments["counts"], strict=True):
        positions = load(folder / "sorted.npy")
        within = within_range(positions, [first, first + size])
        ranks[positions[within] - first] = before + load(folder / "by_position.npy")[within]
        before += count
    save(run.output / "ranks.npy", ranks)
    return {}


def assemble(run: TaskRun) -> Json:
    """The ranking of ranges and parts that were ranked one by one."""
    sizes = [len(load(folder / "order_index.npy")) for folder in outputs_of(run, "sketches")]
    ranges, ranks = names_of(run, "order"), names_of(run, "ranks")
    write_ranking(run.output, ranges, run.arguments["counts"], sizes, ranks)
    return {"documents": sum(sizes)}
