"""Statistics against plain definitions, on real pages and on anything hypothesis thinks of."""

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.heuristics.characters import TERMINAL, character_flags
from stages.heuristics.statistics import READ_BYTES, STATISTICS, measure
from tests.stages.heuristics.oracle import line_statistics, repeated_gram_characters, top_gram
from tests.stages.heuristics.test_words import words_of

ENDS = frozenset(chr(code) for code in np.flatnonzero(character_flags() & TERMINAL))
PLACES = {name: place for place, name in enumerate(STATISTICS)}

# Characters of Unicode 3.2's basic plane, where Python's tables and ours are the same.
LETTERS = st.sampled_from("ab A.b!\n\n\n -•…'\"#{}\t\x85\u2028é中ไ।؟\ufffd😀,1\r")


def statistics_of(*texts: str) -> list[dict[str, float]]:
    found = measure(pa.array(texts, pa.large_string()))
    return [dict(zip(STATISTICS, row, strict=True)) for row in found]


@settings(deadline=None)  # the first call compiles
@given(st.one_of(st.text(LETTERS, min_size=1, max_size=120), st.text("ab \n", min_size=1)))
def test_lines_and_characters(text: str) -> None:
    [found] = statistics_of(text)
    for name, value in line_statistics(text, ENDS).items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.sampled_from(["a", "bb", "ccc", "dd"]), min_size=1, max_size=80))
def test_ngrams(words: list[str]) -> None:
    text = " ".join(words)
    [found] = statistics_of(text)
    for size in (2, 3, 4):
        assert found[f"top_{size}_gram"] == pytest.approx(top_gram(words, size) / len(text))
    for size in range(5, 11):
        expected = repeated_gram_characters(words, size) / len(text)
        assert found[f"dup_{size}_gram"] == pytest.approx(expected)


def test_real_pages(shared_data: Path) -> None:
    with gzip.open(shared_data / "open/web/datajuicer_domain_mix.jsonl.gz", "rt") as lines:
        texts = [json.loads(line)["text"] for line in lines][::12]
    for text, found in zip(texts, statistics_of(*texts), strict=True):
        for name, value in line_statistics(text, ENDS).items():
            assert found[name] == pytest.approx(value), name
        words = words_of(text)
        real = [w for w in words if any(c.isalnum() for c in w)]
        assert found["words"] == pytest.approx(len(real), rel=0.05)
        for size in (2, 3, 4):
            assert found[f"top_{size}_gram"] == pytest.approx(top_gram(words, size) / len(text))
        for size in (5, 10):
            expected = repeated_gram_characters(words, size) / len(text)
            assert found[f"dup_{size}_gram"] == pytest.approx(expected)


def test_examples() -> None:
    text = "The cat sat. It sat there!\nLorem ipsum is used here.\nUse of {braces} is seen here.\n"
    [found] = statistics_of(text)
    assert found["stop_words"] == 1  # "of"; "The" is not in small letters
    assert found["c4_lorem_ipsum"] == 1
    assert found["c4_curly_bracket"] == 1
    assert found["newlines_per_word"] == pytest.approx(3 / len(words_of(text)))


def test_texts_without_spaces_have_no_word_length() -> None:
    chinese = "人人生而自由,在尊严和权利上一律平等。" * 4
    english = "All human beings are born free and equal in dignity and rights. " * 4
    first, second = statistics_of(chinese, english)
    assert np.isnan(first["mean_word_length"])
    assert second["mean_word_length"] == pytest.approx(51 / 12)
    han = sum("\u4e00" <= c <= "\u9fff" for c in chinese)
    assert first["words"] == han / 2
    assert first["unspaced_share"] > 0.8
    assert second["unspaced_share"] == 0


def test_edges() -> None:
    empty, blank, mark, one = statistics_of("", " \n\n ", "!", "word")
    assert all(value == 0 for value in empty.values())
    assert blank["words"] == mark["words"] == 0
    assert np.isnan(mark["mean_word_length"])
    assert one["words"] == 1


def test_long_texts_are_measured_on_their_beginning() -> None:
    text = "word " * (READ_BYTES // 5 + 1000)
    [found] = statistics_of(text)
    assert found["characters"] == READ_BYTES
    assert found["words"] > 100_000


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.text(max_size=200), max_size=6))
def test_each_row_stands_alone(texts: list[str]) -> None:
    together = measure(pa.array(["padding", *texts], pa.large_string()).slice(1))
    apart = [measure(pa.array([text], pa.large_string()))[0] for text in texts]
    for row, alone in zip(together, apart, strict=True):
        np.testing.assert_array_equal(row, alone)
