"""Near deduplication side by side: tamis, datasketch and datatrove on the same documents.

    python -m benchmarks.dedupe [--documents 10000] [--input FILE.jsonl[.gz]] [--without NAME …]

Without ``--input`` it generates documents of about 3 kB in which a fifth are edited copies of
another with a known Jaccard index. Each contender reads its input from disk (Parquet for tamis,
JSON lines for the others) and is warmed up on a few documents first, so that compilation and
imports are not counted. "Found" is the share of pairs of Jaccard index >= 0.8 of which a document
was removed; "true" the share of removed documents that are >= 0.8 similar to a kept one of their
family. Both use word 5-gram sets as tamis sees them, on generated documents only.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import hashlib
import json
import logging
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.schema import DOCUMENTS
from pipeline.corpus import Corpus, Part
from pipeline.engines.local import LocalEngine
from pipeline.store import Store
from stages.dedupe.near import NearDedupe, NearDedupeConfig
from stages.dedupe.shingles import jaccard, shingle_sets

WORKERS = 2
PART_ROWS = 5000
BANDS, ROWS = 14, 8
ALIKE = 0.8
"""The Jaccard index that tamis verifies and all are judged by."""


@dataclass(frozen=True)
class Sample:
    """Texts and, for generated ones, pairs of numbers with their Jaccard index."""

    texts: list[str]
    family: list[int]

    @property
    def size(self) -> int:
        """UTF-8 bytes of all texts."""
        return sum(len(text.encode()) for text in self.texts)


def generate(documents: int, seed: int = 1) -> Sample:
    """Texts of about 480 words, a fifth of them copies with 0 to 6 % of the words replaced."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(rng.choice(letters, rng.integers(2, 10))) for _ in range(30_000)]
    texts: list[str] = []
    family: list[int] = []
    drawn: list[np.ndarray[tuple[int, ...], np.dtype[np.int64]]] = []
    while len(texts) < documents:
        if drawn and rng.random() < 0.2:
            origin = int(rng.integers(len(drawn)))
            chosen = drawn[origin].copy()
            replaced = rng.random(len(chosen)) < rng.uniform(0, 0.06)
            chosen[replaced] = rng.integers(len(words), size=int(replaced.sum()))
        else:
            origin = len(drawn)
            chosen = rng.zipf(1.15, int(rng.integers(300, 660))) % len(words)
            drawn.append(chosen)
        family.append(origin)
        texts.append(" ".join(words[word] for word in chosen))
    order = random.Random(seed).sample(range(documents), documents)
    return Sample([texts[n] for n in order], [family[n] for n in order])


def read(path: Path) -> Sample:
    """Texts of a JSON lines file with a ``text`` in each line."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    return Sample(texts, list(range(len(texts))))


def tamis(sample: Sample, folder: Path, engine: LocalEngine) -> tuple[float, set[int]]:
    """Seconds of all rounds of ``near_dedupe`` on two processes, and the numbers of the removed."""
    stage = NearDedupe(NearDedupeConfig(min_jaccard=ALIKE))
    part_rows = min(PART_ROWS, -(-len(sample.texts) // (4 * WORKERS)))
    parts = list(_write_parts(sample.texts, folder, part_rows))
    nothing: list[dict[str, str]] = [{} for _ in parts]
    corpus = Corpus(
        stage=stage.name,
        version=stage.version,
        parts=parts,
        verdicts=[[] for _ in parts],
        annotations=nothing,
        artefacts={},
        externals={},
        recipe={},
        store=engine.store,
    )
    started = time.perf_counter()
    rounds = stage.rounds(corpus)
    paths: Sequence[str] = []
    spent: dict[str, float] = {}
    with contextlib.suppress(StopIteration):
        tasks = next(rounds)
        while True:
            begun = time.perf_counter()
            done = {task.fingerprint: receipts[0] for task, receipts in engine.run(tasks)}
            receipts = [done[task.fingerprint] for task in tasks]
            paths = [receipt.path("decisions.parquet") for receipt in receipts]
            if tasks:
                spent[Path(tasks[0].folder).name] = time.perf_counter() - begun
            tasks = rounds.send(receipts)
    seconds = time.perf_counter() - started
    print("  " + ", ".join(f"{name} {used:.2f} s" for name, used in spent.items()))
    removed: set[int] = set()
    for part, path in zip(parts, paths, strict=True):
        table = pq.read_table(engine.store.path(path))
        rows = table.filter(table["survivor"].is_valid())["row"].to_pylist()
        removed |= {part.index * part_rows + row for row in rows}
    return seconds, removed


def _write_parts(texts: Sequence[str], folder: Path, part_rows: int) -> Iterator[Part]:
    place = folder / "documents"
    place.mkdir(parents=True, exist_ok=True)
    for index, start in enumerate(range(0, len(texts), part_rows)):
        some = texts[start : start + part_rows]
        ids = [hashlib.md5(f"{start + row}".encode()).digest() for row in range(len(some))]
        none = pa.nulls(len(some), pa.string())
        table = pa.table(
            [
                pa.array(ids, pa.binary(16)),
                pa.array(some, pa.large_string()),
                pa.array(["sample"] * len(some)).dictionary_encode(),
                pa.array([str(start + row) for row in range(len(some))]),
                none,
                none,
                none,
                none,
            ],
            schema=DOCUMENTS,
        )
        path = f"documents/{len(texts)}-{index:05d}.parquet"
        pq.write_table(table, folder / path, compression="zstd")
        yield Part(index, path, "sample", len(some), table["text"].nbytes)


def datasketch(sample: Sample, folder: Path) -> tuple[float, set[int]]:
    """Seconds of MinHash and LSH over word 5-grams in one process, and the removed."""
    from datasketch import MinHash, MinHashLSH

    path = _write_lines(sample.texts, folder / "datasketch.jsonl")
    started = time.perf_counter()
    index = MinHashLSH(params=(BANDS, ROWS), num_perm=BANDS * ROWS)
    removed = set()
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            words = json.loads(line)["text"].lower().split()
            grams = {" ".join(words[n : n + 5]).encode() for n in range(max(1, len(words) - 4))}
            sketch = MinHash(num_perm=BANDS * ROWS)
            sketch.update_batch(list(grams))
            if index.query(sketch):
                removed.add(number)
            else:
                index.insert(str(number), sketch)
    return time.perf_counter() - started, removed


def datatrove(sample: Sample, folder: Path) -> tuple[float, set[int]]:
    """Seconds of the four MinHash stages on two processes, and the removed."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils.hashing import HashConfig
    from loguru import logger

    logger.remove()
    logging.disable(logging.WARNING)
    root = folder / "datatrove"
    shutil.rmtree(root, ignore_errors=True)
    for part in range(WORKERS):
        _write_lines(sample.texts, root / "input" / f"{part}.jsonl", part)
    # its default hashes strings with xxhash, which versions from 4 on refuse
    config = MinhashConfig(
        n_grams=5,
        num_buckets=BANDS,
        hashes_per_bucket=ROWS,
        hash_config=HashConfig(hash_fc="sha1"),
    )
    names = [str(root / name) for name in ("input", "signatures", "buckets", "remove", "kept")]
    source, signatures, buckets, remove, kept = names
    stages = [
        ([JsonlReader(source), MinhashDedupSignature(signatures, config, "eng")], WORKERS),
        ([MinhashDedupBuckets(signatures, buckets, config=config)], BANDS),
        ([MinhashDedupCluster(buckets, remove, config=config)], 1),
        ([JsonlReader(source), MinhashDedupFilter(remove), JsonlWriter(kept)], WORKERS),
    ]
    started = time.perf_counter()
    for number, (pipeline, tasks) in enumerate(stages):
        LocalPipelineExecutor(
            pipeline,
            tasks=tasks,
            workers=min(WORKERS, tasks),
            logging_dir=str(root / f"log{number}"),
        ).run()
    seconds = time.perf_counter() - started
    left = set()
    for path in sorted((root / "kept").glob("*.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            left |= {int(json.loads(line)["id"]) for line in lines}
    return seconds, set(range(len(sample.texts))) - left


def _write_lines(texts: Sequence[str], path: Path, part: int | None = None) -> Path:
    """All texts as JSON lines, or those of one of ``WORKERS`` parts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as lines:
        for number, text in enumerate(texts):
            if part is None or number % WORKERS == part:
                lines.write(json.dumps({"id": str(number), "text": text}) + "\n")
    return path


def judged(sample: Sample, removed: set[int]) -> tuple[float, float]:
    """``(found, true)`` as the module says; families are those of the generator."""
    sets, bounds = shingle_sets(pa.array(sample.texts, pa.large_string()), 5, 8)
    families: dict[int, list[int]] = {}
    for number, name in enumerate(sample.family):
        families.setdefault(name, []).append(number)
    pairs = resolved = 0
    witnessed: set[int] = set()
    for members in families.values():
        for position, a in enumerate(members):
            for b in members[:position]:
                left, right = (sets[bounds[n] : bounds[n + 1]] for n in (a, b))
                if jaccard(left, right) < ALIKE:
                    continue
                pairs += 1
                resolved += a in removed or b in removed
                witnessed |= {x for x, y in ((a, b), (b, a)) if y not in removed}
    true = len(removed & witnessed) / len(removed) if removed else 1.0
    return (resolved / pairs if pairs else 1.0), true


def main() -> None:
    """Runs the contenders one after the other and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--input", type=Path)
    parser.add_argument("--without", action="append", default=[])
    given = parser.parse_args()
    sample = read(given.input) if given.input else generate(given.documents)
    # twice, so that rounds which only duplicates reach are compiled too
    small = Sample(sample.texts[:25] * 2, sample.family[:25] * 2)
    count, size = len(sample.texts), sample.size
    print(f"{count:,} documents, {size / 1e6:.1f} MB, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = LocalEngine(Store(folder), WORKERS)
        contenders: dict[str, Callable[[Sample], tuple[float, set[int]]]] = {
            "tamis": lambda chosen: tamis(chosen, folder, engine),
            "datasketch": lambda chosen: datasketch(chosen, folder),
            "datatrove": lambda chosen: datatrove(chosen, folder),
        }
        results: dict[str, tuple[float, set[int]]] = {}
        for label, contender in contenders.items():
            if label in given.without:
                continue
            print(label)
            try:
                contender(small)
                results[label] = contender(sample)
            except ImportError as error:
                print(f"  not run: {error}")
        engine.close()
    columns = ("", "seconds", "documents/s", "MB/s", "removed", "found", "true", "tamis is")
    print("{:<12}{:>9}{:>13}{:>8}{:>9}{:>8}{:>8}{:>10}".format(*columns))
    best = results["tamis"][0] if "tamis" in results else float("nan")
    for label, (seconds, removed) in results.items():
        found, true = judged(sample, removed) if given.input is None else (np.nan, np.nan)
        print(
            f"{label:<12}{seconds:>9.2f}{count / seconds:>13,.0f}{size / seconds / 1e6:>8.1f}"
            f"{len(removed):>9,}{found:>8.1%}{true:>8.1%}{seconds / best:>9.1f}x"
        )


if __name__ == "__main__":
    main()
