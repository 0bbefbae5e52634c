"""Tasks of near deduplication: sketch, candidate pairs, clusters. See ``docs/dedupe.md``."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.corpus import open_view
from pipeline.task import TaskRun
from stages.dedupe.arrays import Floats, Ints, load
from stages.dedupe.candidates import bucket_pairs
from stages.dedupe.clusters import components, direct_survivors, single_survivors
from stages.dedupe.exchange import buckets, gather
from stages.dedupe.minhash import band_keys, signatures
from stages.dedupe.order import Ranking, write_order_keys
from stages.dedupe.outcomes import Outcomes

Json = Any

LARGEST = 10
"""Clusters named in the manifest."""


def sketch_part(run: TaskRun) -> Json:
    """Band keys of a part's living documents, sorted: ``key.npy`` (uint64) and ``index.npy``
    (uint32), 12 bytes a band and document; and what the survivor order reads (32 bytes)."""
    arguments = run.arguments
    view = open_view(run.store, arguments["view"])
    bands, rows = arguments["bands"], arguments["rows"]
    signature, tokens = signatures(
        view.table["text"],
        bands * rows,
        arguments["ngram"],
        arguments["char_ngram"],
        arguments["seed"],
    )
    index = np.flatnonzero(tokens).astype(np.uint32)
    keys = band_keys(signature[index], bands, rows).reshape(-1)
    order = np.argsort(keys)
    np.save(run.output / "key.npy", keys[order])
    np.save(run.output / "index.npy", np.repeat(index, bands)[order])
    write_order_keys(run.output, view)
    return {"documents": len(view.rows), "without_tokens": len(view.rows) - len(index)}


def pair_partition(run: TaskRun) -> Json:
    """Candidate pairs of one range of keys: ``left.npy``, ``right.npy`` (int64 ranks) and
    ``positions.npy`` (int64): which documents are in them."""
    arguments = run.arguments
    ranking = Ranking.open(run.store, arguments["order"])
    sketches = [run.path(output) for output in arguments["sketches"]]
    columns, ranks = gather(
        sketches, ["key"], ranking, arguments["partition"], arguments["partitions"]
    )
    members, bounds = buckets(columns, ranks)
    del columns, ranks
    left, right, capped, left_out = bucket_pairs(members, bounds, arguments["bucket_limit"])
    np.save(run.output / "left.npy", left)
    np.save(run.output / "right.npy", right)
    positions = ranking.positions[np.unique(np.concatenate([left, right]))]
    np.save(run.output / "positions.npy", np.sort(positions))
    return {"pairs": len(left), "capped_buckets": capped, "pairs_left_out": left_out}


def cluster_documents(run: TaskRun) -> Json:
    """Components of all verified pairs, and who survives. Memory: about 100 bytes a pair.

    Writes ``Outcomes``; returns the number of clusters and the largest, as ``[id, size]``.
    """
    arguments = run.arguments
    ranking = Ranking.open(run.store, arguments["order"])
    left, right, similarity = _edges(run)
    ranks, inverse = np.unique(np.concatenate([left, right]), return_inverse=True)
    # ranks are sorted, so the small numbers that stand for them keep the survivor order
    a, b = inverse[: len(left)].astype(np.int64), inverse[len(left) :].astype(np.int64)
    component = components(len(ranks), a, b)
    if arguments["linkage"] == "direct":
        survivor, jaccard = direct_survivors(len(ranks), a, b, similarity)
    else:
        survivor, jaccard = single_survivors(component, a, b, similarity)
    sizes = np.bincount(component, minlength=len(ranks))
    named = np.where(survivor < 0, -1, ranks[survivor])
    Outcomes(ranks, ranks[component], sizes[component], named, jaccard).save(run.output, ranking)
    firsts = np.flatnonzero(sizes)
    largest = firsts[np.lexsort([firsts, -sizes[firsts]])][:LARGEST]
    return {
        "clusters": len(firsts),
        "in_clusters": len(ranks),
        "removed": int((survivor >= 0).sum()),
        "largest": [[ranking.ids[ranks[n]].tobytes().hex(), int(sizes[n])] for n in largest],
    }


def _edges(run: TaskRun) -> tuple[Ints, Ints, Floats]:
    """All verified pairs, sorted by right rank, then left."""
    folders = [run.path(output) for output in run.arguments["verified"]]
    lefts: list[Ints] = [np.zeros(0, np.int64)]
    rights: list[Ints] = [np.zeros(0, np.int64)]
    similarities: list[Floats] = [np.zeros(0, np.float32)]
    for folder in folders:
        lefts.append(load(folder / "left.npy"))
        rights.append(load(folder / "right.npy"))
        similarities.append(load(folder / "jaccard.npy"))
    left, right = np.concatenate(lefts), np.concatenate(rights)
    order = np.lexsort((left, right))
    return left[order], right[order], np.concatenate(similarities)[order]
