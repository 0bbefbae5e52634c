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
import gzip
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks import leaks
from benchmarks.decontamination_peers import chosen, run_datatrove, run_decon, sequences_of
from benchmarks.oracle import Match, Oracle
from benchmarks.peers import read_records
from pipeline.text_buffers import text_buffers
from stages.decontaminate import benchmark as reading
from stages.decontaminate.index import Index, build_index
from stages.decontaminate.match import find_matches
from stages.decontaminate.rule import guilty
from stages.decontaminate.stage import DecontaminateConfig
from stages.decontaminate.window import MODES

DEFAULTS = DecontaminateConfig()
PAGES = "research_only/web/weborganizer_pages.jsonl.gz"
BATCH = 2_000

COPIES = {
    ("boolq", "2465"): "the Wikipedia article that the passage is from",
    ("mmlu", "5914"): "the page of Gibbon that the question quotes",
    ("mmlu", "6013"): "the page of Gibbon that the question quotes",
    ("mmlu", "237"): "asks the same five words, standing alone",
}
"""Items of which clean pages were found to hold copies, by reading both texts."""


class Document(NamedTuple):
    """A document of the labelled set. ``form`` is how it was made; clean ones have no item."""

    form: str
    text: str
    item: leaks.Item | None = None


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


def hosts(data: Path) -> list[str]:
    """Beginnings of web pages, about 1,500 characters, whole lines where there are some."""
    pages = [record["text"] for record in read_records(data / PAGES)]
    return [page[: max(page.rfind("\n", 300, 1500), 0) or 1500] for page in pages]


def planted_documents(
    sequences: Sequence[reading.Sequence], pages: Sequence[str], number: int
) -> Iterator[Document]:
    """So many items of every benchmark, each in every form that it can have."""
    vocabulary = " ".join(pages[:300]).split()
    by_benchmark: dict[str, list[leaks.Item]] = {}
    for item in leaks.items_of(sequences):
        by_benchmark.setdefault(item.benchmark, []).append(item)
    for name, items in sorted(by_benchmark.items()):
        chosen = Random(name).sample(items, min(number, len(items)))
        for item in chosen:
            for form, text in forms_of(item, vocabulary):
                random = Random(f"{form} {item.benchmark} {item.name}")
                host = random.choice(pages)
                put = leaks.embed if form == EMBEDDED else leaks.plant
                yield Document(form, put(text, host, random), item)


EMBEDDED = "whole: in a paragraph"


def forms_of(item: leaks.Item, vocabulary: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(form, text) of an item: whole in all layouts and dress, its parts, and edited."""
    words = leaks.count_words(item.question)
    if leaks.count_words(item.whole) >= DEFAULTS.short_words:
        for name, dress in leaks.DRESSES.items():
            yield f"whole: {name}", dress(item.whole, Random(f"{name} {item.name}"))
        yield EMBEDDED, item.whole
    if item.unanswered not in (item.whole, item.question):
        yield "answer removed", item.unanswered
    if words >= DEFAULTS.min_lcs:
        yield "question only, 13 words or more", item.question
    elif words >= DEFAULTS.short_words:
        yield "question only, 5 to 12 words", item.question
        for name in ("upper case", "HTML marks", "Markdown marks", "full width"):
            marked = leaks.DRESSES[name](item.question, Random(item.name))
            yield "5 to 12 words, in dress", marked
        for name in ("in JSON", "in an HTML table", "in a Markdown table", "one word a line"):
            laid = leaks.DRESSES[name](item.question, Random(item.name))
            yield "5 to 12 words, in layouts", laid
    if words < DEFAULTS.min_lcs:
        return
    for percent in (5, 10, 20, 30):
        random = Random(f"{percent} {item.name}")
        yield (
            f"question, {percent} % of words replaced",
            leaks.replaced(item.question, percent / 100, vocabulary, random),
        )
        yield (
            f"whole, {percent} % of words replaced",
            leaks.replaced(item.whole, percent / 100, vocabulary, random),
        )
    if len(re.findall(r"\d+", item.question)) >= 2:
        yield "question, all numbers replaced", leaks.renumbered(item.question, Random(item.name))


def reworded_documents(
    data: Path, items: Sequence[leaks.Item], pages: Sequence[str]
) -> Iterator[Document]:
    """Items that others rephrased, translated, or found on the web."""
    algebra = [item for item in items if item.benchmark == "mmlu"][:100]
    for language in ("rephrase_english", "chinese"):
        file = f"llmdecon_abstract_algebra_test_{language}_filtered_question.jsonl.gz"
        for item, record in zip(
            algebra, read_records(data / "open/contamination" / file), strict=True
        ):
            if record["text"]:
                random = Random(f"{language} {item.name}")
                text = leaks.plant(record["text"], random.choice(pages), random)
                yield Document(f"reworded: {language.replace('_', ' ')}", text, item)
    for name in ("ARC", "commonsense_qa"):
        path = data / "research_only/contamination" / f"natural_{name}.jsonl.gz"
        for record in read_records(path):
            item = leaks.Item(name, "", record["query"], record["query"], record["query"])
            yield Document(f"search results for {name}", record["snippet_text"], item)


def clean_documents(
    data: Path, items: Sequence[leaks.Item], pages: Sequence[str]
) -> Iterator[Document]:
    """Documents that hold no item, as far as is known: see what is printed of them."""
    web = [record["text"] for record in read_records(data / PAGES)]
    yield from (Document("web pages", text) for text in web)
    yield from (
        Document("web pages, pieces of 256 words", piece) for text in web for piece in cut(text)
    )
    with gzip.open(data / "open/web/wikitext2_valid.txt.gz", "rt", encoding="utf-8") as stream:
        wiki = stream.read()
    with gzip.open(data / "open/web/tinyshakespeare.txt.gz", "rt", encoding="utf-8") as stream:
        plays = stream.read()
    paragraphs = (line for line in wiki.split("\n") if len(line) > 100)
    yield from (Document("encyclopedia, paragraphs", text) for text in paragraphs)
    yield from (Document("long books", text) for text in (wiki, plays, "\n".join(web[:300])))
    yield from (Document("plays, pieces of 256 words", piece) for piece in cut(plays))
    for record in read_records(data / "open/web/datajuicer_domain_mix.jsonl.gz"):
        yield Document("papers, forums, patents", record["text"])
    for record in read_records(data / "research_only/langid/udhr.jsonl.gz"):
        yield Document("one declaration, 530 languages", record["text"])
    root = Path(__file__).resolve().parents[1]
    notices = [root / "LICENSE", *sorted((root / "data/sample/notices").rglob("*"))]
    for path in notices:
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            yield Document("licence texts", text)
    for record in read_records(data / "open/benchmarks/gsm8k_train.jsonl.gz"):
        yield Document("GSM8K train questions", record["question"])
        whole = f"{record['question']}\n{record['answer']}"
        yield Document("GSM8K train with solutions", whole)
    for number in range(2_000):
        random = Random(number)
        item = random.choice(items)
        if leaks.count_words(item.question) > 2 * DEFAULTS.min_lcs + 4:
            text = leaks.phrase(item.question, DEFAULTS.min_lcs + 2, random)
            yield Document("15 words of a longer item", leaks.embed(text, pages[number], random))


def cut(text: str, size: int = 256) -> Iterator[str]:
    """Pieces of so many words, as they stand in the text."""
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    for at in range(0, len(spans), size):
        yield text[spans[at][0] : spans[min(at + size, len(spans)) - 1][1]]


def interval(found: int, total: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, in percent."""
    z = 1.96
    share, spread = found / total, z * z / total
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)


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
            low, high = interval(found, len(rows))
            spread = f" [{low:.0f}-{high:.0f}]" if name.startswith("tamis") else ""
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
