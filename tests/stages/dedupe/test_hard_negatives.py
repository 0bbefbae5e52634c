"""Documents of one template, and of one site, that say different things: they are kept."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from stages.dedupe.near import NearDedupe
from stages.dedupe.near_config import NearDedupeConfig
from tests.stages.dedupe import holders, oracle, templates
from tests.stages.dedupe.driver import Result, Text, run_stage

COUNT = 1000


def near(documents: list[str], root: Path) -> Result:
    texts = [Text(str(n), document) for n, document in enumerate(documents)]
    return run_stage(NearDedupe(NearDedupeConfig()), [texts[::2], texts[1::2]], root)


def rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        pytest.skip(f"no file {path}")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("kind", templates.TEMPLATES)
def test_at_most_one_in_a_thousand_of_a_template_is_lost(kind: str, tmp_path: Path) -> None:
    documents = templates.TEMPLATES[kind](COUNT, 1)
    assert len(set(documents)) == COUNT
    assert len(near(documents, tmp_path).reasons) <= COUNT // 1000


def test_real_word_problems_with_other_numbers_are_kept(shared_data: Path, tmp_path: Path) -> None:
    """Twenty versions each of fifty questions: some share all numbers but one."""
    questions = rows(shared_data / "open" / "benchmarks" / "gsm8k_test.jsonl.gz")
    documents = templates.renumbered([row["question"] for row in questions], COUNT)
    assert len(set(documents)) == COUNT
    assert len(near(documents, tmp_path).reasons) <= COUNT // 1000


def test_other_articles_of_a_site_are_kept(shared_data: Path, tmp_path: Path) -> None:
    """Pages of an article's length, of sites that have several; the rest of a site is frames,
    such as the forms of a publisher that ask for one's age."""
    pages = rows(shared_data / "research_only" / "web" / "weborganizer_pages.jsonl.gz")
    articles = [page for page in pages if len(page["text"]) >= 1000]
    sites = Counter(urlsplit(page["url"]).hostname for page in articles)
    shared = [page["text"] for page in articles if sites[urlsplit(page["url"]).hostname] > 1]
    shared = list(dict.fromkeys(shared))
    assert len(shared) > 600
    assert not near(shared, tmp_path).reasons


@pytest.mark.parametrize("kind", holders.NAMED)
def test_licences_of_other_holders_are_kept(kind: str, tmp_path: Path) -> None:
    """Letters and contracts too: nothing but names differs."""
    documents = holders.NAMED[kind](COUNT)
    assert len(set(documents)) == COUNT
    assert len(near(documents, tmp_path).reasons) <= COUNT // 1000


def weighed(left: str, right: str, weight: int) -> float:
    """The Jaccard index in which shingles with a number count several times."""

    def size(shingles: frozenset[tuple[str, ...]]) -> int:
        return sum(weight if any(w[0].isdigit() for w in words) else 1 for words in shingles)

    a, b = oracle.shingles(left), oracle.shingles(right)
    return size(a & b) / size(a | b)


@pytest.mark.parametrize("length", range(25, 225, 25))
@pytest.mark.parametrize("weight", [1, 5, 20])
def test_a_number_that_differs_counts_by_its_weight(
    length: int, weight: int, tmp_path: Path
) -> None:
    before, after = (" ".join(f"{side}{n}" for n in range(length)) for side in "ba")
    left, right = f"{before} 7 {after}", f"{before} 8 {after}"
    config = NearDedupeConfig(number_weight=weight, bands=256, rows=1, min_jaccard=0.75)
    result = run_stage(NearDedupe(config), [[Text("7", left), Text("8", right)]], tmp_path)
    assert len(result.reasons) == (weighed(left, right, weight) >= 0.75)
    for name in result.reasons:
        plain = oracle.jaccard(left, right)
        assert result.annotations[name]["jaccard"] == pytest.approx(plain)


def test_numbers_that_agree_make_no_pair_alike(tmp_path: Path) -> None:
    table = " ".join(str(n) for n in range(30))
    left, right = (f"{table} {' '.join(f'{name}{n}' for n in range(20))}" for name in "ab")
    config = NearDedupeConfig(number_weight=1000, bands=256, rows=1, min_jaccard=0.75)
    assert oracle.jaccard(left, right) < 0.5
    assert weighed(left, right, 1000) > 0.75
    texts = [Text("a", left), Text("b", right)]
    assert not run_stage(NearDedupe(config), [texts], tmp_path).reasons


@pytest.mark.parametrize("frame", [40, 400])
def test_what_a_frame_is_filled_with_counts_by_its_length(frame: int, tmp_path: Path) -> None:
    """Documents are kept as long as the frame that they share is the smaller part of them."""
    rng = random.Random(3)
    head = " ".join(f"frame{n}" for n in range(frame))
    documents = [
        f"{head}. {' '.join(f'w{rng.randrange(10**6)}' for _ in range(40))}." for _ in range(60)
    ]
    kept = len(near(documents, tmp_path).kept)
    assert kept == 60 if frame == 40 else kept < 20


def test_renumbered_questions_differ_in_numbers_alone() -> None:
    question = "Ann has 3 boxes of 12 pens and sells 7.5 dollars worth. How many are left?"
    versions = templates.renumbered([question], 50)
    assert {re.sub(r"\d+", "#", version) for version in versions} == {re.sub(r"\d+", "#", question)}
