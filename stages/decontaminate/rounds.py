"""The rounds before annotation: the index, the matches of every part, and document frequencies."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path

from pipeline.corpus import Corpus
from pipeline.stage import Artefacts
from pipeline.task import Json, Receipt, Task, TaskRun
from stages.decontaminate.benchmark import BenchmarkConfig, read_sequences
from stages.decontaminate.frequency import PARTS_PER_SUM
from stages.decontaminate.index import build_index, save_index
from stages.decontaminate.window import MODES

Round = Generator[list[Task], list[Receipt], Artefacts]

_FREQUENCY = "stages.decontaminate.frequency"


def build_index_files(run: TaskRun) -> Json:
    """Task: reads the benchmarks (``locations``), writes the index, returns the record."""
    config = run.arguments["config"]
    sequences = []
    benchmarks: dict[str, Json] = {}
    for name, sha256 in run.arguments["benchmarks"].items():
        benchmark = BenchmarkConfig(path=run.locations[name], **config[f"benchmarks.{name}"])
        found, items = read_sequences(name, Path(run.locations[name]), benchmark)
        benchmarks[name] = {"sha256": sha256, "items": items, "sequences": len(found)}
        sequences += found
    mode = MODES[config["mode"]]
    index, record = build_index(
        sequences,
        mode.n,
        config["short_words"],
        config["common_ngram_min_items"],
        markup=mode.markup,
    )
    save_index(index, run.output)
    too_short = record.pop("items_too_short")
    for name, about in benchmarks.items():
        about["items_too_short"] = too_short.get(name, 0)
    return {"benchmarks": benchmarks, **record}


def all_rounds(
    corpus: Corpus,
    files: Mapping[str, str],
    config: Mapping[str, Json],
    limits: Mapping[str, Json],
) -> Round:
    """Index; matches and counts of every part, in one scan; sums of counts; the common n-grams.

    ``files`` are the benchmarks' paths as the recipe has them, by name. ``config`` is what index
    and matches depend on, ``limits`` what makes an n-gram common.
    """
    externals = {name: corpus.externals[path] for name, path in sorted(files.items())}
    checksums = {name: file.sha256 for name, file in externals.items()}
    (index,) = yield [
        corpus.task(
            "stages.decontaminate.rounds:build_index_files",
            "index",
            {"config": config, "benchmarks": checksums},
            label="benchmark index",
            locations={name: file.location for name, file in externals.items()},
        )
    ]
    matches = yield [
        corpus.task(
            "stages.decontaminate.part:match_part",
            "matches",
            {"view": corpus.view(part), "index": index.output, "mode": config["mode"]},
            label=f"matches in {part.documents}",
            work=part.text_bytes,
            documents=part.rows,
        )
        for part in corpus.parts
    ]
    counts = yield from _added_counts(corpus, matches)
    if not counts:
        return Artefacts(shared={"index": index.output}, record=index.value)
    (common,) = yield [
        corpus.task(
            f"{_FREQUENCY}:list_phrases",
            "common",
            {"index": index.output, "counts": counts[0].output, **limits},
            label="common n-grams",
        )
    ]
    return Artefacts(
        shared={"index": index.output, "counts": counts[0].output},
        per_part={"matches": [receipt.output for receipt in matches]},
        record={**index.value, **common.value},
    )


def _added_counts(
    corpus: Corpus, counts: list[Receipt]
) -> Generator[list[Task], list[Receipt], list[Receipt]]:
    """Adds the counts of all parts up, in as many rounds as it takes; none where there are none."""
    while len(counts) > 1:
        groups = [counts[at : at + PARTS_PER_SUM] for at in range(0, len(counts), PARTS_PER_SUM)]
        counts = yield [
            corpus.task(
                f"{_FREQUENCY}:add_counts_files",
                "counts",
                {"counts": [r.output for r in group]},
                label=f"document frequencies, {number + 1} of {len(groups)}",
            )
            for number, group in enumerate(groups)
        ]
    return counts
