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
import polars as pl
import pyarrow as pa
import pyarrow.ipc

from pipeline.compile import compiled
from stages.decontaminate.benchmark import Sequence as BenchmarkSequence
from stages.words import I64, U64, hash_words, mix

Json = Any
I32 = np.ndarray[Any, np.dtype[np.int32]]

# An odd constant with scattered bits (2^64 / golden ratio): the base of the rolling hash.
_BASE = np.uint64(0x9E3779B97F4A7C15)
_ONE = np.uint64(1)
_FILTER_BITS = 16
"""Bits of the filter for each n-gram: one n-gram in 16 that is not there goes to the table."""
_LISTED = 100
"""How many of the common n-grams are listed in the record."""


class Gate(NamedTuple):
    """From n-gram to sequences. ``filter`` is a bit table; ``keys`` holds n-gram hashes (0: free),
    ``rows`` their numbers; n-gram r is of ``postings[offsets[r]:offsets[r + 1]]``."""

    n: int
    filter: U64
    keys: U64
    rows: I32
    offsets: I32
    postings: I32


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
def rolling(words: U64, count: int, n: int, grams: U64) -> int:
    """Writes the hashes of all n-grams of ``words[:count]`` (never 0) and returns their number."""
    top = _ONE
    for _ in range(n - 1):
        top *= _BASE
    state = np.uint64(0)
    for i in range(count):
        if i >= n:
            state -= words[i - n] * top
        state = state * _BASE + words[i]
        if i >= n - 1:
            grams[i - n + 1] = mix(state) | _ONE
    return max(0, count - n + 1)


@compiled
def _all_grams(tokens: U64, offsets: I64, n: int, first_only: bool) -> tuple[U64, I32, I32]:
    """n-grams of sequences of n words or more: hash, sequence, first word."""
    total = 0
    for s in range(len(offsets) - 1):
        if offsets[s + 1] - offsets[s] >= n:
            total += 1 if first_only else offsets[s + 1] - offsets[s] - n + 1
    grams = np.empty(total, np.uint64)
    owners = np.empty(total, np.int32)
    places = np.empty(total, np.int32)
    at = 0
    for s in range(len(offsets) - 1):
        size = offsets[s + 1] - offsets[s]
        if size >= n:
            words = tokens[offsets[s] : offsets[s + 1]]
            number = rolling(words, n if first_only else size, n, grams[at:])
            for k in range(number):
                owners[at + k] = s
                places[at + k] = k
            at += number
    return grams, owners, places


@compiled
def _fill(grams: U64, keys: U64, rows: I32, filter_words: U64) -> None:
    cut = np.uint64(len(keys) - 1)
    bits = np.uint64(len(filter_words) * 64 - 1)
    for row in range(len(grams)):
        slot = (grams[row] >> _ONE) & cut
        while keys[slot] != 0:
            slot = (slot + _ONE) & cut
        keys[slot] = grams[row]
        rows[slot] = row
        bit = (grams[row] >> np.uint64(20)) & bits
        filter_words[bit >> np.uint64(6)] |= _ONE << (bit & np.uint64(63))


def _gate(n: int, grams: U64, owners: I32) -> Gate:
    """A gate from (n-gram, sequence) pairs; pairs that occur twice count once."""
    pairs = pl.DataFrame({"gram": grams, "owner": owners}).unique().sort("gram", "owner")
    counts = pairs.group_by("gram", maintain_order=True).len()
    offsets = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts["len"].to_numpy(), out=offsets[1:])
    capacity = 1 << max(1, (2 * len(counts)).bit_length())
    keys = np.zeros(capacity, np.uint64)
    rows = np.zeros(capacity, np.int32)
    bits = 1 << max(6, (_FILTER_BITS * len(counts) - 1).bit_length())
    filter_words = np.zeros(bits // 64, np.uint64)
    _fill(counts["gram"].to_numpy(), keys, rows, filter_words)
    return Gate(n, filter_words, keys, rows, offsets, pairs["owner"].to_numpy().copy())


def build_index(
    sequences: Sequence[BenchmarkSequence], n: int, short_words: int, common_items: int
) -> tuple[Index, dict[str, Json]]:
    """The index, and what the manifest says about it.

    Sequences of the same words are one, the first of them. n-grams that stand in ``common_items``
    or more items open no gate; nor do short sequences of as many items.
    """
    texts = pa.array([sequence.text for sequence in sequences], pa.large_string())
    words = hash_words(texts)
    kept, duplicates = _distinct(words.hashes, words.offsets)
    lengths = np.diff(words.offsets)
    tokens, offsets = _gathered(words.hashes, words.offsets, kept)
    spans = np.empty((len(tokens), 2), np.int32)
    for new, old in enumerate(kept):
        a, b = words.offsets[old], words.offsets[old + 1]
        characters = _character_offsets(sequences[old].text)
        spans[offsets[new] : offsets[new + 1], 0] = characters[words.starts[a:b]]
        spans[offsets[new] : offsets[new + 1], 1] = characters[words.ends[a:b]]
    owners_item = {
        key: i for i, key in enumerate(dict.fromkeys((s.benchmark, s.item) for s in sequences))
    }
    items = np.array(
        [owners_item[sequences[i].benchmark, sequences[i].item] for i in kept], np.int64
    )
    grams, owners, places = _all_grams(tokens, offsets, n, False)
    common = _common(grams, items[owners] if len(owners) else owners, common_items)
    chosen = ~np.isin(grams, common["gram"].to_numpy())
    long = _gate(n, grams[chosen], owners[chosen])
    short_rows = (lengths[kept] >= short_words) & (lengths[kept] < n)
    heads, short_owners, _ = _all_grams(tokens, offsets, short_words, True)
    wanted = short_rows[short_owners] if len(short_owners) else np.zeros(0, bool)
    wanted &= duplicates[short_owners] < common_items
    short = _gate(short_words, heads[wanted], short_owners[wanted])
    table = pa.table(
        {
            "benchmark": pa.array([sequences[i].benchmark for i in kept], pa.string()),
            "item": pa.array([sequences[i].item for i in kept], pa.string()),
            "sequence": pa.array([sequences[i].name for i in kept], pa.string()),
            "text": pa.array([sequences[i].text for i in kept], pa.large_string()),
        }
    )
    index = Index(long, short, tokens, offsets, spans, table)
    record: dict[str, Json] = {
        "sequences": len(kept),
        "duplicate_sequences": len(sequences) - len(kept),
        "sequences_matched_whole": int(wanted.sum()),
        "sequences_too_short": int((lengths[kept] < short_words).sum()),
        "n_grams": len(long.offsets) - 1,
        "common_n_grams": len(common),
        "common_n_grams_listed": _listed(index, common, grams, owners, places, n),
    }
    return index, record


def _distinct(hashes: U64, offsets: I64) -> tuple[I64, I64]:
    """The first of each set of equal sequences, and how many there are of each."""
    first: dict[bytes, int] = {}
    counts: dict[bytes, int] = {}
    for row in range(len(offsets) - 1):
        key = hashes[offsets[row] : offsets[row + 1]].tobytes()
        if key:
            first.setdefault(key, row)
            counts[key] = counts.get(key, 0) + 1
    return np.array(list(first.values()), np.int64), np.array(list(counts.values()), np.int64)


def _gathered(hashes: U64, offsets: I64, rows: I64) -> tuple[U64, I64]:
    pieces = [hashes[offsets[row] : offsets[row + 1]] for row in rows]
    new = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(piece) for piece in pieces], out=new[1:])
    return np.concatenate([np.zeros(0, np.uint64), *pieces]), new


def _character_offsets(text: str) -> I64:
    """The character that each byte of a text's UTF-8 belongs to, and the number of characters."""
    data = np.frombuffer(text.encode(), np.uint8)
    return np.concatenate([np.cumsum((data & 0xC0) != 0x80) - 1, [len(text)]]).astype(np.int64)


def _common(grams: U64, items: Any, common_items: int) -> pl.DataFrame:
    """n-grams of ``common_items`` or more items, most frequent first: gram, items."""
    return (
        pl.DataFrame({"gram": grams, "item": np.asarray(items, np.int64)})
        .unique()
        .group_by("gram")
        .len("items")
        .filter(pl.col("items") >= common_items)
        .sort(["items", "gram"], descending=[True, False])
    )


def _listed(
    index: Index, common: pl.DataFrame, grams: U64, owners: I32, places: I32, n: int
) -> list[dict[str, Json]]:
    listed = []
    for gram, items in common.head(_LISTED).iter_rows():
        at = int(np.flatnonzero(grams == np.uint64(gram))[0])
        first = index.offsets[owners[at]] + places[at]
        text = index.sequences["text"][int(owners[at])].as_py()
        shown = text[index.spans[first, 0] : index.spans[first + n - 1, 1]]
        listed.append({"text": " ".join(shown.split()), "items": items})
    return listed


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
