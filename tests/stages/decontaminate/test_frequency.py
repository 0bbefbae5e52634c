"""Document frequency: phrases do not open the gate alone, popular items stay found."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.schema import KEEP
from stages.decontaminate import rounds
from stages.decontaminate.frequency import add_counts, count_documents
from stages.decontaminate.hits import Seen
from tests.stages.decontaminate.running import Running, write_lines

LICENCE = (
    "Permission is hereby granted free of charge to any person obtaining a copy of this software"
)
LONG = (
    f"The following notice stands at the head of a file. {LICENCE}. Explain in your own words to a"
    " colleague who has never seen a licence what she may do now with the file and what not, and"
    " name two other notices of the kind that she may meet in her work on old programs."
)
WORDS = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in ("l", "rn", "st", "mp")]


def pages(number: int, seed: int) -> list[str]:
    """Pages of 60 words that mean nothing."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=60)) for _ in range(number)]


def licences(tmp_path: Path, **config: Any) -> Running:
    path = write_lines(tmp_path / "law.jsonl", [{"q": LONG}])
    return Running(tmp_path, benchmarks={"law": {"path": path, "question": "q"}}, **config)


@pytest.mark.parametrize("mode", ["paper", "hardened"])
def test_a_phrase_of_the_corpus_opens_no_gate_alone(tmp_path: Path, mode: str) -> None:
    running = licences(tmp_path, mode=mode)
    notices = [f"{LICENCE} {page}" for page in pages(40, 1)]
    short = [LICENCE, f"{LICENCE} today"]  # nearly all of the shorter of the two texts
    copies = [f"{page} {LONG} {page}" for page in pages(3, 2)]
    parts = [notices + short, copies + pages(10, 3)]
    (first, second), artefacts = running.annotate_parts(parts)
    assert Counter(running.decide(first).verdict.to_pylist()) == {KEEP: 42}
    assert running.decide(second).verdict.to_pylist() == ["contaminated.law"] * 3 + [KEEP] * 10
    (match,) = first["matches"][40].as_py()
    assert match["ngram_documents"] == 42
    assert match["ngram_share"] == pytest.approx(42 / 55)
    assert running.decide(first).score[40].as_py() == pytest.approx(42 / 55, abs=1e-6)
    assert running.decide(first).threshold[40].as_py() == 0.001
    # Without the other documents the short text is what the rule says that it is.
    assert running.reasons(short) == ["contaminated.law"] * 2

    record = artefacts.record
    n = {"paper": 13, "hardened": 5}[mode]
    assert record["corpus_common_n_grams"] == len(LICENCE.split()) - n + 1
    listed = record["corpus_common_n_grams_listed"]
    assert {entry["documents"] for entry in listed} == {45}
    assert {entry["without_item"] for entry in listed} == {42}
    assert {entry["items"] for entry in listed} == {1}
    assert " ".join(LICENCE.split()[:n]) in {entry["text"] for entry in listed}


def test_the_limits_are_thresholds(tmp_path: Path) -> None:
    texts = [f"{LICENCE} {page}" for page in pages(40, 1)] + [LICENCE]
    strict = licences(tmp_path, common_ngram_min_documents=42)
    (annotations,), artefacts = strict.annotate_parts([texts])
    assert strict.decide(annotations).verdict[40].as_py() == "contaminated.law"
    assert artefacts.record["corpus_common_n_grams"] == 0
    loose = licences(tmp_path, common_ngram_min_documents=41)
    (again,), artefacts = loose.annotate_parts([texts])
    assert again.equals(annotations)
    assert loose.decide(annotations).verdict[40].as_py() == KEEP
    assert artefacts.record["corpus_common_n_grams"] > 0


@pytest.mark.parametrize("mode", ["paper", "hardened"])
def test_a_popular_problem_is_found_everywhere(
    shared_data: Path, tmp_path: Path, mode: str
) -> None:
    """A HumanEval problem on 300 of 1,000 pages: on some whole, on some only its prompt, on some
    with a tenth of the words changed."""
    path = shared_data / "open" / "benchmarks" / "HumanEval.jsonl.gz"
    running = Running(tmp_path, benchmarks={"humaneval": {"path": str(path)}}, mode=mode)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        problem = [json.loads(line) for line in lines][17]
    draw = random.Random(0)
    texts = pages(1000, 4)
    for place in range(300):
        copy = problem["prompt"] + (problem["canonical_solution"] if place % 3 else "")
        if place % 3 == 2:
            words = copy.split()
            for changed in draw.sample(range(30, len(words)), len(words) // 10):
                words[changed] = draw.choice(WORDS)
            copy = " ".join(words)
        texts[place] = f"{texts[place]}\n{copy}\n{texts[place]}"
    (first, second), artefacts = running.annotate_parts([texts[:150], texts[150:]])
    found = [
        *running.decide(first).verdict.to_pylist(),
        *running.decide(second).verdict.to_pylist(),
    ]
    assert found == ["contaminated.humaneval"] * 300 + [KEEP] * 700
    assert artefacts.record["corpus_common_n_grams"] == 0


def test_how_documents_are_split_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "PARTS_PER_SUM", 3)
    texts = [f"{LICENCE} {page}" for page in pages(40, 1)] + [LICENCE, LONG, ""] + pages(5, 2)
    running = licences(tmp_path)
    (whole,), artefacts = running.annotate_parts([texts])
    assert artefacts.record["documents"] == len(texts)
    for size in (5, 25):  # ten parts are added up in three rounds
        pieces = [texts[at : at + size] for at in range(0, len(texts), size)]
        tables, others = running.annotate_parts(pieces)
        assert dict(others.record) == dict(artefacts.record)
        at = 0
        for table in tables:
            assert table.equals(whole.slice(at, table.num_rows))
            at += table.num_rows


NOTICED = st.lists(st.dictionaries(st.integers(0, 9), st.booleans()), max_size=12)


@settings(deadline=None)
@given(NOTICED, st.integers(1, 4))
def test_counts_are_those_of_a_plain_count(documents: list[dict[int, bool]], size: int) -> None:
    """Documents as the n-grams they hold, and whether with the item."""

    def counted(some: list[dict[int, bool]]) -> Any:
        pairs = [pair for document in some for pair in document.items()]
        seen = Seen(
            np.array([gram for gram, _ in pairs], np.int32),
            np.array([copied for _, copied in pairs], bool),
        )
        return count_documents(seen, len(some))

    parts = [documents[at : at + size] for at in range(0, max(1, len(documents)), size)]
    counts = add_counts([counted(part) for part in parts])
    assert counts.total == len(documents)
    holding = Counter(gram for document in documents for gram in document)
    without = Counter(
        gram for document in documents for gram, copied in document.items() if not copied
    )
    assert counts.grams.tolist() == sorted(holding)
    assert counts.documents.tolist() == [holding[gram] for gram in sorted(holding)]
    assert counts.phrases().tolist() == [
        without[gram] if 2 * without[gram] >= holding[gram] else 0 for gram in sorted(holding)
    ]
