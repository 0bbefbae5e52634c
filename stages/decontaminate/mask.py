"""Masking: which spans to cut out of a contaminated document so that it passes the rule.

One cut is not always enough. An item may stand at several places; a text that got shorter may
share enough of another item; and what a cut joins may be an item. So what is left is matched again,
until nothing is found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.cuts import SPANS, cut_texts

ROUNDS = 16
"""How often a text is matched and cut again. One in which there is something then is not masked: it
is a collection of items rather than a text."""


class Span(NamedTuple):
    """Bytes of a text, and the benchmark that they are cut out for."""

    start: int
    end: int
    benchmark: str


Search = Callable[[pa.ChunkedArray], Sequence[Sequence[Span]]]
"""Finds in each text of a column the spans of what it must not hold."""


def mask_spans(
    texts: pa.ChunkedArray, spans: Sequence[Sequence[Span]], search: Search
) -> list[list[Span] | None]:
    """For each text the spans to cut, disjoint and sorted: those given and all that ``search``
    finds in what they leave. None where it still finds some after ``ROUNDS``."""
    masks: list[list[Span] | None] = [_merged(row) for row in spans]
    open_rows = np.flatnonzero([len(row) > 0 for row in spans])
    for _ in range(ROUNDS):
        if not len(open_rows):
            return masks
        cuts = [masks[row] or [] for row in open_rows]
        left = cut_texts(texts.take(pa.array(open_rows)), _as_column(cuts))
        still = []
        for row, cut, found in zip(open_rows, cuts, search(left), strict=True):
            if found:
                masks[row] = _merged([*cut, *(_moved_back(span, cut) for span in found)])
                still.append(row)
        open_rows = np.array(still, np.int64)
    for row in open_rows:
        masks[row] = None
    return masks


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
    start, end, benchmark = span
    for cut in cuts:
        size = cut.end - cut.start
        start += size if start >= cut.start else 0
        end += size if end > cut.start else 0
    return Span(start, end, benchmark)


def _as_column(spans: Sequence[Sequence[Span]]) -> pa.ListArray:
    return pa.array(
        [[{"start": span.start, "end": span.end} for span in row] for row in spans], SPANS
    )
