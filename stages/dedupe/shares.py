"""Dropping documents of which too much is repeated."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.stage import Verdicts


def drop_above(share: pa.ChunkedArray, most: float | None, reason: str) -> Verdicts:
    """Verdicts on documents by a share of their bytes (4 decimals): ``reason`` above ``most``; all
    are kept, on no score, when it is None."""
    if most is None:
        return Verdicts.keep_all(len(share))
    # back to the decimals that were rounded to, so that 0.75 is not above 0.75
    exact = pc.round(pc.cast(share, pa.float64()), 4)
    return Verdicts.drop_where(pc.greater(exact, most), reason, exact, most)
