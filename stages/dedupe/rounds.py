"""Tasks of near deduplication: sketches and candidate pairs. See ``docs/dedupe.md``."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.corpus import open_view
from pipeline.task import TaskRun
from stages.dedupe.candidates import bucket_pairs
from stages.dedupe.exchange import buckets, gather, quantiles
from stages.dedupe.listing import outputs_of
from stages.dedupe.minhash import band_keys, signatures
from stages.dedupe.order import write_order
from stages.dedupe.ranking import Ranking

Json = Any


def sketch_part(run: TaskRun) -> Json:
    """Band keys of a part's living documents, sorted: ``key.npy`` (uint64) and ``index.npy``
    (uint32), 12 bytes a band and document; ``minima.npy`` (uint8, documents x hashes), the low byte
    of each minimum, by which an ``against`` index is compared; and what the survivor order reads.
    """
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
    order = np.argsort(keys, kind="stable")  # equal keys too in one order on every machine
    np.save(run.output / "key.npy", keys[order])
    np.save(run.output / "index.npy", np.repeat(index, bands)[order])
    np.save(run.output / "minima.npy", signature.astype(np.uint8))
    write_order(run.output, view, arguments["order"], arguments["priority"])
    return {"documents": len(view.rows), "without_tokens": len(view.rows) - len(index)}


def pair_partition(run: TaskRun) -> Json:
    """Candidate pairs of one range of keys: ``left.npy``, ``right.npy`` (int64 ranks, sorted by
    left, then right) and ``positions.npy`` (int64): which documents are in them.

    Pairs of two documents of earlier corpora (ranks below ``earlier``) are left out."""
    arguments = run.arguments
    ranking = Ranking.open(run.store, arguments["ranking"])
    columns, ranks = gather(
        outputs_of(run, "sketches"),
        ["key"],
        ranking,
        arguments["partition"],
        arguments["partitions"],
    )
    members, bounds = buckets(columns, ranks)
    del columns, ranks
    left, right, capped, left_out = bucket_pairs(members, bounds, arguments["bucket_limit"])
    if arguments["earlier"]:
        new = right >= arguments["earlier"]
        left, right = left[new], right[new]
    np.save(run.output / "left.npy", left)
    np.save(run.output / "right.npy", right)
    positions = ranking.positions(np.unique(np.concatenate([left, right])))
    np.save(run.output / "positions.npy", np.sort(positions))
    return {
        "pairs": len(left),
        "capped_buckets": capped,
        "pairs_left_out": left_out,
        "sample": quantiles(left),
    }
