"""The index of benchmark sequences: hash tables of n-grams and the words of every sequence.

Built once a recipe, written as ``.npy`` files and one Arrow file, memory-mapped by all workers.
Two gates, each an open-addressing table from n-gram to sequences behind a bit filter:

* ``long``: every n-gram of the sequences of at least ``whole`` words (and n);
* ``short``: the first ``short_words``-gram of the sequences of at least that, but fewer than
  ``whole``; such a sequence matches only as a whole.

Where the n-grams of both have as many words, the filter of the first passes those of the second
too: a text is held against one filter only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from pipeline.compile import compiled
from pipeline.task import Json
from pipeline.text_buffers import text_buffers
from stages.decontaminate.benchmark import Sequence as BenchmarkSequence
from stages.decontaminate.gate import I32, WHOLE, Gate, make_gate
from stages.decontaminate.markup import without_markup
from stages.decontaminate.ngrams import (
    Groups,
    all_grams,
    digests,
    group,
    heads,
    items_with,
    sort_pairs,
)
from stages.words import I64, U8, U64, Words, hash_words

LISTED = 100
"""How many of the common n-grams are listed in the record."""


class Index(NamedTuple):
    """Gates, the words of all sequences, and where each word stands in its sequence's text.

    Sequence s has the words ``tokens[offsets[s]:offsets[s + 1]]`` (hashes); word t stands at the
    characters ``spans[t, 0]:spans[t, 1]`` of the text. n-gram r of the long gate begins with word
    ``firsts[r]`` where it stands first. ``items`` are numbers of the sequences' items.
    ``sequences`` has the columns benchmark, item, sequence, text.
    """

    long: Gate
    short: Gate
    tokens: U64
    offsets: I64
    spans: I32
    firsts: I32
    items: I32
    sequences: pa.Table

    def items_of(self, gram: int) -> int:
        """In how many items an n-gram of the long gate stands."""
        first, last = self.long.offsets[gram : gram + 2]
        return len(np.unique(self.items[self.long.postings[first:last]]))

    def words_of(self, first: int, n: int) -> str:
        """The n words that begin with a token, as they stand in the sequence's text."""
        sequence = int(np.searchsorted(self.offsets, first, side="right")) - 1
        text: str = self.sequences["text"][sequence].as_py()
        return " ".join(text[self.spans[first, 0] : self.spans[first + n - 1, 1]].split())


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


def build_index(
    sequences: Sequence[BenchmarkSequence],
    n: int,
    short_words: int,
    common_items: int,
    whole: int = WHOLE,
    markup: bool = False,
) -> tuple[Index, dict[str, Json]]:
    """The index, and what the manifest says about it; ``items_too_short`` by benchmark are those
    of which no sequence has ``short_words`` words, so that they are not looked for.

    Sequences of the same words are one, the first of them. Those of fewer than ``whole`` words
    (and of fewer than n) match as a whole. With ``markup``, tags and entities are no words. Three
    sorts of n-grams open no gate: those that stand in ``common_items`` or more items; those that
    only count (page numbers); and short sequences that stand in as many items, alone or inside of
    longer texts.
    """
    whole = max(whole, n)
    table = _table_of(sequences)
    data, text_offsets = text_buffers(table["text"])
    words = _words_of(table["text"], markup)
    rows = _distinct(words)
    tokens, offsets = _gathered(words.hashes, words.offsets, rows)
    spans, values = _places(data, text_offsets, words, rows, len(tokens))
    lengths = np.diff(offsets)
    kept = table.take(pa.array(rows))
    items = _item_numbers(kept)

    grams, starts = sort_pairs(*all_grams(tokens, offsets, n, whole))
    owner_of = np.repeat(np.arange(len(rows), dtype=np.int32), lengths)
    groups = group(grams, starts, owner_of, items, values, n, common_items)
    short, whole_sequences = _short_gate(tokens, offsets, items, whole, short_words, common_items)
    openings = short.keys[short.keys != 0] if n == short_words else None
    long = make_gate(n, groups.grams, groups.offsets, groups.postings, openings)
    index = Index(long, short, tokens, offsets, spans, groups.firsts, items.astype(np.int32), kept)

    record: dict[str, Json] = {
        "sequences": len(rows),
        "duplicate_sequences": len(sequences) - len(rows),
        "sequences_matched_whole": whole_sequences,
        "sequences_too_short": int((lengths < short_words).sum()),
        "items_too_short": _too_short(table, np.diff(words.offsets), short_words),
        "n_grams": len(groups.grams),
        "common_n_grams": len(groups.common),
        "common_n_grams_listed": _listed(index, groups),
    }
    return index, record


def _too_short(table: pa.Table, lengths: I64, short_words: int) -> dict[str, int]:
    """By benchmark, the items whose longest sequence has fewer words than can be looked for."""
    longest = (
        table.select(["benchmark", "item"])
        .append_column("words", pa.array(lengths))
        .group_by(["benchmark", "item"])
        .aggregate([("words", "max")])
    )
    short = longest.filter(pc.less(longest["words_max"], short_words))
    counted = short.group_by("benchmark").aggregate([([], "count_all")]).sort_by("benchmark")
    return dict(zip(*(column.to_pylist() for column in counted.columns), strict=True))


def _listed(index: Index, groups: Groups) -> list[dict[str, Json]]:
    """The most frequent of the n-grams that open no gate."""
    often = np.lexsort((groups.common, -groups.items))[:LISTED]
    return [
        {
            "text": index.words_of(int(groups.common[k]), index.long.n),
            "items": int(groups.items[k]),
        }
        for k in often
    ]


def _table_of(sequences: Sequence[BenchmarkSequence]) -> pa.Table:
    return pa.table(
        {
            "benchmark": pa.array([s.benchmark for s in sequences], pa.string()),
            "item": pa.array([s.item for s in sequences], pa.string()),
            "sequence": pa.array([s.name for s in sequences], pa.string()),
            "text": pa.array([s.text for s in sequences], pa.large_string()),
        }
    )


def _words_of(texts: pa.ChunkedArray, markup: bool) -> Words:
    if not markup:
        return hash_words(texts)
    data, offsets = text_buffers(texts)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(without_markup(data, offsets))]
    return hash_words(pa.Array.from_buffers(pa.large_string(), len(texts), buffers))


def _distinct(words: Words) -> I64:
    """The first row of each set of rows of equal words; rows without words are left out."""
    hashes = digests(words.hashes, words.offsets)
    values, first = np.unique(hashes, return_index=True)
    rows: I64 = np.sort(first[values != 0]).astype(np.int64)
    return rows


@compiled
def _gathered(hashes: U64, offsets: I64, rows: I64) -> tuple[U64, I64]:
    """The words of some rows, and their offsets."""
    new = np.zeros(len(rows) + 1, np.int64)
    for k in range(len(rows)):
        new[k + 1] = new[k] + offsets[rows[k] + 1] - offsets[rows[k]]
    result = np.empty(new[-1], np.uint64)
    for k in range(len(rows)):
        result[new[k] : new[k + 1]] = hashes[offsets[rows[k]] : offsets[rows[k] + 1]]
    return result, new


def _item_numbers(sequences: pa.Table) -> I64:
    """Of which item each sequence is: a number for each pair of benchmark and item."""
    names = pc.binary_join_element_wise(sequences["benchmark"], sequences["item"], "\0")
    numbers: I64 = (
        names.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64, copy=False)
    )
    return numbers


def _short_gate(
    tokens: U64, offsets: I64, items: I64, whole: int, short_words: int, common_items: int
) -> tuple[Gate, int]:
    """The gate of the sequences that match as a whole, and how many they are."""
    lengths = np.diff(offsets)
    rows = np.flatnonzero((lengths >= short_words) & (lengths < whole))
    often = items_with(_gate_of_heads(tokens, offsets, rows, short_words), tokens, offsets, items)
    rows = rows[often[rows] < common_items]
    return _gate_of_heads(tokens, offsets, rows, short_words), len(rows)


def _gate_of_heads(tokens: U64, offsets: I64, rows: I64, n: int) -> Gate:
    grams, position, counts = np.unique(
        heads(tokens, offsets[rows], n), return_inverse=True, return_counts=True
    )
    bounds = np.zeros(len(grams) + 1, np.int32)
    np.cumsum(counts, out=bounds[1:])
    postings = rows[np.argsort(position, kind="stable")].astype(np.int32)
    return make_gate(n, grams, bounds, postings)


def save_index(index: Index, folder: Path) -> None:
    """Writes the index as files with always the same bytes for the same index."""
    for name, gate in (("long", index.long), ("short", index.short)):
        np.save(folder / f"{name}.n.npy", np.array([gate.n], np.int64))
        for part in ("filter", "keys", "rows", "offsets", "postings"):
            np.save(folder / f"{name}.{part}.npy", getattr(gate, part))
    for part in _ARRAYS:
        np.save(folder / f"{part}.npy", getattr(index, part))
    with (
        pa.OSFile(str(folder / "sequences.arrow"), "wb") as sink,
        pyarrow.ipc.new_file(sink, index.sequences.schema) as writer,
    ):
        writer.write_table(index.sequences.combine_chunks())


_ARRAYS = ("tokens", "offsets", "spans", "firsts", "items")


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
    arrays: Mapping[str, Any] = {name: array(name) for name in _ARRAYS}
    return Index(gate("long"), gate("short"), sequences=sequences, **arrays)
