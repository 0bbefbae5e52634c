"""Clusters of a corpus whose similar pairs fit into no one process: components found in rounds.

Every pair says that its two documents are of one component. A round's task takes all pairs with a
document in its range of ranks, and replaces them by pairs with the least document of each component
that it sees. Least documents only ever fall, and chains of pairs shrink to less than half in a
round, so that after a few rounds every document is paired with the least of its component and with
nothing else. Then each pair goes to the task of its component, which decides who survives.

The scheme is that of Kiveris et al. 2014 (Connected components in MapReduce and beyond) with a
union-find inside each task in the place of their star operations.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.corpus import Corpus
from pipeline.task import Json, Receipt, Task, TaskRun
from stages.dedupe.arrays import Floats, Ints
from stages.dedupe.clusters import components, direct_survivors, single_survivors
from stages.dedupe.exchange import even_ranges, quantiles, within_range
from stages.dedupe.listing import Listed, listed, outputs_of
from stages.dedupe.outcomes import Outcomes
from stages.dedupe.ranking import Ranking
from stages.dedupe.stored import load, save

LARGEST = 10
"""Clusters named in the manifest."""

_COMPONENTS = "stages.dedupe.components"


def cluster_rounds(
    corpus: Corpus,
    verified: Sequence[Receipt],
    ranking: str,
    linkage: str,
    earlier: int,
    pairs_per_task: int,
) -> Generator[list[Task], list[Receipt], list[Receipt]]:
    """Rounds that turn verified pairs into ``Outcomes``. ``earlier`` documents, the first by rank,
    are of other corpora and always kept. One task where the pairs are few; else no task holds more
    than about ``pairs_per_task``, or the pairs of the largest component."""
    decided = {"ranking": ranking, "linkage": linkage, "earlier": earlier}
    source = yield from listed(corpus, "verified pairs", verified)
    if sum(receipt.value["verified"] for receipt in verified) <= pairs_per_task:
        receipts = yield [
            corpus.task(
                f"{_COMPONENTS}:cluster_documents",
                "clusters",
                {"verified": source, **decided},
                label="clusters",
            )
        ]
        return receipts
    named = yield from _with_components(corpus, verified, pairs_per_task)
    pairs = yield from listed(corpus, "components of pairs", named)
    ranges = even_ranges([receipt.value["sample"] for receipt in named], pairs_per_task)
    receipts = yield [
        corpus.task(
            f"{_COMPONENTS}:settle_components",
            "clusters",
            {"pairs": pairs, "components": bounds, **decided},
            label=f"clusters, {n + 1} of {len(ranges)}",
        )
        for n, bounds in enumerate(ranges)
    ]
    return receipts


def _with_components(
    corpus: Corpus, verified: Sequence[Receipt], pairs_per_task: int
) -> Generator[list[Task], list[Receipt], list[Receipt]]:
    """Joins pairs in rounds until nothing changes, then names the component of each."""
    samples = [receipt.value["sample"] for receipt in verified]
    ranges = even_ranges(samples, pairs_per_task)
    stars = yield [
        corpus.task(f"{_COMPONENTS}:star_pairs", "stars", {"pairs": receipt.output}, label="stars")
        for receipt in verified
    ]
    while True:
        joined = yield from _joined(corpus, stars, ranges)
        if not any(receipt.value["unsettled"] for receipt in joined):
            break
        stars = joined
    stars_source = yield from listed(corpus, "components", joined)
    receipts = yield [
        corpus.task(
            f"{_COMPONENTS}:name_pairs",
            "components",
            {"pairs": receipt.output, "stars": stars_source},
            label="components of pairs",
        )
        for receipt in verified
    ]
    return receipts


def _joined(
    corpus: Corpus, stars: Sequence[Receipt], ranges: Sequence[list[int]]
) -> Generator[list[Task], list[Receipt], list[Receipt]]:
    source: Listed = yield from listed(corpus, "stars", stars)
    receipts = yield [
        corpus.task(
            f"{_COMPONENTS}:join_stars",
            "stars",
            {"stars": source, "ranks": bounds},
            label=f"components, {n + 1} of {len(ranges)}",
        )
        for n, bounds in enumerate(ranges)
    ]
    return receipts


def star_pairs(run: TaskRun) -> Json:
    """One task's verified pairs, as pairs with the least document of each component among them."""
    folder = run.path(run.arguments["pairs"])
    return _write_stars(run.output, load(folder / "left.npy")[:], load(folder / "right.npy")[:])


def join_stars(run: TaskRun) -> Json:
    """All pairs with a document in a range of ranks, as ``star_pairs``. ``unsettled``: documents of
    the range that were paired otherwise than with the least document alone, as that, or as its
    only smaller one."""
    bounds = run.arguments["ranks"]
    nodes: list[Ints] = [np.zeros(0, np.int64)]
    others: list[Ints] = [np.zeros(0, np.int64)]
    for folder in outputs_of(run, "stars"):
        stored = load(folder / "node.npy")
        within = within_range(stored, bounds)
        nodes.append(stored[within])
        others.append(load(folder / "other.npy")[within])
    node, other = np.concatenate(nodes), np.concatenate(others)
    order = np.lexsort((other, node))
    node, other = node[order], other[order]
    fresh = np.ones(len(node), bool)
    fresh[1:] = (node[1:] != node[:-1]) | (other[1:] != other[:-1])
    node, other = node[fresh], other[fresh]
    value = _write_stars(run.output, node, other)
    _, inverse = np.unique(node, return_inverse=True)
    smaller = np.bincount(inverse[other < node], minlength=int(inverse.max(initial=-1)) + 1)
    larger = np.bincount(inverse[other > node], minlength=len(smaller))
    unsettled = (smaller > 1) | ((smaller == 1) & (larger > 0))
    return {**value, "unsettled": int(unsettled.sum())}


def _write_stars(folder: Path, left: Ints, right: Ints) -> Json:
    """``node.npy``, ``other.npy`` (int64, each pair in both directions, sorted by node)."""
    nodes, a, b = _numbered(left, right)
    least = components(len(nodes), a, b)
    leaves = np.flatnonzero(least != np.arange(len(nodes)))
    node = np.concatenate([nodes[leaves], nodes[least[leaves]]])
    other = np.concatenate([nodes[least[leaves]], nodes[leaves]])
    order = np.lexsort((other, node))
    save(folder / "node.npy", node[order])
    save(folder / "other.npy", other[order])
    return {"pairs": len(leaves)}


def _numbered(left: Ints, right: Ints) -> tuple[Ints, Ints, Ints]:
    """The documents of pairs, sorted, and the pairs as numbers of these: numbers keep the order."""
    nodes, inverse = np.unique(np.concatenate([left, right]), return_inverse=True)
    return nodes, inverse[: len(left)].astype(np.int64), inverse[len(left) :].astype(np.int64)


def name_pairs(run: TaskRun) -> Json:
    """Verified pairs with their component: ``component.npy`` (int64: its least rank; sorted),
    ``left.npy``, ``right.npy``, ``jaccard.npy``."""
    folder = run.path(run.arguments["pairs"])
    left = load(folder / "left.npy")[:]
    component = np.array(left)
    if len(left):
        bounds = [int(left[0]), int(left[-1]) + 1]
        for stars in outputs_of(run, "stars"):
            stored = load(stars / "node.npy")
            within = within_range(stored, bounds)
            node, other = stored[within], load(stars / "other.npy")[within]
            node, other = node[other < node], other[other < node]
            place = np.minimum(np.searchsorted(node, left), len(node) - 1)
            if len(node):
                component = np.where(node[place] == left, other[place], component)
    order = np.argsort(component, kind="stable")
    save(run.output / "component.npy", component[order])
    for name in ("left", "right", "jaccard"):
        save(run.output / f"{name}.npy", load(folder / f"{name}.npy")[order])
    return {"sample": quantiles(component[order])}


def settle_components(run: TaskRun) -> Json:
    """``Outcomes`` of the components of one range."""
    pieces: list[list[np.ndarray[Any, Any]]] = [[np.zeros(0, np.int64)] for _ in range(2)]
    pieces.append([np.zeros(0, np.float32)])
    for folder in outputs_of(run, "pairs"):
        within = within_range(load(folder / "component.npy"), run.arguments["components"])
        for piece, name in zip(pieces, ("left", "right", "jaccard"), strict=True):
            piece.append(load(folder / f"{name}.npy")[within])
    left, right, similarity = (np.concatenate(piece) for piece in pieces)
    return _settle(run, left, right, similarity)


def cluster_documents(run: TaskRun) -> Json:
    """``Outcomes`` of all verified pairs, in one task. Memory: about 100 bytes a pair."""
    folders = outputs_of(run, "verified")
    names = ("left", "right", "jaccard")
    empty = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    left, right, similarity = (
        np.concatenate([none, *(load(folder / f"{name}.npy")[:] for folder in folders)])
        for name, none in zip(names, empty, strict=True)
    )
    return _settle(run, left, right, similarity)


def _settle(run: TaskRun, left: Ints, right: Ints, similarity: Floats) -> Json:
    """Components of pairs that are all of their components' pairs, and who survives.

    Writes ``Outcomes``; returns the number of clusters and the largest, as ``[id, size]``.
    """
    ranking = Ranking.open(run.store, run.arguments["ranking"])
    order = np.lexsort((left, right))
    left, right, similarity = left[order], right[order], similarity[order]
    ranks, a, b = _numbered(left, right)
    component = components(len(ranks), a, b)
    if run.arguments["linkage"] == "direct":
        survivor, jaccard = direct_survivors(len(ranks), a, b, similarity)
    else:
        first = ranks < run.arguments["earlier"]
        survivor, jaccard = single_survivors(component, first, a, b, similarity)
    sizes = np.bincount(component, minlength=len(ranks))
    named = np.where(survivor < 0, -1, ranks[survivor])
    Outcomes(ranks, ranks[component], sizes[component], named, jaccard).save(run.output, ranking)
    firsts = np.flatnonzero(sizes)
    largest = firsts[np.lexsort([firsts, -sizes[firsts]])][:LARGEST]
    ids = ranking.ids(ranks[largest])
    return {
        "clusters": len(firsts),
        "in_clusters": len(ranks),
        "removed": int((survivor >= 0).sum()),
        "largest": [
            [int(sizes[n]), int(ranks[n]), name.tobytes().hex()]
            for n, name in zip(largest, ids, strict=True)
        ],
    }
