"""The strict test: a benchmark item is contained when 13 of its words in a row stand in a text."""

import json
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.decontaminate.benchmark import BenchmarkConfig, Sequence, read_sequences
from stages.decontaminate.contained import SHORTEST, STRICT_N, ContainedItems

WORDS = st.sampled_from(["ant", "bee", "cow", "Dog,", "(eel)", "日"])
TEXT = st.lists(WORDS, max_size=40)


def plain(words: list[str]) -> list[str]:
    return [word.strip(",()").lower() for word in words]


def runs(words: list[str], n: int) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


def item(number: int, words: list[str], name: str = "question") -> Sequence:
    return Sequence("b", str(number), name, " ".join(words))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6),
    st.lists(TEXT, max_size=6),
    st.integers(0, 6),
)
def test_it_finds_what_brute_force_finds(
    items: list[tuple[list[str], list[str]]], texts: list[list[str]], cut: int
) -> None:
    looking = ContainedItems(
        [
            item(number, words, name)
            for number, two in enumerate(items)
            for name, words in zip(("question", "solution"), two, strict=True)
        ]
    )
    found = set()
    for batch in (texts[:cut], texts[cut:]):
        column = pa.array([" ".join(words) for words in batch], pa.large_string())
        for finding in looking.look(column):
            assert finding.item not in found
            found.add(finding.item)
            assert finding.text in column[finding.row].as_py()
    for number, (one, other) in enumerate(items):
        longest = max(len(one), len(other))
        n = min(STRICT_N, longest)
        assert looking.items[number].words == (n if longest >= SHORTEST else 0)
        wanted = runs(plain(one), n) | runs(plain(other), n)
        held = any(wanted & runs(plain(words), n) for words in texts)
        assert (number in found) == (held and longest >= SHORTEST)


def test_the_first_place_of_the_first_text_is_told() -> None:
    words = [f"w{n}" for n in range(20)]
    looking = ContainedItems([item(0, words)])
    texts = ["nothing", f"x {' '.join(words[2:])} y", " ".join(words)]
    (finding,) = looking.look(pa.chunked_array([texts[:1], texts[1:]]))
    assert (finding.row, finding.text) == (1, " ".join(words[2:15]))
    assert looking.look(pa.array(texts)) == []


def test_an_ngram_does_not_reach_over_two_texts() -> None:
    words = [f"w{n}" for n in range(13)]
    looking = ContainedItems([item(0, words), item(1, ["a", "b", "c", "d", "e"])])
    assert looking.look(pa.array([" ".join(words[:6]), " ".join(words[6:]), "a b c", "d e"])) == []
    assert looking.look(pa.array([], pa.large_string())) == []
    assert ContainedItems([]).look(pa.array([" ".join(words)])) == []


def test_items_of_the_same_words_are_all_told() -> None:
    words = [f"w{n}" for n in range(14)]
    looking = ContainedItems([item(0, words), item(1, words), item(2, ["x", *words[1:]])])
    assert [found.item for found in looking.look(pa.array([" ".join(words)]))] == [0, 1, 2]


def test_real_questions_are_found_in_any_dress(shared_data: Path) -> None:
    path = shared_data / "open/benchmarks/gsm8k_test.jsonl.gz"
    sequences, items = read_sequences("gsm8k", path, BenchmarkConfig(path=str(path)))
    looking = ContainedItems(sequences)
    assert len(looking.items) == items
    questions = [one.text for one in sequences if one.name == "question"][:200]
    dressed = [f"Page {n}. {text.upper()}".replace(" ", "\n") for n, text in enumerate(questions)]
    dressed = [json.dumps({"text": text}) for text in dressed]
    found = {finding.item for finding in looking.look(pa.array(dressed))}
    assert set(range(200)) <= found
    assert len(found) < 210  # a few questions share 13 words with another
