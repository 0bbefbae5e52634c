"""The survivor order: every living document's rank, from its own properties and its id alone.

After these rounds deduplication speaks of documents by rank: rank 0 is the document that is kept
before all others. So nothing depends on how documents are split into parts. Two more numbers name
a document inside the rounds: its *position* (sketches in order, living rows in order), which finds
its text, and its *index*, which is the position within its sketch.

A small corpus is ranked by one task. A large one is cut into ranges of the order, of
``RANKED_AT_ONCE`` documents each, so that no task holds all documents.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.corpus import Corpus, Part, View
from pipeline.task import Receipt, Task, TaskRun
from stages.dedupe.arrays import Ints, Words64, id_bytes, load
from stages.dedupe.listing import Listed, listed, names_of, outputs_of
from stages.dedupe.ranking import write_ranking

Json = Any
Key = Literal["quality", "n_bytes", "source_priority", "id"]
AFTER_EARLIER = "after_earlier"
"""In the place of a first key: the documents come after those of earlier corpora."""

DEFAULT_ORDER: tuple[Key, ...] = ("quality", "n_bytes", "source_priority", "id")
QUALITY = "quality.score"
"""The annotation that ``quality`` in the order stands for."""

ORDER_ABOUT = (
    "What decides who is kept, most important first: `quality` (highest `quality.score`, where that"
    " stage stands above this one), `n_bytes` (longest), `source_priority` (where it lists"
    " sources), `id` (always last)."
)

RANKED_AT_ONCE = 4_000_000
"""Documents that one task ranks (about 100 bytes each). Results do not depend on it."""
_SAMPLED = 1024
"""One document in so many of a sketch says where the order is cut into ranges."""

_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_SIGN = np.uint64(1 << 63)
_LARGEST = np.uint64(0xFFFFFFFFFFFFFFFF)


def check_order(order: Sequence[Key], source_priority: Sequence[str]) -> None:
    """Raises ValueError, with the cure, when the order cannot decide between two documents."""
    if len(set(order)) != len(order):
        raise ValueError(f"order: {_shown(order)} names a key twice. Name each once.")
    if not order or order[-1] != "id":
        shown = [key for key in order if key != "id"]
        raise ValueError(
            f"order: {_shown(order)} does not end with `id`, so it cannot decide between equal"
            f" documents. Set order: {_shown([*shown, 'id'])}."
        )
    declared = tuple(order) != DEFAULT_ORDER and "source_priority" in order
    if (declared and not source_priority) or (source_priority and "source_priority" not in order):
        raise ValueError(
            "order names `source_priority` if and only if `source_priority` lists sources."
            " Set source_priority: [best source, second best …] and"
            " order: [source_priority, n_bytes, id], or neither."
        )
    if len(set(source_priority)) != len(source_priority):
        raise ValueError("source_priority names a source twice. Name each once.")


def _shown(order: Sequence[str]) -> str:
    return f"[{', '.join(order)}]"


def effective_order(
    corpus: Corpus, order: Sequence[Key], source_priority: Sequence[str]
) -> list[Key]:
    """The order without keys that cannot tell documents of this corpus apart: ``quality`` where no
    stage above has scored it, ``source_priority`` without a list.

    Raises ValueError when ``source_priority`` names a source that the recipe does not have."""
    known = {*corpus.recipe.get("sources", ()), *(part.source for part in corpus.parts)}
    for name in source_priority:
        if name not in known:
            raise ValueError(
                f"{corpus.stage}.source_priority: there is no source `{name}`."
                f" Sources: {', '.join(sorted(known))}."
            )
    scored = any(QUALITY.split(".")[0] in paths for paths in corpus.annotations)
    absent = {"quality": not scored, "source_priority": not source_priority}
    return [key for key in order if not absent.get(key, False)]


def order_arguments(
    corpus: Corpus, part: Part, order: Sequence[str], source_priority: Sequence[str]
) -> dict[str, Json]:
    """What ``write_order`` needs among the arguments of a sketch: with ``corpus.view``'s ``reads``
    if the order asks for quality."""
    ranks = {name: index for index, name in enumerate(source_priority)}
    return {
        "view": corpus.view(part, [QUALITY] if "quality" in order else []),
        "order": list(order),
        "priority": ranks.get(part.source, len(ranks)),
    }


def write_order(folder: Path, view: View, order: Sequence[str], priority: int) -> None:
    """Into a sketch: what the order reads of each living document, and its row in the part.

    ``order.npy`` uint64 (documents, words): a document comes before another where its row does,
    word by word; the last two words are the id. Rows are sorted, ``order_index.npy`` (uint32) says
    whose each is. ``rows.npy`` int64.
    """
    save_order(folder, _order_words(view, order, priority))
    np.save(folder / "rows.npy", view.rows)


def save_order(folder: Path, words: Sequence[Words64]) -> None:
    """``order.npy`` and ``order_index.npy`` from columns of words, a row a document."""
    index = sorting(words)
    np.save(folder / "order.npy", np.stack([column[index] for column in words], axis=1))
    np.save(folder / "order_index.npy", index.astype(np.uint32))


def _order_words(view: View, order: Sequence[str], priority: int) -> list[Words64]:
    words: list[Words64] = []
    for key in order:
        if key == "quality":
            words.append(_highest_first(view.table[QUALITY]))
        elif key == "n_bytes":
            words.append(~pc.binary_length(view.table["text"]).to_numpy().astype(np.uint64))
        elif key == "source_priority":
            words.append(np.full(len(view.rows), priority, np.uint64))
        elif key == AFTER_EARLIER:
            words.append(np.ones(len(view.rows), np.uint64))
        else:
            # big-endian, so that words are in the order of the bytes
            halves = np.ascontiguousarray(id_bytes(view.table["id"])).view(">u8").astype(np.uint64)
            words += [halves[:, 0], halves[:, 1]]
    return words


def _highest_first(scores: pa.ChunkedArray) -> Words64:
    """Words that rise as scores fall; documents without a score come last."""
    values = scores.cast(pa.float64()).to_numpy().astype(np.float64)
    bits = values.view(np.uint64)
    rising = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return np.where(np.isnan(values), _LARGEST, ~rising)


def sorting(words: Sequence[Words64]) -> Ints:
    """The permutation that sorts rows by columns of words. Most rows are told apart by the first
    64 bits that differ at all, which are packed and sorted at once."""
    rows = len(words[0])
    halves = [half for column in words for half in (column >> _HALF, column & _LOW)]
    telling = [half for half in halves if rows and half.min() != half.max()]
    packed = np.zeros(rows, np.uint64)
    for half in telling[:2]:
        packed = packed << _HALF | half
    order = np.argsort(packed).astype(np.int64)
    # ties are put in order by themselves
    ordered = packed[order]
    same = ordered[1:] == ordered[:-1]
    tied = np.zeros(rows, bool)
    tied[1:] |= same
    tied[:-1] |= same
    if tied.any():
        rest = order[tied]
        keys = [half[rest] for half in telling[2:]]
        order[tied] = rest[np.lexsort([*keys[::-1], packed[rest]])]
    return order


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
                "stages.dedupe.order:cut_order",
                "order-bounds",
                {"sketches": source, "ranges": ranges},
                label="bounds of the survivor order",
            )
        ]
        bounds = [None, *cuts.value, None]
    ranked = yield [
        corpus.task(
            "stages.dedupe.order:rank_range",
            "order",
            {"sketches": source, "first": first, "last": last, "earlier": earlier > 0},
            label="survivor order" + (f", {n + 1} of {len(bounds) - 1}" if ranges > 1 else ""),
            documents=documents // (len(bounds) - 1),
        )
        for n, (first, last) in enumerate(pairwise(bounds))
    ]
    if len(ranked) == 1:
        return ranked[0].output
    counts = [receipt.value["documents"] for receipt in ranked]
    ordered = yield from listed(corpus, "order", ranked)
    scattered = yield [
        corpus.task(
            "stages.dedupe.order:ranks_of_part",
            "ranks",
            {"sketch": sketch.output, "first": first, "order": ordered, "counts": counts},
            label="ranks of a part",
        )
        for sketch, first in zip(sketches, _firsts(sketches), strict=True)
    ]
    ranks = yield from listed(corpus, "ranks", scattered)
    (ranking,) = yield [
        corpus.task(
            "stages.dedupe.order:assemble",
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

    If the range is all, the ranking is complete; else ``by_position.npy`` (int64) has the ranks in
    the range sorted by position, for ``ranks_of_part``."""
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
    same = (ids[1:] == ids[:-1]).all(axis=1)
    if run.arguments["earlier"]:  # two earlier corpora may share documents: their first word is 0
        same &= columns[0][order][1:] != 0
    repeated = np.flatnonzero(same)
    named = ids.astype(">u8").view(np.uint8).reshape(-1, 16)
    if len(repeated):
        raise ValueError(
            f"two documents have the id {named[repeated[0]].tobytes().hex()}."
            " Ids must be unique: give each source a name of its own and ingest again."
        )
    position = (np.concatenate(positions) if positions else np.zeros(0, np.int64))[order]
    np.save(run.output / "ids.npy", named)
    np.save(run.output / "positions.npy", position)
    if first is None and last is None:
        ranks = np.empty_like(position)
        ranks[position] = np.arange(len(position))
        np.save(run.output / "ranks.npy", ranks)
        write_ranking(run.output, [""], [len(position)], sizes, None)
    else:
        np.save(run.output / "by_position.npy", np.argsort(position))
    return {"documents": len(position)}


def _place(rows: Words64, bound: list[int] | None, otherwise: int) -> int:
    """How many rows of a sorted table come before ``bound``."""
    if bound is None:
        return otherwise
    low, high = 0, len(rows)
    while low < high:
        middle = (low + high) // 2
        if rows[middle].tolist() < bound:
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
        positions = load(folder / "positions.npy")
        order = load(folder / "by_position.npy")
        within = slice(*(_found(positions, order, place) for place in (first, first + size)))
        ranks[positions[order[within]] - first] = before + order[within]
        before += count
    np.save(run.output / "ranks.npy", ranks)
    return {}


def _found(positions: Ints, order: Ints, place: int) -> int:
    """How many positions, in order, come before ``place``."""
    return int(np.searchsorted(positions, place, sorter=order))


def assemble(run: TaskRun) -> Json:
    """The ranking of ranges and parts that were ranked one by one."""
    sizes = [len(load(folder / "order_index.npy")) for folder in outputs_of(run, "sketches")]
    ranges, ranks = names_of(run, "order"), names_of(run, "ranks")
    write_ranking(run.output, ranges, run.arguments["counts"], sizes, ranks)
    return {"documents": sum(sizes)}
