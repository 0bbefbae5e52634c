"""Masking: which spans to cut out of a contaminated document so that it passes the rule.

One cut is not always enough. An item may stand at several places; a text that got shorter may
share enough of another item; and what a cut joins may be an item. So what is left is matched again,
until nothing is found.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from pipeline.cuts import SPANS, cut_texts

ROUNDS = 16
"""How often a text is matched and cut again. One in which there is something then is not masked: it
is a collection of items rather than a text."""


class Span(NamedTuple):
    """Bytes of a text, the benchmark that they are cut out for, and the number of the match among
    those that the same search found."""

    start: int
    end: int
    benchmark: str
    number: int


class Later(NamedTuple):
    """A match in what the cuts of the rounds before left. The span is that of the whole text."""

    round: int
    span: Span


@dataclass(frozen=True)
class Mask:
    """What is cut out of a text (disjoint, sorted), and the matches found after the first cuts."""

    cuts: Sequence[Span]
    later: Sequence[Later] = ()


Search = Callable[[pa.ChunkedArray], Sequence[Sequence[Span]]]
"""Finds in each text of a column the spans of what it must not hold."""


def mask_spans(
    texts: pa.ChunkedArray,
    spans: Sequence[Sequence[Span]],
    search: Search,
    dropping: Container[str] = (),
) -> list[Mask | None]:
    """For each text the spans to cut: those given and all that ``search`` finds in what they leave,
    round by round from 1. None where it still finds some after ``ROUNDS``, and where one is of a
    benchmark in ``dropping``, whose items are not masked."""
    masks = [None if _any_of(row, dropping) else Mask(_merged(row)) for row in spans]
    for number in range(1, ROUNDS + 1):
        opened = [(row, mask) for row, mask in enumerate(masks) if mask and _is_open(mask, number)]
        if not opened:
            return masks
        rows = pa.array([row for row, _ in opened])
        left = cut_texts(texts.take(rows), _as_column([mask.cuts for _, mask in opened]))
        for (row, mask), found in zip(opened, search(left), strict=True):
            moved = [_moved_back(span, mask.cuts) for span in found]
            later = [*mask.later, *(Later(number, span) for span in moved)]
            dropped = _any_of(found, dropping)
            masks[row] = None if dropped else Mask(_merged([*mask.cuts, *moved]), later)
    return [None if mask and _is_open(mask, ROUNDS + 1) else mask for mask in masks]


def _is_open(mask: Mask, number: int) -> bool:
    """Whether something was found in the round before ``number``, so that it must be looked at."""
    if number == 1:
        return len(mask.cuts) > 0
    return len(mask.later) > 0 and mask.later[-1].round == number - 1


def _any_of(spans: Sequence[Span], benchmarks: Container[str]) -> bool:
    return any(span.benchmark in benchmarks for span in spans)


def _merged(spans: Sequence[Span]) -> list[Span]:
    """The union of spans; one that is made of several has the benchmark of its first."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start <= merged[-1].end:
            merged[-1] = merged[-1]._replace(end=max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def _moved_back(span: Span, cuts: Sequence[Span]) -> Span:
    """Where a span of the text without ``cuts`` stands in the whole text."""
    start, end = span.start, span.end
    for cut in cuts:
        size = cut.end - cut.start
        start += size if start >= cut.start else 0
        end += size if end > cut.start else 0
    return span._replace(start=start, end=end)


def _as_column(spans: Sequence[Sequence[Span]]) -> pa.ListArray:
    return pa.array(
        [[{"start": span.start, "end": span.end} for span in row] for row in spans], SPANS
    )
