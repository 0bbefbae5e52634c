"""Words and marks against spaCy, and in scripts that spaCy's English does not know."""

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.heuristics.characters import PUNCTUATION, TERMINAL, character_flags
from stages.heuristics.words import abbreviation_hashes, find_words, unit_hashes


def words_of(text: str) -> list[str]:
    codes = np.array([ord(c) for c in text], np.int32)
    flags = character_flags()[np.minimum(codes, 0xFFFF)]
    starts, ends, room = (np.zeros(len(text) + 1, np.int32) for _ in range(3))
    count = find_words(
        codes, flags, len(text), abbreviation_hashes(), unit_hashes(), starts, ends, room
    )
    return [text[a:b] for a, b in zip(starts[:count], ends[:count], strict=True)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't go, he said.", "Do n't go , he said ."),
        ("We've seen Mr. Smith's car (twice)!", "We 've seen Mr. Smith 's car ( twice ) !"),
        ("It cost $5.50, or 50% more...", "It cost $ 5.50 , or 50 % more ..."),
        ("a well-known e.g. 10km run", "a well - known e.g. 10 km run"),
        ("see https://a.org/b?c=1, or me@a.org.", "see https://a.org/b?c=1 , or me@a.org ."),
        ("the U.S. is 3-4 and/or U.N.", "the U.S. is 3 - 4 and / or U.N."),
        ("“Quoted” \u2013 text—here", "“ Quoted ” \u2013 text — here"),
        ("中文 字", "中 文 字"),
        ("ภาษาไทย", "ภ า ษ า ไ ท ย"),
        ("", ""),
    ],
)
def test_examples(text: str, words: str) -> None:
    assert words_of(text) == words.split()


@settings(deadline=None)  # the first call compiles
@given(st.text(max_size=200))
def test_words_cover_everything_but_white_space(text: str) -> None:
    found = words_of(text)
    assert "".join(found) == "".join(text.split())
    assert all(found)


def test_real_web_pages_split_as_spacy_splits_them(shared_data: Path) -> None:
    spacy = pytest.importorskip("spacy", reason="spaCy is an extra: pip install tamis[bench]")
    tokenizer = spacy.blank("en").tokenizer
    with gzip.open(shared_data / "open/web/dolma_cc_en_head.jsonl.gz", "rt") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    different = total = 0
    for text in texts:
        theirs = Counter(t for token in tokenizer(text) if (t := token.text.strip()))
        ours = Counter(words_of(text))
        different += (theirs - ours).total() + (ours - theirs).total()
        total += theirs.total()
    assert different <= 0.01 * total


def test_classes_agree_with_datatrove() -> None:
    text = pytest.importorskip("datatrove.utils.text")
    flags = character_flags()
    ends = {chr(code) for code in np.flatnonzero(flags & TERMINAL)}
    assert ends == {c for c in text.TERMINAL_PUNCTUATION if ord(c) < 0x10000}
    marks = {chr(code) for code in np.flatnonzero(flags & PUNCTUATION)}
    # Digit one in full width, a ratio sign and the like: slips and rarities of its list.
    assert len({c for c in text.PUNCTUATION_SET if ord(c) < 0x10000} - marks - ends) <= 6
