"""The labelled set: benchmark items planted into web pages in many forms, and clean documents."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from benchmarks import leaks
from benchmarks.peers import read_records
from stages.decontaminate import benchmark as reading
from stages.decontaminate.stage import DecontaminateConfig

DEFAULTS = DecontaminateConfig()
PAGES = "research_only/web/weborganizer_pages.jsonl.gz"


class Document(NamedTuple):
    """A document of the labelled set. ``form`` is how it was made; clean ones have no item."""

    form: str
    text: str
    item: leaks.Item | None = None


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
    notices = root / "data/sample/notices"
    if not notices.is_dir():
        raise SystemExit(f"no licence texts at {notices}: `make sample` writes them.")
    for path in [root / "LICENSE", *sorted(notices.rglob("*"))]:
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
