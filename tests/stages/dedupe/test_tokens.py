"""Normalisation: what a text is compared as."""

from __future__ import annotations

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.text_buffers import text_buffers
from stages.dedupe.characters import CHARACTER, DIGIT, folded
from stages.dedupe.hashing import hash_words
from stages.dedupe.letters import letter_of, mix
from stages.dedupe.shingles import jaccard, shingle_sets
from stages.dedupe.tokens import token_tables, tokenize
from tests.stages.dedupe import oracle

BLOCKS = [
    (0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x30F), (0x370, 0x4FF), (0x5D0, 0x6FF), (0x900, 0x97F),
    (0xE01, 0xE5B), (0x1E00, 0x20CF), (0x2100, 0x218F), (0x3041, 0x30FF), (0x4E00, 0x4E40),
    (0xAC00, 0xAC40), (0xFB00, 0xFB06), (0xFE00, 0xFE0F), (0xFF01, 0xFF9F), (0x1F600, 0x1F610),
    (0x20000, 0x20010),
]  # fmt: skip


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Texts of many scripts, in NFC, without tags and entities."""
    character = st.one_of([st.characters(min_codepoint=a, max_codepoint=b) for a, b in BLOCKS])
    text = draw(st.text(st.one_of(character, st.sampled_from("ab 12.,")), max_size=60))
    return unicodedata.normalize("NFC", text.replace("<", " ").replace("&", " "))


def hashes(text: str) -> list[int]:
    data, offsets = text_buffers(pa.array([text], pa.large_string()))
    found, count = tokenize(
        data, int(offsets[0]), int(offsets[1]), token_tables(), np.empty(1, np.uint64)
    )
    return [int(token) for token in found[:count]]


def expected(text: str) -> list[int]:
    result = []
    for word, alone in oracle.tokens(text):
        entries = [ord(c) | (DIGIT if unicodedata.category(c) == "Nd" else 0) for c in word]
        letters = [int(letter_of(np.uint32(e | (CHARACTER if alone else 0)))) for e in entries]
        state = 0
        for letter in letters:
            state = ((state << 5 | state >> 59) + letter) & (1 << 64) - 1
        raw = state & ~3 | (letters[0] & 1) << 1 | alone
        result.append(int(mix(np.uint64(raw))) & ~3 | raw & 3)
    return result


def test_numbers_are_marked() -> None:
    assert [token & 2 for token in hashes("1 a 2b b2 ３ x٣ ٣ 今 ๓")] == [2, 0, 2, 0, 2, 0, 2, 0, 2]


@given(texts())
@settings(max_examples=400, deadline=None)
def test_tokens_are_those_of_the_definition(text: str) -> None:
    assert hashes(text) == expected(text)


@given(texts())
@settings(max_examples=200, deadline=None)
def test_folding_each_character_folds_the_text(text: str) -> None:
    """But for marks that stand in an order that no NFC text of a living language has."""
    plain = "".join(c for c in text if unicodedata.category(c)[0] != "M" and len(folded(c)) == 1)
    assert "".join(map(folded, plain)) == folded(plain)


@given(texts(), texts())
@settings(max_examples=100, deadline=None)
def test_jaccard_is_that_of_sets_of_shingles(left: str, right: str) -> None:
    joined = [left + right, right]
    sets, bounds = shingle_sets(pa.array(joined, pa.large_string()), 5, 8)
    found = jaccard(sets[: bounds[1]], sets[bounds[1] :])
    assert found == pytest.approx(oracle.jaccard(*joined))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Hello, World!", "hello world"),
        ("Straße", "STRASSE"),
        ("ﬁne Ⅳ ①", "fine iv 1"),
        ("\uff26\uff35\uff2c\uff2c width", "full width"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("ｶﾞﾗｽ", "ガラス"),
        ("café", "CAFÉ"),
        ("a\u200bb so\u00adft", "ab soft"),
        ("العـــربية", "العربية"),
        ("<p>one <b class='x'>two</b><br/>three</p>", "one two three"),
        ("**one** _two_ # three", "one two three"),
        ("one&nbsp;two&#8212;three", "one two three"),
    ],
)
def test_case_width_punctuation_and_markup_do_not_matter(left: str, right: str) -> None:
    assert hashes(left) == hashes(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("at 15 degrees", "at 16 degrees"),
        ("x² of 3", "x² of 4"),
        ("١٢", "١٣"),
        ("resume", "résumé"),
        ("the cat", "thecat"),
        ("if a<n", "if a"),
        ("vector<int>", "vector<double>"),
        ("x < p and q > r", "x r"),
        ("我们", "他们"),
    ],
)
def test_numbers_words_and_operators_matter(left: str, right: str) -> None:
    assert hashes(left) != hashes(right)


def test_texts_cut_in_the_middle_of_a_character_or_tag_are_read() -> None:
    assert len(hashes("<b")) == 1
    assert len(hashes("x <a href=")) == 3
    assert hashes("&") == hashes("<") == hashes("") == []
    assert len(hashes("&amp")) == 1


def test_slices_of_a_column_are_read_where_they_are() -> None:
    column = pa.chunked_array([pa.array(["zero", "one", "two"]), pa.array(["three", None])])
    sliced, _ = hash_words(column.slice(1, 3))
    alone = [hash_words(pa.array([word]))[0][0].tolist() for word in ("one", "two", "three")]
    assert sliced.tolist() == alone
    with pytest.raises(ValueError, match="null rows"):  # documents have none
        hash_words(column.slice(4, 1))


def test_no_two_words_of_a_large_vocabulary_collide() -> None:
    words = [f"{a}{n}" for a in ("w", "é", "на") for n in range(20_000)]
    found, _ = hash_words(pa.array(words, pa.large_string()))
    assert len(np.unique(found[:, 0])) == len(words)
    assert len(np.unique(found[:, 1])) == len(words)
