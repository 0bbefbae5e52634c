"""Matches as the ledger keeps them: with names, texts and numbers that a person can check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from stages.decontaminate.frequency import Counts, rarest, shares
from stages.decontaminate.index import Index
from stages.decontaminate.mask import Mask
from stages.decontaminate.match import Found
from stages.words import I64

MATCH = pa.struct(
    [
        pa.field("benchmark", pa.string()),
        pa.field("item", pa.string()),
        pa.field("sequence", pa.string()),
        pa.field("start", pa.int32()),
        pa.field("end", pa.int32()),
        pa.field("item_start", pa.int32()),
        pa.field("item_end", pa.int32()),
        pa.field("item_text", pa.string()),
        pa.field("item_words", pa.int32()),
        pa.field("ngram_hits", pa.int32()),
        pa.field("lcs", pa.int32()),
        pa.field("span_lcs", pa.int32()),
        pa.field("ratio", pa.float32()),
        pa.field("ngram_documents", pa.int32()),
        pa.field("ngram_share", pa.float32()),
        pa.field("byte_start", pa.int32()),
        pa.field("byte_end", pa.int32()),
        pa.field("mask_round", pa.int32()),
    ]
)
"""One match: ``start:end`` are characters of the document, ``item_start:item_end`` characters of
the item's sequence, ``item_text`` what stands there. ``lcs`` is |LCS| of the window that the rule
looks at, ``span_lcs`` how many of these words stand in the span (see ``span.py``), ``item_words``
is |s_e|, ``ratio`` is |LCS| / min(|s_t|, |s_e|), all in words. ``ngram_documents`` is in how many
documents that do not hold its item the rarest of its n-grams stands (see ``frequency.py``),
``ngram_share`` their share of all. ``byte_start:byte_end`` is the span in the document in UTF-8
bytes. ``mask_round`` is 0, or, of a match that was found when the document had been cut, how often
it had been; then all but the places are those of what was left of it."""


def match_structs(found: Found, index: Index, counts: Counts) -> pa.StructArray:
    """The matches as ``MATCH``."""
    offsets, spans, sequences = index.offsets, index.spans, index.sequences
    documents = rarest(found, counts)
    share = shares(documents, counts.total)
    named = sequences.take(pa.array(found.sequence))
    first = offsets[found.sequence] + found.item_start
    last = offsets[found.sequence] + found.item_end - 1
    starts, ends = spans[first, 0], spans[last, 1]
    texts = [text[a:b] for text, a, b in zip(named["text"].to_pylist(), starts, ends, strict=True)]
    words = offsets[found.sequence + 1] - offsets[found.sequence]
    columns = [
        named["benchmark"].combine_chunks(),
        named["item"].combine_chunks(),
        named["sequence"].combine_chunks(),
        pa.array(found.start, pa.int32()),
        pa.array(found.end, pa.int32()),
        pa.array(starts, pa.int32()),
        pa.array(ends, pa.int32()),
        pa.array(texts, pa.string()),
        pa.array(words, pa.int32()),
        pa.array(found.hits, pa.int32()),
        pa.array(found.lcs, pa.int32()),
        pa.array(found.span_lcs, pa.int32()),
        pa.array((found.lcs / found.shorter).astype(np.float32)),
        pa.array(documents),
        pa.array(share),
        pa.array(found.byte_start, pa.int32()),
        pa.array(found.byte_end, pa.int32()),
        pa.array(np.zeros(len(texts), np.int32)),
    ]
    return pa.StructArray.from_arrays(columns, fields=list(MATCH))


def with_later(
    rows: I64,
    matches: pa.StructArray,
    masks: Sequence[Mask | None],
    rounds: Sequence[pa.StructArray],
    texts: pa.ChunkedArray,
) -> tuple[I64, pa.StructArray]:
    """Rows and matches with those that were found later (``rounds``, from 1), behind the others of
    their rows."""
    later = [(row, one) for row, mask in enumerate(masks) if mask for one in mask.later]
    moved = []
    for row, (number, span) in later:
        data = texts[row].as_py().encode()
        start, end = (len(data[:byte].decode()) for byte in (span.start, span.end))
        places = {"start": start, "end": end, "byte_start": span.start, "byte_end": span.end}
        moved.append({**rounds[number - 1][span.number].as_py(), **places, "mask_round": number})
    all_rows = np.concatenate([rows, np.array([row for row, _ in later], np.int64)])
    order = np.argsort(all_rows, kind="stable")
    together = pa.concat_arrays([matches, pa.array(moved, MATCH)])
    return all_rows[order], together.take(pa.array(order))


def first_of_rows(row: Any, keys: list[Any], rows: int) -> Any:
    """For each row its match that comes first by the keys, as a masked array of match numbers."""
    order = np.lexsort((*reversed(keys), row))
    first = np.searchsorted(row[order], np.arange(rows))
    there = first < len(row)
    there[there] = row[order][first[there]] == np.flatnonzero(there)
    chosen = np.zeros(rows, np.int64)
    chosen[there] = order[first[there]]
    return np.ma.masked_array(chosen, mask=~there)


def values_at(values: Any, places: Any) -> Any:
    """Booleans at the given places; false where there is no place."""
    result = np.zeros(len(places), bool)
    there = ~np.ma.getmaskarray(places)
    result[there] = values[places.data[there]]
    return result
