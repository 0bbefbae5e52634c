"""Who finds what: benchmark items planted into web pages in many forms, and clean documents.

    python -m benchmarks.contamination [--data ../shared/data] [--items 60] [--decon PYTHON]
        [--no-peers] [--oracle]

For every form the share of the planted items that are found (recall), with tamis in both modes and
its peers beside it; for every set of clean documents how many are removed; and which, with the
words that they share with an item, so that a reader can say whether they are copies. With
``--oracle`` paper mode is compared on every document with the rule by brute force.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks import leaks
from benchmarks.decontamination_peers import chosen, run_datatrove, run_decon, sequences_of
from benchmarks.intervals import interval
from benchmarks.labelled import (
    DEFAULTS,
    Document,
    clean_documents,
    hosts,
    planted_documents,
    reworded_documents,
)
from benchmarks.oracle import Match, Oracle
from pipeline.text_buffers import text_buffers
from stages.decontaminate import benchmark as reading
from stages.decontaminate.index import Index, build_index
from stages.decontaminate.match import find_matches
from stages.decontaminate.rule import guilty
from stages.decontaminate.window import MODES

BATCH = 2_000

COPIES = {
    ("boolq", "2465"): "the Wikipedia article that the passage is from",
    ("mmlu", "5914"): "the page of Gibbon that the question quotes",
    ("mmlu", "6013"): "the page of Gibbon that the question quotes",
    ("mmlu", "237"): "asks the same five words, standing alone",
}
"""Items of which clean pages were found to hold copies, by reading both texts."""


class Removal(NamedTuple):
    """Why a document is removed: its best match."""

    benchmark: str
    item: str
    part: str
    lcs: int
    item_words: int
    ratio: float
    item_text: str
    text: str


class Matcher:
    """tamis without its pipeline: index, gate, LCS, and the two numbers of the rule."""

    def __init__(self, sequences: Sequence[reading.Sequence], name: str) -> None:
        self.name = name
        self.mode = mode = MODES[name]
        self.index: Index
        self.index, _ = build_index(
            sequences,
            mode.n,
            DEFAULTS.short_words,
            DEFAULTS.common_ngram_min_items,
            markup=mode.markup,
        )

    def matches(self, texts: Sequence[str]) -> list[dict[Match, Removal]]:
        """For each text the sequences for which it is removed."""
        index = self.index
        data, offsets = text_buffers(pa.array(texts, pa.large_string()))
        found = find_matches(data, offsets, index, self.mode)
        removed: list[dict[Match, Removal]] = [{} for _ in texts]
        words = np.diff(index.offsets)[found.sequence]
        ratio = (found.lcs / found.shorter).astype(np.float32)
        copies = guilty(found.lcs, words, ratio, self.name, DEFAULTS.min_lcs, DEFAULTS.min_ratio)
        for k in np.flatnonzero(copies):
            named = index.sequences.slice(int(found.sequence[k]), 1).to_pylist()[0]
            match = (named["benchmark"], named["item"], named["sequence"])
            text = texts[found.row[k]][found.start[k] : found.end[k]]
            removal = Removal(
                *match, int(found.lcs[k]), int(words[k]), float(ratio[k]), named["text"], text
            )
            removed[found.row[k]][match] = removal
        return removed


Flags = Mapping[str, Sequence[bool]]


def by_form(documents: Sequence[Document]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, document in enumerate(documents):
        rows.setdefault(document.form, []).append(row)
    return rows


def print_recall(documents: Sequence[Document], flags: Flags) -> None:
    """Shares found, by form; the interval is that of the last system of tamis."""
    print(f"\n{'planted: found, %':38}{'items':>6}", *(f"{name:>15}" for name in flags))
    for form, rows in by_form(documents).items():
        if documents[rows[0]].item is None:
            continue
        cells = []
        for name, flagged in flags.items():
            found = sum(flagged[row] for row in rows)
            low, high = interval(found / len(rows), len(rows))
            spread = f" [{100 * low:.0f}-{100 * high:.0f}]" if name.startswith("tamis") else ""
            cells.append(f"{100 * found / len(rows):5.1f}{spread}".rjust(15))
        print(f"{form:38}{len(rows):6,}", *cells)


def print_removed(documents: Sequence[Document], flags: Flags) -> None:
    """Numbers of clean documents that are removed, by set, and precision over everything."""
    print(f"\n{'clean: removed':38}{'docs':>6}", *(f"{name:>15}" for name in flags))
    total = dict.fromkeys(flags, 0)
    clean = 0
    for form, rows in by_form(documents).items():
        if documents[rows[0]].item is not None:
            continue
        clean += len(rows)
        for name, flagged in flags.items():
            total[name] += sum(flagged[row] for row in rows)
        removed = (f"{sum(flagged[row] for row in rows):15,}" for flagged in flags.values())
        print(f"{form:38}{len(rows):6,}", *removed)
    print(f"{'all':38}{clean:6,}", *(f"{number:15,}" for number in total.values()))
    hits = {
        name: sum(f for f, d in zip(flagged, documents, strict=True) if d.item)
        for name, flagged in flags.items()
    }
    shares = (100 * hits[name] / max(1, hits[name] + total[name]) for name in flags)
    print(f"{'precision over all, %':44}", *(f"{share:15.2f}" for share in shares))


def print_reasons(documents: Sequence[Document], removals: Sequence[dict[Match, Removal]]) -> None:
    """Each clean document that is removed, once an item: what it shares with which item."""
    seen = set()
    for document, found in zip(documents, removals, strict=True):
        if document.item is not None or not found:
            continue
        best = max(found.values(), key=lambda removal: (removal.ratio, removal.lcs))
        if (best.benchmark, best.item) in seen:
            continue
        seen.add((best.benchmark, best.item))
        judged = COPIES.get((best.benchmark, best.item), "")
        print(
            f"- {document.form}: {best.benchmark} {best.item} ({best.part}),"
            f" LCS {best.lcs} of {best.item_words} words, ratio {best.ratio:.2f}"
            f"{f': {judged}' if judged else ''}\n"
            f"    item: {shown(best.item_text)}\n    text: {shown(best.text)}"
        )


def shown(text: str, size: int = 300) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= size else f"{flat[:size]} …"


def disagreements(
    documents: Sequence[Document],
    removals: Sequence[dict[Match, Removal]],
    oracle: Oracle,
) -> int:
    """Prints the documents on which the oracle has other matches; returns their number."""
    number = 0
    for document, found in zip(documents, removals, strict=True):
        expected = oracle.matches(document.text)
        # Of very many matches tamis keeps the best; the verdict must be the same.
        if expected != set(found) and (len(expected) < 64 or not found):
            number += 1
            print(f"{document.form}: {sorted(expected ^ set(found))[:3]}: {document.text[:80]!r}")
    return number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--items", type=int, default=60, help="planted items of each benchmark")
    parser.add_argument("--decon", help="a Python with the package decontaminate")
    parser.add_argument("--no-peers", action="store_true", help="tamis only")
    parser.add_argument("--oracle", action="store_true", help="compare with brute force: minutes")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    arguments.benchmarks = None
    if not (arguments.data / "open" / "benchmarks").is_dir():
        sys.exit(f"no benchmarks at {arguments.data}: name the data folder with --data")
    files = chosen(arguments)
    sequences = [s for name, path in files.items() for s in sequences_of(name, path)]
    items = leaks.items_of(sequences)
    pages = hosts(arguments.data)
    documents = [
        *planted_documents(sequences, pages, arguments.items),
        *reworded_documents(arguments.data, items, pages),
        *clean_documents(arguments.data, items, pages),
    ]
    texts = [document.text for document in documents]
    print(f"{len(items):,} items of {len(files)} benchmarks; {len(documents):,} documents")
    removals: dict[str, list[dict[Match, Removal]]] = {}
    for name in MODES:
        matcher = Matcher(sequences, name)
        removals[name] = [
            found
            for at in range(0, len(texts), BATCH)
            for found in matcher.matches(texts[at : at + BATCH])
        ]
    flags = {f"tamis {name}": [bool(one) for one in found] for name, found in removals.items()}
    if not arguments.no_peers:
        try:
            flags["datatrove"] = run_datatrove(texts, arguments).flags
        except ImportError as error:
            print(f"datatrove is left out: {error}. Its word tokenizer needs spacy.")
    if arguments.decon:
        flags["decon"] = run_decon(texts, arguments).flags
    print_recall(documents, flags)
    print_removed(documents, flags)
    for name, found in removals.items():
        print(f"\nclean documents that {name} mode removes, once an item:")
        print_reasons(documents, found)
    if arguments.oracle:
        number = disagreements(documents, removals["paper"], Oracle(sequences))
        print(f"\npaper mode and the oracle: {len(documents):,} documents, {number} disagreements")


if __name__ == "__main__":
    main()
