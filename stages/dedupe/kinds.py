"""Which documents lines and substrings are looked for in: by kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.dedupe.arrays import Ints
from stages.kind import KINDS

KIND = "kind.kind"
"""The annotation that kinds are read from."""


def check_kinds(kinds: Sequence[str]) -> None:
    """Raises ValueError, with the cure, when a kind is none or there is no kind."""
    unknown = ", ".join(f"`{kind}`" for kind in kinds if kind not in KINDS)
    if unknown or not kinds:
        problem = f"there is no kind {unknown}" if unknown else "no kind is named"
        raise ValueError(f"kinds: {problem}. Name some of {', '.join(KINDS)}.")


def rows_of_kinds(table: pa.Table, kinds: Sequence[str]) -> Ints:
    """Numbers of the documents (int64, rising) of these kinds."""
    chosen = pc.is_in(table[KIND].cast(pa.string()), value_set=pa.array(kinds, pa.string()))
    return np.flatnonzero(chosen.to_numpy()).astype(np.int64)
