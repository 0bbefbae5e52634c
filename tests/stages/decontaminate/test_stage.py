"""The stage as a recipe sees it: annotations, verdicts, proof, and what it leaves alone."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from manifests.schema import KEEP
from pipeline.stage import split_config
from stages.decontaminate.stage import Decontaminate, DecontaminateConfig
from tests.stages.decontaminate.running import Running, write_lines

QUESTION = (
    "A gardener plants 14 rows of tulips with 23 bulbs each, then digs up 9 bulbs that a mole has"
    " eaten. How many bulbs are left in the garden?"
)
NOISE = "The weather was mild that week and nobody in the village thought of winter yet. " * 20


def records_of(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def gardens(tmp_path_factory: pytest.TempPathFactory) -> Running:
    folder = tmp_path_factory.mktemp("gardens")
    path = write_lines(
        folder / "garden.jsonl",
        [{"q": QUESTION, "a": "313"}, {"q": "Who digs holes in lawns at night?", "a": "A mole."}],
    )
    return Running(folder, benchmarks={"garden": {"path": path, "question": "q", "answer": "a"}})


def test_a_match_shows_both_texts(gardens: Running) -> None:
    text = f"Ä {NOISE}Überschrift: {QUESTION.upper()} Nobody knew."
    (match,) = [m for m in gardens.matches(text) if m["sequence"] == "question"]
    start, end = match["start"], match["end"]
    assert text[start:end] + "?" == QUESTION.upper()
    assert QUESTION[match["item_start"] : match["item_end"]] == match["item_text"]
    assert match["item_text"] + "?" == QUESTION
    assert (match["benchmark"], match["item"]) == ("garden", "0")
    assert match["lcs"] == match["item_words"] == 29
    assert match["ngram_hits"] == 29 - 13 + 1
    assert match["ratio"] == 1.0


def test_verdicts_are_the_rule(gardens: Running) -> None:
    words = QUESTION.split()
    changed = [
        word if index < 14 else f"other{index}" for index, word in enumerate(words)
    ]  # 14 of 29 words, in a row: the gate opens, the ratio is too low
    texts = [NOISE, NOISE + QUESTION, NOISE + " ".join(changed), " ".join(words[3:16])]
    annotations = gardens.annotate(texts)
    verdicts = gardens.stage.decide(annotations)
    contaminated = "contaminated.garden"
    # The last document is a fragment of 13 words: all of the shorter of the two texts.
    assert verdicts.verdict.to_pylist() == [KEEP, contaminated, KEEP, contaminated]
    assert verdicts.score.to_pylist() == [None, 1.0, 0.4828, 1.0]
    assert verdicts.threshold.to_pylist() == [None, 0.6, 0.6, 0.6]
    assert annotations["best_ratio"].to_pylist() == pytest.approx([None, 1.0, 14 / 29, 1.0])
    assert annotations["best_lcs"].to_pylist() == [None, 29, 14, 13]
    assert annotations["benchmark"].to_pylist() == [None, "garden", "garden", "garden"]

    def verdicts_with(**thresholds: float) -> list[str]:
        config = gardens.stage.config.model_copy(update=thresholds)
        decided: list[str] = Decontaminate(config).decide(annotations).verdict.to_pylist()
        return decided

    assert verdicts_with(min_ratio=0.48) == [KEEP, contaminated, contaminated, contaminated]
    assert verdicts_with(min_lcs=14) == [KEEP, contaminated, KEEP, KEEP]
    strict = Decontaminate(gardens.stage.config.model_copy(update={"min_lcs": 14}))
    assert strict.decide(annotations).score[3].as_py() == 13
    assert strict.decide(annotations).threshold[3].as_py() == 14


def test_thresholds_measure_nothing_again() -> None:
    measured, decided = split_config(DecontaminateConfig())
    limits = {"common_ngram_min_documents", "common_ngram_min_share"}
    assert set(decided) == {"min_lcs", "min_ratio"} | limits
    assert set(measured) == {
        *("benchmarks", "mode", "short_words", "common_ngram_min_items", "action")
    }


def test_short_items_match_whole(gardens: Running) -> None:
    short = "Who digs holes in lawns at night?"
    assert gardens.reasons([f"{NOISE}{short} Not me.", "Who digs holes in lawns at noon?"]) == [
        "contaminated.garden",
        KEEP,
    ]


def test_hardened_mode_finds_edited_copies(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "g.jsonl", [{"question": QUESTION, "answer": "x"}])
    words = QUESTION.split()
    words[9], words[19] = "onions", "worm"
    edited = NOISE + " ".join(words)
    for mode, expected in (("paper", KEEP), ("hardened", "contaminated.gsm8k")):
        running = Running(tmp_path / mode, benchmarks={"gsm8k": {"path": path}}, mode=mode)
        assert running.reasons([edited]) == [expected]


def test_no_benchmarks(tmp_path: Path) -> None:
    running = Running(tmp_path)
    assert running.reasons([QUESTION, ""]) == [KEEP, KEEP]
    assert running.annotate([]).num_rows == 0
    assert running.stage.decide(running.annotate([])).verdict.to_pylist() == []


def test_batches_do_not_matter(gardens: Running) -> None:
    texts = [NOISE, QUESTION, "", NOISE + QUESTION, "Who digs holes in lawns at night?"] * 3
    whole = gardens.annotate(texts)
    for size in (1, 4):
        for at in range(0, len(texts), size):
            assert gardens.annotate(texts[at : at + size]).equals(whole.slice(at, size))
    assert (
        gardens.stage.decide(whole.slice(3, 2)).verdict
        == gardens.stage.decide(gardens.annotate(texts[3:5])).verdict
    )


def test_the_record_says_what_was_used(gardens: Running) -> None:
    assert gardens.artefacts is not None
    record = gardens.artefacts.record
    garden = record["benchmarks"]["garden"]
    assert (garden["items"], garden["sequences"]) == (2, 4)
    assert len(garden["sha256"]) == 64
    assert record["n_grams"] == 29 - 13 + 1 + 1  # of the question, one more with its answer
    assert record["sequences_matched_whole"] == 2


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"benchmarks": {"unheard": {"path": "x"}}}, "no ready definition of a benchmark"),
        ({"benchmarks": {"a b": {"path": "x", "question": "q"}}}, "Rename it"),
        ({"min_ratio": 0.1}, "greater than or equal to 0.4"),
    ],
)
def test_configs_that_cannot_be(config: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        DecontaminateConfig(**config)


def full_width(text: str) -> str:
    return text.translate({i: i + 0xFEE0 for i in range(0x21, 0x7F)})


@pytest.mark.parametrize("mode", ["paper", "hardened"])
def test_planted_programs_are_found_in_every_dress(
    shared_data: Path, tmp_path: Path, mode: str
) -> None:
    path = shared_data / "open" / "benchmarks" / "HumanEval.jsonl.gz"
    running = Running(tmp_path, benchmarks={"humaneval": {"path": str(path)}}, mode=mode)
    problems = [record["prompt"] + record["canonical_solution"] for record in records_of(path)]
    assert len(problems) == 164
    for dress in (
        str,
        str.upper,
        full_width,
        lambda text: json.dumps({"content": text}),
        lambda text: "\n".join(text.split()),
        lambda text: " ".join(text.split()),
    ):
        texts = [f"{NOISE}\n{dress(problem)}\n{NOISE}" for problem in problems]
        assert Counter(running.reasons(texts)) == {"contaminated.humaneval": 164}
    whole = [match for match in running.matches(NOISE + problems[7]) if match["ratio"] == 1]
    assert {(match["item"], match["sequence"]) for match in whole} >= {
        ("HumanEval/7", "prompt"),
        ("HumanEval/7", "prompt_solution"),
    }


def test_train_questions_are_not_test_questions(shared_data: Path, tmp_path: Path) -> None:
    """Near-copies only: 4 of 7,473 in paper mode and 6 in hardened mode."""
    folder = shared_data / "open" / "benchmarks"
    benchmark = {"gsm8k": {"path": str(folder / "gsm8k_test.jsonl.gz")}}
    questions = [record["question"] for record in records_of(folder / "gsm8k_train.jsonl.gz")]
    for mode, removed in (("paper", 4), ("hardened", 6)):
        running = Running(tmp_path / mode, benchmarks=benchmark, mode=mode)
        assert Counter(running.reasons(questions))["contaminated.gsm8k"] == removed
    found = running.reasons(
        [record["question"] for record in records_of(folder / "gsm8k_test.jsonl.gz")]
    )
    assert Counter(found) == {"contaminated.gsm8k": 1319}


def test_clean_documents_stay(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "open" / "benchmarks"
    names = {
        "arc_challenge": "arc_challenge",
        "gsm8k": "gsm8k_test",
        "humaneval": "HumanEval",
        "math": "math500",
        "mbpp": "mbpp",
    }
    running = Running(
        tmp_path,
        mode="hardened",
        benchmarks={
            name: {"path": str(folder / f"{file}.jsonl.gz")} for name, file in names.items()
        },
    )
    with gzip.open(shared_data / "open/web/wikitext2_valid.txt.gz", "rt") as stream:
        words = stream.read().split()
    slices = [" ".join(words[4096 * i : 4096 * (i + 1)]) for i in range(20)]
    pages = [
        record["text"] for record in records_of(shared_data / "open/web/dolma_cc_en_head.jsonl.gz")
    ]
    pages += [
        r["text"] for r in records_of(shared_data / "open/neardup/extractor_clusters.jsonl.gz")
    ]
    assert Counter(running.reasons(slices + pages)) == {KEEP: len(slices + pages)}
