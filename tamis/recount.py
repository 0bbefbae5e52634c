"""The cube of a derived corpus: what a manifest would count of it, bytes apart.

Bytes are those of texts, which no ledger holds of documents that an early stage drops.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from stages.balance.stage import Balance
from tamis.derive import ALIVE, UNSEEN, Derived, PartState
from tamis.ledgers import Flags, PartLedger


def recount(derived: Derived) -> pl.DataFrame:
    """Documents and measures by source, dimensions and verdict, as ``Manifest.cube`` has them, but
    for bytes. Documents of which later stages know nothing are left out."""
    parts = [
        _count_part(derived, position, ledger, state)
        for position, (ledger, state) in enumerate(
            zip(derived.ledgers, derived.states, strict=True)
        )
    ]
    keys = [
        "source",
        *(name for _, name, measured in _columns(derived) if not measured),
        "dropped_by",
        "reason",
    ]
    measures = [name for _, name, measured in _columns(derived) if measured]
    return (
        pl.concat(parts)
        .group_by(keys)
        .agg(pl.col("documents").sum(), *(pl.col(name).sum() for name in measures))
        .sort(keys, nulls_last=False)
    )


def _columns(derived: Derived) -> Iterator[tuple[int, str, bool]]:
    """Number of the stage, column, and whether it is a measure."""
    for measured in (False, True):
        for number, entry in enumerate(derived.entries):
            names = entry.stage.measures if measured else entry.stage.dimensions
            for name in names:
                yield number, name, measured


def _count_part(
    derived: Derived, position: int, ledger: PartLedger, state: PartState
) -> pl.DataFrame:
    names = [entry.name for entry in derived.entries]
    dropped = state.fate >= 0
    words = derived.reasons.words
    columns = {
        "source": pl.Series([ledger.source], dtype=pl.String).new_from_index(0, ledger.rows),
        "dropped_by": _words(names, state.fate, dropped),
        "reason": _words(words, state.reason, dropped),
    }
    keys = ["source", "dropped_by", "reason"]
    measures: list[str] = []
    for number, name, measured in _columns(derived):
        came = (state.fate == ALIVE) | (state.fate >= number)
        column = _column(derived, position, ledger, number, name, came)
        blank = pl.Series([None], dtype=column.dtype).new_from_index(0, ledger.rows)
        known = column.zip_with(pl.Series(came), blank)
        columns[name] = known.cast(pl.Int64 if measured else pl.String)
        (measures if measured else keys).append(name)
    frame = pl.DataFrame(columns).filter(pl.Series(state.fate != UNSEEN))
    return frame.group_by(keys).agg(
        pl.len().cast(pl.Int64).alias("documents"), *(pl.col(name).sum() for name in measures)
    )


def _column(
    derived: Derived,
    position: int,
    ledger: PartLedger,
    number: int,
    name: str,
    came: Flags,
) -> pl.Series:
    """One column of a part, a row a document."""
    entry = derived.entries[number]
    if isinstance(entry.stage, Balance) and derived.balanced is not None:
        chosen = derived.balanced.chosen[position][name].combine_chunks()
        places = pl.Series(np.cumsum(came) - 1).set(pl.Series(~came), None)
        return pl.Series(name, pl.from_arrow(chosen)).gather(places)
    return pl.Series(name, pl.from_arrow(ledger.annotations(entry.name, [name])[name]))


def _words(
    words: list[str],
    codes: np.ndarray[tuple[int], np.dtype[np.int16]] | np.ndarray[tuple[int], np.dtype[np.int32]],
    where: Flags,
) -> pl.Series:
    places = pl.Series(codes.astype(np.int64)).set(pl.Series(~where), None)
    return pl.Series(words, dtype=pl.String).gather(places)
