"""Extraction in a child process: quality against human gold, and pages that kill the process."""

import gzip
import json
import time
from collections import Counter
from pathlib import Path

import pytest

from stages.ingest.extractor_process import BATCH_PAGES, Extractor
from stages.ingest.record import Found, Outcome, Page, Quarantined, Skipped

MEMORY = 4_000_000_000
GOOD = b"<html><body><main><p>A good page.</p></main></body></html>"
QUADRATIC = b"<div>" * 30_000 + b"x" + b"</div>" * 30_000
"""Takes resiliparse half a minute: its main-content rules look at all ancestors of each node."""


def page(payload: bytes, name: str = "p") -> Page:
    return Page(payload, "utf-8", name, None, None)


def summary(outcome: Outcome) -> str:
    return outcome.text if isinstance(outcome, Found) else outcome.reason


def test_order_is_kept_and_one_process_serves_many_batches() -> None:
    given: list[Outcome | Page] = []
    for n in range(5 * BATCH_PAGES):
        given.append(page(GOOD.replace(b"good", b"good %d" % n), str(n)))
        if n % 3 == 0:
            given.append(Skipped("http_404", f"s{n}", 1))
    with Extractor("resiliparse", 60, MEMORY) as extractor:
        outcomes = iter(extractor.outcomes(given))
        first = next(outcomes)
        process = extractor._process
        found = [first, *outcomes]
        assert extractor._process is process
    expected = [f"A good {x.locator} page." if isinstance(x, Page) else summary(x) for x in given]
    assert [summary(outcome) for outcome in found] == expected
    assert process is not None
    assert process.poll() is not None


def test_a_page_that_hangs_is_killed_and_the_others_go_on() -> None:
    pages = [page(GOOD), page(QUADRATIC, "slow"), page(GOOD), page(QUADRATIC), page(GOOD)]
    started = time.monotonic()
    with Extractor("resiliparse", 0.2, MEMORY) as extractor:
        found = list(extractor.outcomes(pages))
    assert time.monotonic() - started < 20
    assert [summary(outcome) for outcome in found] == [
        *("A good page.", "extraction_timeout"),
        *("A good page.", "extraction_timeout", "A good page."),
    ]
    slow = found[1]
    assert isinstance(slow, Quarantined)
    assert slow.locator == "slow"
    assert "0.2 s" in slow.detail
    assert slow.excerpt.startswith("<div><div>")


@pytest.mark.parametrize("extractor", ["resiliparse", "trafilatura"])
def test_a_page_that_needs_too_much_memory(extractor: str) -> None:
    huge = b"<html><body>" + b"<p>a <b>b</b></p>" * 1_000_000
    with Extractor(extractor, 60, 700_000_000) as guarded:
        found = list(guarded.outcomes([page(GOOD), page(huge), page(GOOD)]))
    reasons = [summary(outcome) for outcome in found]
    assert reasons[::2] == ["A good page.", "A good page."]
    assert reasons[1] in ("extraction_crash", "extraction_error")


def test_a_process_that_cannot_start_is_no_page_s_fault() -> None:
    with (
        Extractor("no such extractor", 60, MEMORY) as extractor,
        pytest.raises(RuntimeError, match="did not start"),
    ):
        list(extractor.outcomes([page(GOOD)]))


def test_none_keeps_the_html() -> None:
    with Extractor("none", 60, MEMORY) as extractor:
        assert [summary(o) for o in extractor.outcomes([page(GOOD)])] == [GOOD.decode()]


def f1(text: str, gold: str) -> float:
    """F1 over bags of word 4-grams, as the article extraction benchmark measures."""

    def shingles(value: str) -> Counter[tuple[str, ...]]:
        words = value.split()
        return Counter(tuple(words[i : i + 4]) for i in range(max(1, len(words) - 3)))

    ours, theirs = shingles(text), shingles(gold)
    return 2 * sum((ours & theirs).values()) / max(1, ours.total() + theirs.total())


@pytest.mark.parametrize(
    ("extractor", "least", "limit"), [("resiliparse", 0.89, 88), ("trafilatura", 0.88, 20)]
)
def test_extraction_against_human_gold(
    shared_data: Path, extractor: str, least: float, limit: int
) -> None:
    path = shared_data / "open" / "web" / "article_extraction_html_gold.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream][:limit]
    pages = [page(row["html"].encode()) for row in rows]
    with Extractor(extractor, 60, MEMORY) as guarded:
        texts = [summary(outcome) for outcome in guarded.outcomes(pages)]
    scores = [f1(text, row["gold"]) for text, row in zip(texts, rows, strict=True)]
    assert sum(scores) / len(scores) > least
