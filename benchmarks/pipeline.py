"""A pipeline end to end: tamis and datatrove make the same corpus of the same JSON lines.

    python -m benchmarks.pipeline [FILE.jsonl[.gz|.zst] ...] [--documents N] [--copies 1]

Without files it takes the sample's documentation. Its lines are dealt to eight files, so that both
sides can share them out to two processes; ``--copies`` writes every document so many times, under
another id, for a larger input (near deduplication then finds the copies, on both sides). Each side
first runs twice on a few documents: the first run compiles, and the second, shown as ``start s``,
is what starting processes, importing and loading models takes; it is in ``seconds`` too.

tamis: ingest, kind, language, heuristics, near_dedupe (14 bands of 8, pairs verified), on the
local engine; it writes the text once and a ledger a stage.
datatrove: JsonlReader, LanguageFilter (at .65, on the same weights), GopherRepetition,
GopherQuality, C4Quality without its punctuation rule, FineWebQuality, JsonlWriter; then MinHash in
its four stages (14 buckets of 8 hashes, word 5-grams), and JsonlWriter again.
Documentation of software is full of {placeholders}, short headings and punctuation, so for both
the curly bracket counts for nothing, and a tenth of the characters may stand in duplicate lines,
as in recipes/sample.yaml; datatrove, which counts punctuation marks as words, asks for letters in
half of the words instead of four fifths, for it would drop every document otherwise.

The rules are not the same to the letter: tamis chooses them by kind, so that code, mathematics
and lists are not judged as prose is, and keeps more. ``--as-prose`` judges every kind as prose.
"""

# Little is imported here: datatrove's worker processes import this module too.
from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.dedupe_peers import BANDS, NGRAM, ROWS, datatrove_config
from benchmarks.peers import (
    SAMPLE,
    WEIGHTS,
    LocalLanguageFilter,
    existing,
    read_texts,
    silence_datatrove,
    timed,
)

WORKERS = 2
FILES = 8
WARM_UP = 40
PARTS = 4 * WORKERS
DUPLICATE_LINE_CHARACTERS = 0.1
THRESHOLDS = {"c4.curly_bracket": None, "fineweb.dup_line_chars": DUPLICATE_LINE_CHARACTERS}


class Outcome(NamedTuple):
    """Wall seconds, those of each step, and documents left after the filters and at the end."""

    seconds: float
    steps: dict[str, float]
    filtered: int
    kept: int


def deal(texts: Sequence[str], copies: int, folder: Path) -> int:
    """Writes the documents to ``FILES`` files of JSON lines; returns the UTF-8 bytes of text."""
    folder.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        files = [
            stack.enter_context((folder / f"{number}.jsonl").open("w", encoding="utf-8"))
            for number in range(FILES)
        ]
        for number, text in enumerate(text for _ in range(copies) for text in texts):
            line = {"id": str(number), "text": text}
            files[number % FILES].write(json.dumps(line, ensure_ascii=False) + "\n")
    return copies * sum(len(text.encode()) for text in texts)


def tamis(source: Path, size: int, weights: Path, folder: Path, as_prose: bool) -> Outcome:
    """Builds a recipe in a new workspace."""
    import polars as pl

    from pipeline.recipe_check import recipe_from
    from stages.catalog import CATALOG
    from tamis import build

    part = max(1_000_000, size // PARTS)
    stages: dict[str, Any] = {
        "kind": None,
        "language": {"model": str(weights)},
        "heuristics": {"thresholds": {"prose": THRESHOLDS}},
        "near_dedupe": {"bands": BANDS, "rows": ROWS, "ngram": NGRAM, "verify": True},
    }
    if as_prose:
        del stages["kind"]
    content = {
        "name": "benchmark",
        "ingest": {"part_bytes": part, "task_bytes": part},
        "sources": [{"name": "sample", "path": str(source)}],
        "stages": stages,
    }
    recipe = recipe_from(content, CATALOG, folder, folder / "workspace")
    spent, built = timed(lambda: build(recipe, engine="local", workers=WORKERS))
    cube = built.manifest.cube
    documents = pl.col("documents").sum()
    kept: int = cube.filter(pl.col("dropped_by").is_null()).select(documents).item()
    copies: int = cube.filter(pl.col("dropped_by") == "near_dedupe").select(documents).item()
    steps = {step.step: step.seconds for step in built.steps}
    return Outcome(spent.wall, steps, kept + copies, kept)


def datatrove(source: Path, weights: Path, folder: Path) -> Outcome:
    """Runs the filters, then the four stages of MinHash, each on its own executor."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup.minhash import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    config = datatrove_config()
    names = ("filtered", "signatures", "buckets", "remove", "kept")
    filtered, signatures, buckets, remove, kept = (str(folder / name) for name in names)
    filters = [
        JsonlReader(str(source)),
        LocalLanguageFilter(weights),
        GopherRepetitionFilter(),
        GopherQualityFilter(max_non_alpha_words_ratio=0.5),  # the least share of words with one
        C4QualityFilter(filter_no_terminal_punct=False, filter_curly_bracket=False),
        FineWebQualityFilter(char_duplicates_ratio=DUPLICATE_LINE_CHARACTERS),
        JsonlWriter(filtered),
    ]
    signing = [JsonlReader(filtered), MinhashDedupSignature(signatures, config, "eng")]
    removing = [JsonlReader(filtered), MinhashDedupFilter(remove), JsonlWriter(kept)]
    runs: dict[str, tuple[list[Any], int]] = {
        "filters": (filters, WORKERS),
        "signatures": (signing, WORKERS),
        "buckets": ([MinhashDedupBuckets(signatures, buckets, config=config)], BANDS),
        "cluster": ([MinhashDedupCluster(buckets, remove, config=config)], 1),
        "remove": (removing, WORKERS),
    }
    steps: dict[str, float] = {}
    with stderr_into(folder / "log.txt"):
        for name, (pipeline, tasks) in runs.items():
            executor = LocalPipelineExecutor(
                pipeline,
                tasks=tasks,
                workers=min(WORKERS, tasks),
                logging_dir=str(folder / "logs" / name),
            )
            steps[name] = timed(executor.run)[0].wall
    return Outcome(sum(steps.values()), steps, count(Path(filtered)), count(Path(kept)))


@contextlib.contextmanager
def stderr_into(path: Path) -> Iterator[None]:
    """Sends standard error, that of child processes too, into a file; shown if it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    screen = os.dup(2)
    with path.open("wb") as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except BaseException:
            os.write(screen, path.read_bytes()[-4000:])
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)


def count(folder: Path) -> int:
    """Lines of the gzip files in a folder."""
    lines = 0
    for path in folder.glob("*.gz"):
        with gzip.open(path) as opened:
            lines += sum(1 for _ in opened)
    return lines


def main() -> None:
    """Runs both, one after the other, and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="JSON lines with a field `text`")
    parser.add_argument("--documents", type=int, help="how many; all by default")
    parser.add_argument("--copies", type=int, default=1, help="of every document; 1 by default")
    parser.add_argument("--as-prose", action="store_true", help="no kinds: all is judged as prose")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="the sample's lid.176.ftz")
    given = parser.parse_args()
    [weights] = [path.resolve() for path in existing([given.weights])]
    texts = read_texts(existing(given.files or [SAMPLE / "docs.jsonl.zst"]), given.documents)
    documents = len(texts) * given.copies
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        # each twice, so that what only duplicates reach is compiled too
        few = texts[:: -(-len(texts) // WARM_UP)]
        sizes = {"few": deal(few, 2, root / "few"), "all": deal(texts, given.copies, root / "all")}
        print(f"{documents:,} documents, {sizes['all'] / 1e6:.1f} MB of text, {WORKERS} workers")
        sides: dict[str, Callable[[str, Path], Outcome]] = {
            "tamis": lambda name, folder: tamis(
                root / name, sizes[name], weights, folder, given.as_prose
            ),
            "datatrove": lambda name, folder: datatrove(root / name, weights, folder),
        }
        columns = ("seconds", "start s", "documents/s", "MB/s", "after filters", "kept")
        print(" " * 10 + "".join(f"{name:>15}" for name in (*columns, "tamis is")))
        first: float | None = None
        for label, run in sides.items():
            try:
                outcome, start = measured(label, run, root)
            except ImportError as error:
                print(f"{label} not run: {error}")
                continue
            wall = outcome.seconds
            first = first or wall
            print(
                f"{label:<10}{wall:>15.2f}{start:>15.2f}{documents / wall:>15,.0f}"
                f"{sizes['all'] / wall / 1e6:>15.2f}{outcome.filtered:>15,}{outcome.kept:>15,}"
                f"{wall / first:>14.1f}x"
            )
            print("  " + ", ".join(f"{step} {used:.2f}" for step, used in outcome.steps.items()))


def measured(label: str, run: Callable[[str, Path], Outcome], root: Path) -> tuple[Outcome, float]:
    """The run on all documents, and the seconds of a second run on a few."""
    if label == "datatrove":
        silence_datatrove()
    run("few", root / f"{label}-compiling")
    start = run("few", root / f"{label}-few").seconds
    return run("all", root / label), start


if __name__ == "__main__":
    main()
