"""The matcher against a brute-force one, written from the rule's words."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.text_buffers import text_buffers
from stages.decontaminate.benchmark import Sequence
from stages.decontaminate.index import Index, build_index, load_index, save_index
from stages.decontaminate.match import FLOOR_RATIO, MAX_MATCHES, Found, find_matches
from stages.decontaminate.window import MODES, Mode
from tests.stages.decontaminate.test_lcs import lcs_length

SHORT = 3
PLAIN, ALIGNED = MODES["paper"], MODES["hardened"]

Key = tuple[tuple[str, ...], int, int, int]


def index_of(items: list[str], n: int, common: int = 100, whole: int = 0) -> Index:
    sequences = [Sequence("b", str(i), "question", text) for i, text in enumerate(items)]
    return build_index(sequences, n, SHORT, common, whole)[0]


def found_in(texts: list[str], index: Index, mode: Mode = PLAIN) -> Found:
    return find_matches(*text_buffers(pa.array(texts, pa.large_string())), index, mode)


def places(item: list[str], gram: list[str]) -> list[int]:
    return [k for k in range(len(item)) if item[k : k + len(gram)] == gram]


def brute_force(
    document: list[str], gaps: list[str], items: list[list[str]], n: int, whole: int, mode: Mode
) -> Counter[Key]:
    """(words of the item, hits, lcs, shorter) of every match, by the rule as it is written down:
    ``gaps[i]`` is what stands before word i, the last one what ends the document."""
    found: Counter[Key] = Counter()
    for item in [list(words) for words in {tuple(item): None for item in items if item}]:
        size = len(item)
        if SHORT <= size < whole:
            for at in places(document, item):
                before = at == 0 or gaps[at].strip(" ,\t")
                after = at + size == len(document) or gaps[at + size].strip(" ,\t")
                if size >= 8 or (before and after):
                    found[tuple(item), 1, size, size] += 1
        if size < whole:
            continue
        grams = [item[k : k + n] for k in range(size - n + 1)]
        hits = [i for i in range(len(document)) if document[i : i + n] in grams]
        while hits:
            near = [hit for hit in hits if hit - hits[0] <= size]
            hits = hits[len(near) :]
            low, high = near[0] - size, near[-1] + n + size
            shorter = min(size, len(document))
            piece = item
            if mode.aligned:
                more = math.ceil(shorter / 8)
                begins = places(item, document[near[0] :][:n])
                ends = places(item, document[near[-1] :][:n])
                low, high = near[0] - begins[-1] - more, near[-1] - ends[0] + size + more
                rest = len(document) - near[-1]
                piece = item[max(0, begins[0] - near[0] - more) : ends[-1] + rest + more]
            length = lcs_length(document[max(0, low) : high], piece)
            if length >= FLOOR_RATIO * shorter:
                found[tuple(item), len(near), length, shorter] += 1
    return found


words = st.sampled_from(["a", "b", "c", "d", "e", "été", "7", "8"])
items_strategy = st.lists(st.lists(words, max_size=16), max_size=6)


@settings(deadline=None, max_examples=300)
@given(
    items_strategy,
    st.lists(st.tuples(st.lists(words, max_size=9), st.integers(0, 5)), max_size=6),
    st.lists(st.sampled_from([" ", "\n", ", ", ". ", " — "]), min_size=1, max_size=9),
    st.sampled_from([3, 4, 6]),
    st.sampled_from([6, 10]),
    st.sampled_from([PLAIN, ALIGNED]),
)
def test_matches_are_those_of_the_rule(
    items: list[list[str]],
    pieces: list[tuple[list[str], int]],
    separators: list[str],
    n: int,
    whole: int,
    mode: Mode,
) -> None:
    # A document of noise and items, put together with changing separators.
    document: list[str] = []
    for noise, which in pieces:
        document += noise + (items[which] if which < len(items) else [])
    gaps = [separators[i % len(separators)] for i in range(len(document))] + [""]
    text = "".join(gap + word for gap, word in zip(gaps, document, strict=False))
    index = index_of([" ".join(item) for item in items], n, whole=whole)
    counting = [item for item in items if any(not w.isdigit() for w in item)]
    found = found_in([text], index, mode)
    got: Counter[Key] = Counter()
    for k in range(len(found.row)):
        item = index.sequences["text"][int(found.sequence[k])].as_py().split()
        got[tuple(item), int(found.hits[k]), int(found.lcs[k]), int(found.shorter[k])] += 1
        # The spans hold a common subsequence of the length that is told, and none of their parts.
        span = text[found.start[k] : found.end[k]]
        assert span.encode() == text.encode()[found.byte_start[k] : found.byte_end[k]]
        cut = [word for word in (word.strip(",.—") for word in span.split()) if word]
        part = item[found.item_start[k] : found.item_end[k]]
        common = found.span_lcs[k]
        assert lcs_length(cut, part) == common <= found.lcs[k]
        assert max(lcs_length(cut[1:], item), lcs_length(cut[:-1], item)) < common
        assert max(lcs_length(cut, part[1:]), lcs_length(cut, part[:-1])) < common
    if len(counting) == len(items) and not has_counting_gram(items, n):
        assert got == brute_force(document, gaps, items, n, whole, mode)


def has_counting_gram(items: list[list[str]], n: int) -> bool:
    return any(
        all(word.isdigit() for word in item[k : k + n])
        for item in items
        for k in range(len(item) - n + 1)
    )


@pytest.mark.parametrize("size", range(1, 15))
@pytest.mark.parametrize("n", [5, 8, 13])
def test_items_of_every_length(size: int, n: int) -> None:
    item = [f"word{i}" for i in range(size)]
    index = index_of([" ".join(item)], n)
    found = found_in([f"Before. {' '.join(item)}? After.", "Before and after"], index)
    assert list(found.lcs) == ([size] if size >= SHORT else [])
    assert list(found.row) == [0] * len(found.lcs)
    if size >= SHORT:
        assert (found.start[0], found.end[0]) == (8, 8 + len(" ".join(item)))


def test_no_sequences_and_no_documents() -> None:
    empty = index_of([], 13)
    assert len(found_in(["a b c"], empty).row) == 0
    assert len(found_in([], empty).row) == 0
    assert len(found_in(["", "..."], index_of(["a b c d e f g"], 4)).row) == 0


def test_equal_sequences_are_one() -> None:
    text = "one two three four five six"
    sequences = [Sequence("b", str(i), "question", text) for i in range(3)]
    index, record = build_index([*sequences, Sequence("b", "3", "q", "One, two!")], 4, SHORT, 100)
    assert record["duplicate_sequences"] == 2
    assert record["sequences_too_short"] == 1
    assert index.sequences["item"].to_pylist() == ["0", "3"]
    assert len(found_in([text], index).row) == 1


def test_common_n_grams_do_not_open_the_gate_and_are_listed() -> None:
    template = "answer the following question with yes or no"
    items = [f"{template} about animal{i} of kind{i} and colour{i}" for i in range(5)]
    sequences = [Sequence("b", str(i), "question", text) for i, text in enumerate(items)]
    index, record = build_index(sequences, 6, SHORT, 5)
    assert len(found_in([f"Please {template}. Nothing else follows here."], index).row) == 0
    assert set(found_in([items[3]], index).sequence) == {3}
    assert record["common_n_grams"] == 4
    assert {"text": "answer the following question with yes", "items": 5} in record[
        "common_n_grams_listed"
    ]


def test_frequent_short_sequences_do_not_match() -> None:
    longer = [f"it rains in town {i} . what is true now ? we see {i}" for i in range(4)]
    sequences = [
        Sequence("b", str(i), "question", text)
        for i, text in enumerate(["What is true now?", "Where is it dry?", *longer])
    ]
    index, record = build_index(sequences, 6, SHORT, 4, whole=6)
    assert record["sequences_matched_whole"] == 1
    found = found_in(["What is true now? Where is it dry?"], index)
    assert index.sequences["text"].take(pa.array(found.sequence)).to_pylist() == [
        "Where is it dry?"
    ]


def test_page_numbers_do_not_open_the_gate() -> None:
    index = index_of(["The sum of 1 2 3 4 5 6 7 8 9 10 11 12 is taken", "2 9 4 1 7 7 3 5 2"], 8)
    found = found_in(["1 2 3 4 5 6 7 8 9 10 11 12 next", "so 2 9 4 1 7 7 3 5 2"], index)
    assert list(found.row) == [1]


def test_short_sequences_must_stand_alone() -> None:
    index = index_of(["how to start a blog"], 8)
    texts = [
        "How to start a blog",
        "He knows how to start a blog, and more",
        "Q: How to start a blog? A: write.",
        "how\nto\nstart\na\nblog\nnow",
        "<b>how to start a blog</b> now",
    ]
    assert sorted(set(found_in(texts, index).row)) == [0, 2, 3, 4]


def test_sequences_of_eight_words_match_inside_of_sentences_too() -> None:
    index = index_of(["when did the first man walk on the moon"], 13)
    texts = [
        "He asked when did the first man walk on the moon again",
        "when did the first man walk",
    ]
    assert found_in(texts, index).row.tolist() == [0]


def test_markup_is_no_word_in_hardened_mode() -> None:
    question = "How many eggs do the ducks of Janet & co lay on each day of the week?"
    text = (
        'She <b>asked</b>:<br/><p class="q">How many <em>eggs</em> do&nbsp;the ducks of'
        " <i>Janet</i> &amp;amp; co lay on <code>each</code> day of <b>the</b> week?</p>"
    )
    hardened = MODES["hardened"]
    sequences = [Sequence("b", "0", "question", question)]
    index, _ = build_index(sequences, hardened.n, 5, 100, markup=True)
    found = found_in([text], index, hardened)
    assert found.lcs.tolist() == [16]
    assert text[found.start[0] : found.end[0]].startswith("How many <em>eggs")
    assert text[found.start[0] : found.end[0]].endswith("<b>the</b> week")


def test_a_quotation_of_the_same_law_is_no_copy() -> None:
    """Thirteen of twenty words stand there in order, but not where the item has them."""
    item = (
        "The right of American citizens to petition the government for a redress of grievances is"
        " protected under the First Amendment"
    )
    page = (
        "the right of the people peaceably to assemble, and to petition the government for a"
        " redress of grievances. 41 1 st Amendment to the United States Constitution"
    )
    hardened = MODES["hardened"]
    found = {
        mode: found_in([f"Congress shall not abridge {page}"], index_of([item], 5), mode)
        for mode in (hardened._replace(aligned=False, slack=1.0), hardened)
    }
    assert [int(one.lcs[0]) for one in found.values()] == [13, 12]


def test_repetition_takes_bounded_time_and_is_reported() -> None:
    item = " ".join(["buffalo"] * 20)
    index = index_of([item, *(f"{item} {i}" for i in range(8))], 8)
    text = "buffalo " * 1_000_000
    columns = text_buffers(pa.array([text, "calm words"], pa.large_string()))
    found = find_matches(*columns, index)
    assert np.bincount(found.row).tolist() == [MAX_MATCHES]
    assert found.lcs.max() == 20
    assert found.capped.tolist() == [True, False]
    few = find_matches(*columns, index, max_hits=10)
    assert few.capped.tolist() == [True, False]
    assert found_in(["buffalo " * 30], index).capped.tolist() == [False]


def test_saved_index_is_the_same(tmp_path: Path) -> None:
    index = index_of(["one two three four five six seven", "été 日本語 one two", "a b c d"], 5)
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        save_index(index, tmp_path / name)
    for path in sorted((tmp_path / "x").iterdir()):
        assert path.read_bytes() == (tmp_path / "y" / path.name).read_bytes()
    texts = ["zero one two three four five six", "日本語 one two", "A, b c. d", "a b c d"]
    expected = found_in(texts, index)
    for one, other in zip(expected, found_in(texts, load_index(tmp_path / "x")), strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(other))
    assert len(expected.row) > 2


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize(
    "question",
    [
        "珍妮特的鸭子每天下16个蛋。她每天早上早餐时吃3个,剩下的以每个2美元的价格卖掉。",
        "ジャネットのアヒルは1日に16個の卵を産みます。毎朝、朝食に3個食べます。",
        "เป็ดของเจเน็ตออกไข่วันละ 16 ฟอง เธอกินไข่สามฟองเป็นอาหารเช้าทุกเช้า",
    ],
)
def test_scripts_without_spaces_match_by_character(mode: Mode, question: str) -> None:
    sequences = [Sequence("mgsm", "0", "question", question)]
    index, _ = build_index(sequences, mode.n, 5, 100, markup=mode.markup)
    words = int(index.offsets[-1])
    assert words > 25
    found = found_in([f"前文。{question}後文。", "前文。後文。"], index, mode)
    assert found.row.tolist() == [0]
    assert found.lcs.tolist() == [words]


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_numbers_stay_numbers(mode: Mode) -> None:
    item = "Ann has 12 red pens and 30 blue pens and gives 7 of them to her brother Tom"
    short = "What is 12 plus 30 minus 7"
    sequences = [Sequence("b", str(i), "question", text) for i, text in enumerate([item, short])]
    index, _ = build_index(sequences, mode.n, 5, 100, markup=mode.markup)
    other = [text.replace("12", "13").replace("30", "31") for text in (item, short)]
    assert found_in([short], index, mode).lcs.tolist() == [7]
    assert all(lcs == 16 for lcs in found_in(other, index, mode).lcs)
    assert found_in([item], index, mode).lcs.tolist() == [18]
