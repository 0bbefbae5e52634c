"""The index of benchmark sequences: hash tables of n-grams and the words of every sequence.

Built once a recipe, written as ``.npy`` files and one Arrow file, memory-mapped by all workers.
Two gates, each an open-addressing table from n-gram to sequences behind a bit filter:

* ``long``: every n-gram of the sequences of at least n words;
* ``short``: the first ``short_words``-gram of the sequences of at least that, but fewer than n;
  such a sequence matches only as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from pipeline.compile import compiled
from stages.decontaminate.benchmark import Sequence as BenchmarkSequence
from stages.decontaminate.gate import I32, Gate, lookup, make_gate, rolling
from stages.words import I64, U8, U64, Words, hash_words, text_buffers

Json = Any
Booleans = np.ndarray[Any, np.dtype[np.bool_]]

_LISTED = 100
"""How many of the common n-grams are listed in the record."""


class Index(NamedTuple):
    """Gates, the words of all sequences, and where each word stands in its sequence's text.

    Sequence s has the words ``tokens[offsets[s]:offsets[s + 1]]`` (hashes); word t stands at the
    characters ``spans[t, 0]:spans[t, 1]`` of the text. ``sequences`` has the columns benchmark,
    item, sequence, text.
    """

    long: Gate
    short: Gate
    tokens: U64
    offsets: I64
    spans: I32
    sequences: pa.Table


@compiled
def _all_grams(tokens: U64, offsets: I64, n: int) -> tuple[U64, I32, I32]:
    """n-grams of sequences of n words or more: hash, sequence, first word."""
    total = 0
    for s in range(len(offsets) - 1):
        total += max(0, offsets[s + 1] - offsets[s] - n + 1)
    grams = np.empty(total, np.uint64)
    owners = np.empty(total, np.int32)
    places = np.empty(total, np.int32)
    at = 0
    for s in range(len(offsets) - 1):
        size = offsets[s + 1] - offsets[s]
        if size >= n:
            number = rolling(tokens[offsets[s] : offsets[s + 1]], size, n, grams[at:])
            for k in range(number):
                owners[at + k] = s
                places[at + k] = k
            at += number
    return grams, owners, places


@compiled
def _postings(
    grams: U64, owners: I32, items: I64, counting: Booleans, common_items: int
) -> tuple[I64, I32, I32, I64, I64]:
    """Groups (n-gram, sequence) pairs, sorted by n-gram and sequence, for a gate.

    Returns the first pair of each n-gram that may open the gate, its offsets into the postings,
    and the postings; then the first pair of each common n-gram, and in how many items it stands.
    """
    total = len(grams)
    firsts = np.empty(total, np.int64)
    offsets = np.zeros(total + 1, np.int32)
    postings = np.empty(total, np.int32)
    common = np.empty(total, np.int64)
    frequency = np.empty(total, np.int64)
    kept = used = found = 0
    begin = 0
    while begin < total:
        end = begin
        number = 0
        write = used
        while end < total and grams[end] == grams[begin]:
            if end == begin or items[owners[end]] != items[owners[end - 1]]:
                number += 1
            if end == begin or owners[end] != owners[end - 1]:
                postings[write] = owners[end]
                write += 1
            end += 1
        if number >= common_items:
            common[found] = begin
            frequency[found] = number
            found += 1
        elif not counting[begin]:
            firsts[kept] = begin
            kept += 1
            offsets[kept] = write
            used = write
        begin = end
    return (
        firsts[:kept].copy(),
        offsets[: kept + 1].copy(),
        postings[:used].copy(),
        common[:found].copy(),
        frequency[:found].copy(),
    )


@compiled
def _places(data: U8, text_offsets: I64, words: Words, rows: I64, total: int) -> tuple[I32, I64]:
    """Of the words of the given rows: characters where they stand, and their values as numbers
    (-1 for words that are not a number of at most nine ASCII digits)."""
    spans = np.empty((total, 2), np.int32)
    values = np.full(total, -1, np.int64)
    at = 0
    for row in rows:
        begin = text_offsets[row]
        byte = 0
        character = 0
        for word in range(words.offsets[row], words.offsets[row + 1]):
            for edge in range(2):
                goal = words.ends[word] if edge else words.starts[word]
                if goal < byte:  # several words of one character
                    byte = 0
                    character = 0
                while byte < goal:
                    character += int((data[begin + byte] & 0xC0) != 0x80)
                    byte += 1
                spans[at, edge] = character
            value = 0
            size = words.ends[word] - words.starts[word]
            for i in range(begin + words.starts[word], begin + words.ends[word]):
                if size > 9 or data[i] < 48 or data[i] > 57:
                    value = -1
                    break
                value = value * 10 + int(data[i]) - 48
            values[at] = value
            at += 1
    return spans, values


@compiled
def _counting(values: I64, starts: I64, n: int) -> Booleans:
    """Which n-grams count: numbers, each the one before it, plus or minus one or nothing."""
    result = np.ones(len(starts), np.bool_)
    for k in range(len(starts)):
        for i in range(starts[k], starts[k] + n):
            if values[i] < 0 or (i > starts[k] and abs(values[i] - values[i - 1]) > 1):
                result[k] = False
                break
    return result


@compiled
def _occurrences(gate: Gate, tokens: U64, offsets: I64, items: I64) -> I64:
    """In how many items each n-gram of a gate stands."""
    longest = 0
    for s in range(len(offsets) - 1):
        longest = max(longest, offsets[s + 1] - offsets[s])
    grams = np.empty(longest, np.uint64)
    number = np.zeros(len(gate.offsets) - 1, np.int64)
    latest = np.full(len(gate.offsets) - 1, -1, np.int64)
    for s in range(len(offsets) - 1):
        size = offsets[s + 1] - offsets[s]
        for k in range(rolling(tokens[offsets[s] : offsets[s + 1]], size, gate.n, grams)):
            row = lookup(grams[k], gate)
            if row >= 0 and latest[row] != items[s]:
                latest[row] = items[s]
                number[row] += 1
    return number


def build_index(
    sequences: Sequence[BenchmarkSequence], n: int, short_words: int, common_items: int
) -> tuple[Index, dict[str, Json]]:
    """The index, and what the manifest says about it.

    Sequences of the same words are one, the first of them. Three sorts of n-grams open no gate:
    those that stand in ``common_items`` or more items; those that only count (page numbers); and
    short sequences that stand in as many items, alone or inside of longer texts.
    """
    texts = pa.array([sequence.text for sequence in sequences], pa.large_string())
    words = hash_words(texts)
    kept = _distinct(words.hashes, words.offsets)
    tokens, offsets = _gathered(words.hashes, words.offsets, kept)
    spans, values = _places(*text_buffers(texts), words, kept, len(tokens))
    lengths = np.diff(offsets)
    numbers = {
        key: i for i, key in enumerate(dict.fromkeys((s.benchmark, s.item) for s in sequences))
    }
    items = np.array([numbers[sequences[i].benchmark, sequences[i].item] for i in kept], np.int64)

    grams, owners, places = _all_grams(tokens, offsets, n)
    order = np.argsort(grams, kind="stable")
    grams, owners, places = grams[order], owners[order], places[order]
    starts = offsets[owners] + places
    counting = _counting(values, starts, n)
    firsts, bounds, postings, common, frequency = _postings(
        grams, owners, items, counting, common_items
    )
    long = make_gate(n, grams[firsts], bounds, postings)

    short, whole = _short_gate(tokens, offsets, items, n, short_words, common_items)
    table = pa.table(
        {
            "benchmark": pa.array([sequences[i].benchmark for i in kept], pa.string()),
            "item": pa.array([sequences[i].item for i in kept], pa.string()),
            "sequence": pa.array([sequences[i].name for i in kept], pa.string()),
            "text": texts.take(pa.array(kept)),
        }
    )
    listed = []
    for k in np.lexsort((grams[common], -frequency))[:_LISTED]:
        first = starts[common[k]]
        text = sequences[kept[owners[common[k]]]].text
        shown = text[spans[first, 0] : spans[first + n - 1, 1]]
        listed.append({"text": " ".join(shown.split()), "items": int(frequency[k])})
    record: dict[str, Json] = {
        "sequences": len(kept),
        "duplicate_sequences": len(sequences) - len(kept),
        "sequences_matched_whole": whole,
        "sequences_too_short": int((lengths < short_words).sum()),
        "n_grams": len(firsts),
        "common_n_grams": len(common),
        "common_n_grams_listed": listed,
    }
    return Index(long, short, tokens, offsets, spans, table), record


def _short_gate(
    tokens: U64, offsets: I64, items: I64, n: int, short_words: int, common_items: int
) -> tuple[Gate, int]:
    """The gate of the sequences that match as a whole, and how many they are."""
    lengths = np.diff(offsets)
    chosen: list[I64] = [np.zeros(0, np.int64)]
    for size in range(short_words, n):
        rows = np.flatnonzero(lengths == size)
        if not len(rows):
            continue
        grams, order = np.unique(_heads(tokens, offsets[rows], size), return_index=True)
        own = np.arange(len(grams) + 1, dtype=np.int32)
        whole = make_gate(size, grams, own, own[:-1])
        often = _occurrences(whole, tokens, offsets, items)
        chosen.append(rows[order[often < common_items]])
    rows = np.sort(np.concatenate(chosen))
    heads = _heads(tokens, offsets[rows], short_words)
    grams, position, counts = np.unique(heads, return_inverse=True, return_counts=True)
    bounds = np.zeros(len(grams) + 1, np.int32)
    np.cumsum(counts, out=bounds[1:])
    postings = rows[np.argsort(position, kind="stable")].astype(np.int32)
    return make_gate(short_words, grams, bounds, postings), len(rows)


@compiled
def _heads(tokens: U64, starts: I64, n: int) -> U64:
    """The n-gram at each place."""
    heads = np.empty(len(starts), np.uint64)
    for k in range(len(starts)):
        rolling(tokens[starts[k] : starts[k] + n], n, n, heads[k : k + 1])
    return heads


def _distinct(hashes: U64, offsets: I64) -> I64:
    """The first row of each set of equal rows; rows without words are left out."""
    first: dict[bytes, int] = {}
    for row in range(len(offsets) - 1):
        first.setdefault(hashes[offsets[row] : offsets[row + 1]].tobytes(), row)
    first.pop(b"", None)
    return np.array(list(first.values()), np.int64)


def _gathered(hashes: U64, offsets: I64, rows: I64) -> tuple[U64, I64]:
    pieces = [hashes[offsets[row] : offsets[row + 1]] for row in rows]
    new = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(piece) for piece in pieces], out=new[1:])
    return np.concatenate([np.zeros(0, np.uint64), *pieces]), new


def save_index(index: Index, folder: Path) -> None:
    """Writes the index as files with always the same bytes for the same index."""
    for name, gate in (("long", index.long), ("short", index.short)):
        np.save(folder / f"{name}.n.npy", np.array([gate.n], np.int64))
        for part in ("filter", "keys", "rows", "offsets", "postings"):
            np.save(folder / f"{name}.{part}.npy", getattr(gate, part))
    for part in ("tokens", "offsets", "spans"):
        np.save(folder / f"{part}.npy", getattr(index, part))
    with (
        pa.OSFile(str(folder / "sequences.arrow"), "wb") as sink,
        pyarrow.ipc.new_file(sink, index.sequences.schema) as writer,
    ):
        writer.write_table(index.sequences.combine_chunks())


@lru_cache(maxsize=4)
def load_index(folder: Path) -> Index:
    """The index of a folder, memory-mapped: processes of one machine share its pages."""

    def array(name: str) -> Any:
        return np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))

    def gate(name: str) -> Gate:
        n = int(array(f"{name}.n")[0])
        parts: Mapping[str, Any] = {
            part: array(f"{name}.{part}")
            for part in ("filter", "keys", "rows", "offsets", "postings")
        }
        return Gate(n, **parts)

    with pa.memory_map(str(folder / "sequences.arrow")) as source:
        sequences = pyarrow.ipc.open_file(source).read_all()
    return Index(
        gate("long"), gate("short"), array("tokens"), array("offsets"), array("spans"), sequences
    )
