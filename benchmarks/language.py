"""Language identification side by side: tamis's stage, plain fastText, datatrove's filter.

    python -m benchmarks.language [FILE.jsonl[.gz|.zst] ...] [--documents N] [--runs 3]

Without files it reads the sample's documentation (long, English) and its translations (129
locales). All ask the same weights, one process, one thread, and are timed in CPU seconds; the
best run counts. fastText is given a document a call, the whole text, and answers with one label.
datatrove's filter does the same and asks for the probabilities of all languages, its default.
tamis reads pieces of a document, cuts them and asks for two labels in one call a batch; its time
holds building the annotation columns and deciding.

"Label" is the share of documents with the label that fastText gives the whole text; "where sure"
the same over documents of which fastText is sure (at least .65); "kept" the share kept at .65, and
"same" the share on which keeping agrees with fastText's.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks.peers import (
    SAMPLE,
    WEIGHTS,
    LocalLanguageFilter,
    best_of,
    existing,
    read_texts,
    silence_datatrove,
)
from manifests.schema import KEEP
from pipeline.stage import Batch
from stages.language import Language, LanguageConfig

DEFAULT_FILES = (SAMPLE / "docs.jsonl.zst", SAMPLE / "translations.jsonl.gz")
BATCH_BYTES = 8_000_000
"""Text in a batch; tamis's parts have row groups of this size."""
SURE = 0.65


class Answers(NamedTuple):
    """A label and whether it was kept, a document."""

    labels: np.ndarray[Any, Any]
    kept: np.ndarray[Any, Any]


def batches(texts: list[str], weights: Path) -> list[Batch]:
    """The texts as the pipeline hands them to a stage."""
    made: list[Batch] = []
    held: list[str] = []
    size = 0
    for number, text in enumerate(texts):
        held.append(text)
        size += len(text.encode())
        if size >= BATCH_BYTES or number == len(texts) - 1:
            table = pa.table({"text": pa.array(held, pa.large_string())})
            made.append(Batch(table, np.arange(len(held)), {"model": weights}))
            held, size = [], 0
    return made


def tamis(cut: list[Batch]) -> Answers:
    """The stage with its defaults; every document is judged as prose."""
    stage = Language(LanguageConfig(model="weights"))
    tables = [stage.annotate(batch) for batch in cut]
    verdicts = [stage.decide(table).verdict.to_pylist() for table in tables]
    labels = [label for table in tables for label in table["language"].to_pylist()]
    return Answers(np.array(labels), np.array([word == KEEP for v in verdicts for word in v]))


@cache
def loaded(weights: Path) -> Any:
    """fastText's own model object."""
    import fasttext

    return fasttext.load_model(str(weights))


def fasttext_alone(texts: list[str], weights: Path) -> Answers:
    """A call a document; a text without any known n-gram has no label."""
    model = loaded(weights)
    labels: list[str] = []
    kept: list[bool] = []
    for text in texts:
        found, probabilities = model.predict(text.replace("\n", " "))
        labels.append(found[0].removeprefix("__label__") if found else "")
        kept.append(len(found) > 0 and float(probabilities[0]) >= SURE)
    return Answers(np.array(labels), np.array(kept))


def datatrove(texts: list[str], asked: LocalLanguageFilter) -> Answers:
    """datatrove's filter, a call a document. Making its ``Document`` is not ours to leave out."""
    from datatrove.data import Document

    documents = [Document(text=text, id="") for text in texts]
    kept = [asked.filter(document) for document in documents]
    labels = [document.metadata["language"] for document in documents]
    return Answers(np.array(labels), np.array(kept))


def main() -> None:
    """Prints a table for every file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="JSON lines with a field `text`")
    parser.add_argument("--documents", type=int, help="of each file; all by default")
    parser.add_argument("--runs", type=int, default=3, help="the best counts; 3 by default")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="the sample's lid.176.ftz")
    given = parser.parse_args()
    [weights] = existing([given.weights])
    for path in existing(given.files or DEFAULT_FILES):
        texts = read_texts([path], given.documents)
        size = sum(len(text.encode()) for text in texts)
        print(f"{path.name}: {len(texts):,} documents, {size / 1e6:.1f} MB, {weights.name}")
        compare(texts, size, weights, given.runs)


def compare(texts: list[str], size: int, weights: Path, runs: int) -> None:
    """Runs the contenders on the texts and prints their rows."""
    cut = batches(texts, weights)
    asked = LocalLanguageFilter(weights, SURE)
    contenders: dict[str, Callable[[], Answers]] = {
        "fasttext": lambda: fasttext_alone(texts, weights),
        "tamis": lambda: tamis(cut),
        "datatrove": lambda: datatrove(texts, asked),
    }
    reference = fasttext_alone(texts, weights)
    seconds: dict[str, float] = {}
    answers: dict[str, Answers] = {}
    for label, contender in contenders.items():
        try:
            if label == "datatrove":
                silence_datatrove()
            spent, answers[label] = best_of(runs, contender)
            seconds[label] = spent.cpu
        except ImportError as error:
            print(f"  {label} not run: {error}")
    columns = ("CPU s", "documents/s", "MB/s", "label", "where sure", "kept", "same", "tamis is")
    print(" " * 12 + "".join(f"{name:>12}" for name in columns))
    for label, used in seconds.items():
        equal = answers[label].labels == reference.labels
        kept = answers[label].kept
        same = (kept == reference.kept).mean()
        print(
            f"{label:<12}{used:>12.3f}{len(texts) / used:>12,.0f}{size / used / 1e6:>12.1f}"
            f"{equal.mean():>12.1%}{equal[reference.kept].mean():>12.1%}{kept.mean():>12.1%}"
            f"{same:>12.1%}{used / seconds['tamis']:>11.1f}x"
        )


if __name__ == "__main__":
    main()
