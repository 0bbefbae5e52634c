"""Short sequences: they match where they stand whole in a text."""

from __future__ import annotations

from pipeline.compile import compiled
from stages.decontaminate.hits import with_room
from stages.words import I64, U8, U64

_ANYWHERE = 8
"""Short sequences of fewer words must stand alone in the text, between line breaks, punctuation,
tags or the ends; "how to start a blog" inside of a sentence is no copy of that question."""


@compiled
def _delimited(data: U8, start: int, end: int, edge: bool) -> bool:
    """Whether between two words stands more than spaces and commas, or one is missing."""
    for i in range(start, end):
        if data[i] not in (9, 32, 44):
            return True
    return edge


@compiled
def whole_matches(
    row: int,
    raw: U8,
    text: tuple[U64, I64, I64, int],
    hits: tuple[I64, I64],
    items: tuple[U64, I64],
    found: I64,
    used: int,
) -> tuple[I64, int]:
    """Adds the short sequences that stand whole in a text; those of fewer than ``_ANYWHERE``
    words only where they stand alone. ``raw`` are the text's bytes, with its markup."""
    words, starts, ends, count = text
    sequences, places = hits
    tokens, token_offsets = items
    for k in range(len(sequences)):
        s = sequences[k]
        item = tokens[token_offsets[s] : token_offsets[s + 1]]
        size = len(item)
        at = places[k]
        if at + size > count:
            continue
        j = 0
        while j < size and words[at + j] == item[j]:
            j += 1
        if j < size:
            continue
        last = at + size - 1
        if size < _ANYWHERE:
            before = ends[at - 1] if at > 0 else 0
            after = starts[last + 1] if last + 1 < count else len(raw)
            if not (
                _delimited(raw, before, starts[at], at == 0)
                and _delimited(raw, ends[last], after, last + 1 == count)
            ):
                continue
        found = with_room(found, used, 1)
        found[used] = (row, s, at, at + size, 0, size, 1, size, size, 0, 0)
        used += 1
    return found, used
