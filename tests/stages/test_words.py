"""Words against a slow oracle made of Python's own normalisation, and their offsets."""

import gzip
import json
import os
import re
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.text_buffers import text_buffers
from stages.words import alphabet, hash_words, scan_words, word_capacity

_SPACELESS = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "BOPOMOFO")


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    """Compiles before hypothesis looks at the clock."""
    hash_words(pa.array(["a"]))


def normal_form(text: str) -> str:
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())


def is_hidden(character: str) -> bool:
    name = unicodedata.name(character, "")
    return (unicodedata.category(character) == "Cf" and character != "\u200b") or name.startswith(
        "VARIATION SELECTOR"
    )


def oracle(text: str) -> list[str]:
    """Words by the definition, one character after another."""
    found: list[str] = []
    joins = False  # whether a letter may go on with the last word
    marks = False  # whether a mark may
    for character in normal_form("".join(c for c in text if not is_hidden(c))):
        if is_hidden(character):
            continue
        kind = unicodedata.category(character)[0]
        single = kind == "L" and unicodedata.name(character, "").startswith(_SPACELESS)
        if kind == "M":
            if marks:
                found[-1] += character
            continue
        if kind not in "LN":
            joins = marks = False
            continue
        if joins and not single:
            found[-1] += character
        else:
            found.append(character)
        joins = not single
        marks = True
    return found


def hashes_of(*texts: str) -> list[list[int]]:
    words = hash_words(pa.array(texts, pa.large_string()))
    return [
        words.hashes[a:b].tolist() for a, b in zip(words.offsets, words.offsets[1:], strict=False)
    ]


def as_words(text: str) -> list[str]:
    """The pieces of a text that the scanner's offsets cut out."""
    words = hash_words(pa.array([text], pa.large_string()))
    data = text.encode()
    return [data[a:b].decode() for a, b in zip(words.starts, words.ends, strict=True)]


def hash_of_word(word: str) -> int:
    state = 0xCBF29CE484222325
    for character in word:
        if unicodedata.category(character).startswith("M"):
            state = (state + mixed(ord(character))) % 2**64
        else:
            state = (state ^ ord(character)) * 0x100000001B3 % 2**64
    return mixed(state)


def mixed(state: int) -> int:
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        state ^= state >> 33
        state = state * multiplier % 2**64
    return state ^ state >> 33


def assigned_in_unicode_14(text: str) -> bool:
    table = alphabet()
    return all(
        unicodedata.category(c) not in ("Cn", "Cs", "Co")
        or table.entries[int(table.pages[ord(c) >> 8]) * 256 + ord(c) % 256] != 0
        for c in text
    )


def full_width(text: str) -> str:
    return text.translate({i: i + 0xFEE0 for i in range(0x21, 0x7F)} | {0x20: 0x3000})


letters = st.sampled_from(
    list("aZé ßİǅ.,'_-+=0²½①…\n\t\u00a0\u200b\u00ad\u200d\u0131\u017fﬁﷺ㎏℃ｶﾞガが日本語中")
    + list("ไทยกำ한국어עבְ\u0301\u0327\ufe0f😀" + full_width("AB19"))
)


@given(st.text(letters, max_size=60))
@example("")
@example("\u0301a\u0301b")
@example(full_width("Human Eval, 123"))
@example("soft\u00adhyphen zero\u200bwidth")
def test_words_are_those_of_the_definition(text: str) -> None:
    text = unicodedata.normalize("NFC", text)
    assert hashes_of(text) == [[hash_of_word(word) for word in oracle(text)]]


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Co", "Cn")), max_size=80))
def test_any_text(text: str) -> None:
    text = unicodedata.normalize("NFC", text.replace("\\", "/"))
    text = "".join(c for c in text if assigned_in_unicode_14(c))
    # Marks in an order that is not canonical can arise only from exotic compatibility characters.
    if all(normal_form(c) == c or len(normal_form(c)) == 1 for c in text):
        expected = oracle(text)
        if not any(_OTHER_SPACELESS.match(unicodedata.name(c, "")) for c in text):
            assert hashes_of(text) == [[hash_of_word(word) for word in expected]]


_OTHER_SPACELESS = re.compile(
    "AHOM|BALINESE|HENTAIGANA|JAVANESE|KHITAN|LEPCHA|NEW TAI|NUSHU|TAI |TANGUT|YI "
)


def test_words_of_a_sentence() -> None:
    text = "Janet\u2019s ducks lay 3.5 eggs; has_close_elements(x)"
    assert as_words(text) == [
        *("Janet", "s", "ducks", "lay", "3", "5", "eggs", "has", "close", "elements", "x")
    ]


def test_dress_does_not_matter() -> None:
    plain, *others = hashes_of(
        "Straße 12 finden",
        "STRASSE 12 FINDEN",
        full_width("Straße 12 \ufb01nden"),
        "**Straße**\n12\n> finden!",
    )
    assert len(plain) == 3
    assert all(other == plain for other in others)


def test_escapes_separate_words() -> None:
    text = "def f():\n\treturn 'caf\u00e9, ok\u2019s'  # nothing\r\nto see"
    assert hashes_of(json.dumps(text, ensure_ascii=False)) == hashes_of(text)
    assert as_words(r"it\u2019s") == ["it", "s"]
    assert as_words(r"it\u20 is\n") == ["it", "u20", "is"]
    assert as_words("\\") == []


def test_latex_is_not_escaped() -> None:
    text = r"\theta \neq \nu \right) \times \frac{1}{2} \tan x \to \infty"
    assert as_words(text) == (
        ["theta", "neq", "nu", "right", "times", "frac", "1", "2", "tan", "x", "to", "infty"]
    )
    assert hashes_of(json.dumps(text)) == hashes_of(text)


def test_numbers_stay_numbers() -> None:
    first, second = hashes_of("pay 12 dollars", "pay 13 dollars")
    assert first != second


def test_scripts_without_spaces_go_by_character() -> None:
    assert as_words("日本語のテスト") == list("日本語のテスト")
    assert as_words("GPT模型ok") == ["GPT", "模", "型", "ok"]
    assert hashes_of("ｶﾞ")[0] == hashes_of("ガ")[0]


def test_rows_do_not_depend_on_each_other() -> None:
    texts = ["alpha beta", "", "ガ日", "...", "gamma"]
    assert hashes_of(*texts) == [hashes_of(text)[0] for text in texts]
    column = pa.chunked_array([pa.array(texts[:2]), pa.array(texts[2:])])
    sliced = pa.array(["x y", *texts, "z"], pa.large_string()).slice(1, 5)
    expected = [value for hashes in hashes_of(*texts) for value in hashes]
    for same in (column, sliced):
        words = hash_words(same)
        assert words.hashes.tolist() == expected
    assert hash_words(pa.array([], pa.large_string())).offsets.tolist() == [0]


def test_null_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="null rows"):
        text_buffers(pa.array(["a", None]))


def test_capacity_holds_the_wordiest_text() -> None:
    table = alphabet()
    nothing = np.zeros(0, np.int64)
    for text in ("a b " * 100, "ﷺ" * 100, "日" * 100, "⑴" * 100, "½" * 100):
        data = np.frombuffer(text.encode(), np.uint8)
        room = np.zeros(word_capacity(len(data)), np.uint64)
        count = scan_words(data, 0, len(data), table, room, nothing, nothing)
        assert count == len(oracle(text)) <= len(room)


def test_real_texts_in_many_languages() -> None:
    root = Path(os.environ.get("TAMIS_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
    path = root / "open/langid/wikimedia_short_texts.jsonl.gz"
    if not path.exists():
        pytest.skip(f"no shared data at {root}; set TAMIS_SHARED_DATA")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = [unicodedata.normalize("NFC", json.loads(line)["text"]) for line in lines]
    assert len(texts) > 30
    for text, hashes in zip(texts, hashes_of(*texts), strict=True):
        assert hashes == [hash_of_word(word) for word in oracle(text)]
