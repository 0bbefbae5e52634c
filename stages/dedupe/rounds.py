"""Tasks of near deduplication: sketches and candidate pairs. See ``docs/dedupe.md``."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc

from pipeline.corpus import open_view
from pipeline.task import Json, TaskRun
from stages.dedupe.candidates import bucket_pairs
from stages.dedupe.exchange import buckets, gather, quantiles
from stages.dedupe.key_sort import sort_by_key
from stages.dedupe.listing import outputs_of
from stages.dedupe.minhash import band_keys, signatures
from stages.dedupe.order import write_order
from stages.dedupe.ranking import Ranking
from stages.dedupe.stored import save
from stages.dedupe.texts import texts_of_rows


def sketch_part(run: TaskRun) -> Json:
    """Band keys of a part's living documents, sorted: ``key.npy`` (uint64) and ``index.npy``
    (uint32), 12 bytes a band and document; ``minima.npy`` (uint8, documents x hashes), the low byte
    of each minimum, by which an ``against`` index is compared; and what the survivor order reads.
    """
    arguments = run.arguments
    view = open_view(run.store, arguments["view"], ["id"])
    bands, rows = arguments["bands"], arguments["rows"]
    settings = (arguments["ngram"], arguments["char_ngram"], arguments["seed"])
    signature = np.empty((len(view.rows), bands * rows), np.uint32)
    tokens = np.empty(len(view.rows), np.int64)
    n_bytes = np.empty(len(view.rows), np.int64)
    done = 0
    for text, chosen in texts_of_rows(run.store, arguments["view"], view.rows):
        some = slice(done, done + len(chosen))
        signature[some], tokens[some] = signatures(text, bands * rows, *settings, chosen)
        n_bytes[some] = pc.binary_length(text).to_numpy()[chosen]
        done = some.stop
    index = np.flatnonzero(tokens).astype(np.uint32)
    keys, order = sort_by_key(band_keys(signature[index], bands, rows).reshape(-1))
    save(run.output / "key.npy", keys)
    save(run.output / "index.npy", index[order // bands])
    save(run.output / "minima.npy", signature.astype(np.uint8))
    write_order(run.output, view, n_bytes, arguments["order"], arguments["priority"])
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
    save(run.output / "left.npy", left)
    save(run.output / "right.npy", right)
    positions = ranking.positions(np.unique(np.concatenate([left, right])))
    save(run.output / "positions.npy", np.sort(positions))
    return {
        "pairs": len(left),
        "capped_buckets": capped,
        "pairs_left_out": left_out,
        "sample": quantiles(left),
    }
