"""Deduplication by the peers: from JSON lines on disk to a list, or files, of what is kept.

All take word 5-grams, 14 bands of 8 hashes (112 permutations), and remove a document when it meets
one before it in any band; none of them compares candidates in full.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import silence_datatrove

Flags = np.ndarray[Any, np.dtype[np.bool_]]
Peer = Callable[[Path, Path, int], Callable[[], Flags]]
"""Deduplicates the JSON lines files of a folder, with files of its own in another, by so many
worker processes if it has workers. What is returned reads its result from disk: which documents
were removed. Reading it is no longer the peer's time."""

NGRAM, BANDS, ROWS = 5, 14, 8
THRESHOLD = 0.8


def datasketch(lines: Path, output: Path, _: int) -> Callable[[], Flags]:
    """``MinHash.update_batch`` and ``MinHashLSH`` in one process: a document is inserted unless the
    index finds another like it. Words: lower case, parted by white space. Writes the removed."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(params=(BANDS, ROWS), num_perm=BANDS * ROWS)

    def is_new(number: str, grams: list[str]) -> bool:
        sketch = MinHash(num_perm=BANDS * ROWS)
        sketch.update_batch([gram.encode() for gram in set(grams)])
        if index.query(sketch):
            return False
        index.insert(number, sketch)
        return True

    return _one_by_one(lines, output, is_new)


def rensa(lines: Path, output: Path, _: int) -> Callable[[], Flags]:
    """``RMinHash.update`` with the list of 5-grams (its whole sketch: every 5-gram is hashed and
    all 112 permutations taken; not the ``rho`` sketch) and ``RMinHashLSH``, in one process, as
    datasketch above. Words are the same."""
    from rensa import RMinHash, RMinHashLSH

    index = RMinHashLSH(threshold=THRESHOLD, num_perm=BANDS * ROWS, num_bands=BANDS)

    def is_new(number: str, grams: list[str]) -> bool:
        sketch = RMinHash(num_perm=BANDS * ROWS, seed=1)
        sketch.update(grams)
        if index.query(sketch):
            return False
        index.insert(int(number), sketch)
        return True

    return _one_by_one(lines, output, is_new)


def _one_by_one(
    lines: Path, output: Path, is_new: Callable[[str, list[str]], bool]
) -> Callable[[], Flags]:
    output.mkdir(parents=True)
    removed = output / "removed.txt"
    documents = 0
    with removed.open("w") as written:
        for document in _documents(lines):
            documents += 1
            words = document["text"].lower().split()
            places = range(max(1, len(words) - NGRAM + 1))
            if not is_new(document["id"], [" ".join(words[n : n + NGRAM]) for n in places]):
                written.write(document["id"] + "\n")

    def read() -> Flags:
        flags = np.zeros(documents, bool)
        flags[[int(number) for number in removed.read_text().split()]] = True
        return flags

    return read


def datatrove_config() -> Any:
    """Its ``MinhashConfig``, with SHA-1: its default passes strings to xxhash, whose newer versions
    refuse."""
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.utils.hashing import HashConfig

    return MinhashConfig(
        n_grams=NGRAM,
        num_buckets=BANDS,
        hashes_per_bucket=ROWS,
        hash_config=HashConfig(hash_fc="sha1"),
    )


def datatrove(lines: Path, output: Path, workers: int) -> Callable[[], Flags]:
    """Its four stages (signatures, buckets, clusters, filter), each on a local executor; the last
    one writes the documents that are kept. Words are its own (spaCy's), numbers become 0."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup.minhash import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    silence_datatrove()
    config = datatrove_config()
    shutil.rmtree(output, ignore_errors=True)
    names = ("signatures", "buckets", "remove", "kept")
    signatures, buckets, remove, kept = (str(output / name) for name in names)
    source = str(lines)
    stages = [
        ([JsonlReader(source), MinhashDedupSignature(signatures, config, "eng")], workers),
        ([MinhashDedupBuckets(signatures, buckets, config=config)], BANDS),
        ([MinhashDedupCluster(buckets, remove, config=config)], 1),
        (
            [
                JsonlReader(source),
                MinhashDedupFilter(remove),
                JsonlWriter(kept, compression=None),
            ],
            workers,
        ),
    ]
    for number, (pipeline, tasks) in enumerate(stages):
        LocalPipelineExecutor(
            pipeline,
            tasks=tasks,
            workers=min(workers, tasks),
            logging_dir=str(output / "logs" / str(number)),
        ).run()

    def read() -> Flags:
        flags = np.ones(sum(1 for _ in _documents(lines)), bool)
        flags[[int(document["id"]) for document in _documents(output / "kept")]] = False
        return flags

    return read


def _documents(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


PEERS: dict[str, Peer] = {"datatrove": datatrove, "datasketch": datasketch, "rensa": rensa}
