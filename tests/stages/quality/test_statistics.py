"""Surface statistics against a slow reading of the same rules, and what must not matter to them."""

from __future__ import annotations

import math
import re
import textwrap
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifiers.prior import STATISTICS, load_prior, unscaled_stop_words
from classifiers.report_card import auc, auc_among_like_length
from pipeline.text_buffers import text_buffers
from stages.quality.fit_prior import cross_validate, read_lines
from stages.quality.report import prior_scores
from stages.quality.statistics import WINDOW, text_statistics

PLAIN = unscaled_stop_words()
ENGLISH = set(PLAIN.words[PLAIN.languages.index("en")])
PROSE = (
    "The harbour lies behind a long wall of stone, and in winter the boats are pulled up on"
    " the beach. Nobody remembers who built the wall. It was there before the church, and the"
    " church is six hundred years old."
)


def measured(texts: list[str], languages: list[str | None] | None = None) -> np.ndarray:
    given = languages or ["en"] * len(texts)
    return text_statistics(pa.array(texts, pa.large_string()), given, PLAIN)


def slow_statistics(text: str) -> dict[str, float]:
    """ASCII text with no line between 50 and 100 characters, by regular expressions."""
    words = [w.replace("'", "").lower() for w in re.findall(r"[A-Za-z0-9][A-Za-z0-9']*", text)]
    lines = [line for line in re.split("\n", text) if line.split()]
    bare = ["".join(line.split()) for line in lines]
    seen: set[str] = set()
    repeated = 0
    for line in bare:
        repeated += len(line) if line in seen else 0
        seen.add(line)
    solid = "".join(text.split())
    letters = [c for c in solid if c.isalpha()]
    ends = len(re.findall(r"[.!?](?=[\s\"')\]]|$)", text))
    stripped = [re.sub(r"(?<=.)[\"')\]]+$", "", line) for line in bare]
    windows = [words[i : i + WINDOW] for i in range(0, len(words), WINDOW)]
    symbols = [c for c in solid if not c.isalnum() and c not in ".,;:!?'\"()-"]
    w, n, k = max(len(words), 1), max(len(lines), 1), max(len(solid), 1)
    return {
        "log_words_per_line": math.log1p(len(words) / n),
        "log_words_per_sentence": math.log1p(min(len(words) / max(ends, 1), 200)),
        "stop_word_share": sum(word in ENGLISH for word in words) / w,
        "finished_line_share": sum(line[-1] in ".!?" for line in stripped) / n,
        "short_line_share": sum(len(line) <= 30 for line in lines) / n,
        "repeated_line_share": repeated / k,
        "distinct_word_share": sum(len(set(window)) for window in windows) / w,
        "symbol_share": len(symbols) / k,
        "digit_share": sum(c.isdigit() for c in solid) / k,
        "upper_case_share": sum(c.isupper() for c in letters) / max(len(letters), 1),
        "mean_word_length": sum(map(len, words)) / w,
        "commas_per_word": sum(c in ",;" for c in text) / w,
        "exclamations_per_word": text.count("!") / w,
    }


WORDS = """the The of and isn't harbour X 42 a+b end. so! "Yes." why? one, (two) # don't; ..."""
LINE = st.lists(st.sampled_from(WORDS.split()), max_size=9).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(LINE, max_size=12).map("\n".join), min_size=1, max_size=4))
def test_statistics_are_those_of_the_slow_reading(texts: list[str]) -> None:
    texts = ["\n".join(line[:49].rstrip() for line in text.split("\n")) for text in texts]
    found = measured(texts)
    for row, text in zip(found, texts, strict=True):
        expected = slow_statistics(text)
        for name, value in zip(STATISTICS, row, strict=True):
            assert value == pytest.approx(expected[name]), (name, text)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=80), min_size=1, max_size=6), st.data())
def test_a_document_is_measured_alone(texts: list[str], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(texts) - 1))
    together = measured(texts, [None] * len(texts))[index]
    alone = measured([texts[index]], [None])[0]
    assert np.isfinite(together).all()
    np.testing.assert_array_equal(together, alone)


def test_slices_chunks_and_nulls_are_read_as_they_stand() -> None:
    texts = ["first.", None, "second, longer text!", "third"]
    whole = pa.array(texts, pa.large_string())
    data, offsets = text_buffers(whole.slice(2, 2))
    assert bytes(data[offsets[0] : offsets[1]]).decode() == "second, longer text!"
    chunked = pa.chunked_array([whole.slice(0, 1), whole.slice(1)])
    np.testing.assert_array_equal(
        text_statistics(chunked, ["en"] * 4, PLAIN), measured(["first.", "", *texts[2:]])
    )


def test_wrapping_a_paragraph_changes_nothing_but_little() -> None:
    paragraphs = "\n\n".join([PROSE, PROSE.replace("stone", "granite")])
    wrapped = "\n\n".join(textwrap.fill(p, 72) for p in paragraphs.split("\n\n"))
    plain, broken = prior_scores(pa.chunked_array([[paragraphs, wrapped]]), ["en", "en"])
    assert abs(plain - broken) < 0.03


def test_one_line_a_word_is_not_prose() -> None:
    menu = "\n".join(PROSE.split())
    good, bad = prior_scores(pa.chunked_array([[PROSE, menu]]), ["en", "en"])
    assert good > bad + 0.3


def test_a_language_without_a_list_is_neither_helped_nor_hurt() -> None:
    column = STATISTICS.index("stop_word_share")
    known, unknown, unsaid = measured([PROSE] * 3, ["en", "eu", None])
    assert np.isnan(unknown[column])
    assert known[column] == unsaid[column] > 0.3


def test_parallel_texts_score_alike(shared_data: Path) -> None:
    """The same declaration in 20 languages: none may look like junk beside English."""
    codes = {"eng": "en", "deu_1996": "de", "fra": "fr", "spa": "es", "rus": "ru", "pol": "pl",
             "fin": "fi", "tur": "tr", "hin": "hi", "arb": "ar"}  # fmt: skip
    records = read_lines(shared_data / "research_only" / "langid" / "udhr.jsonl.gz")
    texts = {codes[r["code"]]: r["text"] for r in records if r["code"] in codes}
    names = sorted(texts)
    scores = dict(zip(names, prior_scores(
        pa.chunked_array([[texts[n] for n in names]]), names), strict=True))  # fmt: skip
    assert len(scores) >= 9
    assert max(abs(score - scores["en"]) for score in scores.values()) < 0.2, scores


def test_the_fit_beats_length_on_human_labels(shared_data: Path) -> None:
    """The labels are contested ones (majority, not unanimous), so AUC stays far from 1."""
    records = read_lines(shared_data / "open" / "quality" / "dclm_human_majority_only.jsonl.gz")
    texts = [str(record["text"]) for record in records]
    labels = np.array([int(record["label"]) for record in records])
    lengths = np.array([len(text) for text in texts], np.float64)
    prior = load_prior()
    statistics = text_statistics(
        pa.array(texts, pa.large_string()), ["en"] * len(texts), prior.stop_words
    )
    found = cross_validate(statistics, labels, lengths, prior.fit["regularisation_c"])
    assert found["auc"] == pytest.approx(prior.fit["auc"], abs=0.01)
    assert found["auc"] > auc(labels, lengths) + 0.04
    assert found["auc_among_like_length"] > auc_among_like_length(labels, lengths, lengths) + 0.15
