"""The index against slow oracles: sorting, grouping, whole sequences, and what opens no gate."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.decontaminate.benchmark import Sequence
from stages.decontaminate.gate import Gate, lookup, make_gate, rolling
from stages.decontaminate.index import Index, build_index, load_index, save_index
from stages.decontaminate.ngrams import sort_pairs
from stages.words import U64

WORDS = st.sampled_from(["alpha", "beta", "gamma", "delta", "7", "8", "9", "漢"])
TEXTS = st.lists(WORDS, max_size=9).map(" ".join)
N, SHORT, WHOLE, COMMON = 3, 2, 4, 3


@st.composite
def drawn_sequences(draw: st.DrawFn) -> list[Sequence]:
    texts = draw(st.lists(TEXTS, max_size=14))
    items = [draw(st.integers(0, 5)) for _ in texts]
    return [
        Sequence("one", str(item), "question", text)
        for item, text in sorted(zip(items, texts, strict=True), key=lambda pair: pair[0])
    ]


def in_gate(gate: Gate, words: U64) -> set[int]:
    """The sequences of an n-gram of word hashes."""
    gram = np.empty(1, np.uint64)
    rolling(words, gate.n, gate.n, gram)
    row = lookup(gram[0], gate)
    return set() if row < 0 else set(gate.postings[gate.offsets[row] : gate.offsets[row + 1]])


def counts_up_or_down(words: list[str]) -> bool:
    numbers = [int(word) for word in words if word.isdigit()]
    return len(numbers) == len(words) and all(abs(a - b) <= 1 for a, b in pairwise(numbers))


def runs(words: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


@settings(deadline=None)
@given(drawn_sequences())
def test_the_gates_hold_what_a_slow_reading_finds(sequences: list[Sequence]) -> None:
    index, record = build_index(sequences, N, SHORT, COMMON, whole=WHOLE)
    distinct: dict[tuple[str, ...], Sequence] = {}
    for sequence in sequences:
        if sequence.text:
            distinct.setdefault(tuple(sequence.text.split()), sequence)
    texts = [list(words) for words in distinct]
    items = [sequence.item for sequence in distinct.values()]
    assert index.sequences["text"].to_pylist() == [" ".join(words) for words in texts]
    assert record["duplicate_sequences"] == len(sequences) - len(texts)

    owners: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for number, words in enumerate(texts):
        if len(words) >= WHOLE:
            for run in runs(words, N):
                owners[run].add(number)
    opening = {
        run
        for run, numbers in owners.items()
        if len({items[i] for i in numbers}) < COMMON and not counts_up_or_down(list(run))
    }
    assert record["n_grams"] == len(opening)
    for number, words in enumerate(texts):
        hashes = index.tokens[index.offsets[number] : index.offsets[number + 1]]
        for place, run in enumerate(runs(words, N)):
            expected = owners[run] if run in opening else set()
            assert in_gate(index.long, hashes[place : place + N]) == expected

    whole = {
        number
        for number, words in enumerate(texts)
        if SHORT <= len(words) < WHOLE
        and len(
            {items[i] for i, other in enumerate(texts) if tuple(words) in runs(other, len(words))}
        )
        < COMMON
    }
    assert set(index.short.postings) == whole
    for number in whole:
        assert number in in_gate(index.short, index.tokens[index.offsets[number] :][:SHORT])


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3), max_size=60))
def test_the_radix_sort_is_stable(numbers: list[int]) -> None:
    keys = np.array(numbers, np.uint64)
    order = np.argsort(keys, kind="stable")
    found, values = sort_pairs(keys.copy(), np.arange(len(keys), dtype=np.int32))
    assert found.tolist() == keys[order].tolist()
    assert values.tolist() == order.tolist()


def test_a_gate_finds_all_it_holds_and_nothing_else() -> None:
    draw = np.random.default_rng(1)
    grams = np.unique(draw.integers(0, 2**64, 20_000, np.uint64) | np.uint64(1))
    there, absent = grams[::2].copy(), grams[1::2]
    own = np.arange(len(there) + 1, dtype=np.int32)
    gate = make_gate(13, there, own, own[:-1])
    assert [lookup(gram, gate) for gram in there] == list(range(len(there)))
    assert {lookup(gram, gate) for gram in absent} == {-1}


def saved(folder: Path, index: Index) -> dict[str, bytes]:
    folder.mkdir()
    save_index(index, folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_index_is_memory_mapped_and_has_always_the_same_bytes(tmp_path: Path) -> None:
    sequences = [
        Sequence("one", str(i), "question", f"{'alpha beta ' * 9}{i} gamma {i} delta")
        for i in range(30)
    ]
    index, _ = build_index(sequences, 13, 5, 10)
    again, _ = build_index(sequences, 13, 5, 10)
    assert saved(tmp_path / "one", index) == saved(tmp_path / "two", again)
    loaded = load_index(tmp_path / "one")
    for array in (loaded.tokens, loaded.spans, loaded.long.filter, loaded.long.keys):
        base = array
        while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
            assert isinstance(base.base, np.ndarray)
            base = base.base
        assert isinstance(base, np.memmap)
        assert not array.flags.writeable
    assert loaded.words_of(int(loaded.offsets[3]), 4) == "alpha beta alpha beta"


def test_items_without_a_text_long_enough_are_counted() -> None:
    said = [
        ("one", "0", "a b c d"),
        ("one", "0", "a b c d e"),
        ("one", "1", "a b c d"),
        ("one", "2", " ?! "),
        ("two", "1", "a b c d e"),
        ("three", "0", ""),
    ]
    sequences = [Sequence(name, item, "question", text) for name, item, text in said]
    _, record = build_index(sequences, 13, 5, 10)
    assert record["items_too_short"] == {"one": 2, "three": 1}


def test_no_sequences() -> None:
    index, record = build_index([], 13, 5, 10)
    assert (record["sequences"], record["n_grams"], len(index.tokens)) == (0, 0, 0)
    blank, record = build_index([Sequence("one", "0", "question", " ?! ")], 13, 5, 10)
    assert len(blank.sequences) == record["n_grams"] == 0
