"""Long lists: what a manifest lists a thousand times stands in a Parquet file, and in the manifest
its path and checksum. So a manifest stays small, whatever the number of parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from manifests.schema import Json

LONGEST = 1_000
"""Entries of a list that stand in the manifest itself."""
_KEYS = {"path", "sha256", "rows"}


def is_elsewhere(value: Json) -> bool:
    """Whether a value of a manifest is a long list that stands in a file."""
    return isinstance(value, Mapping) and value.keys() == _KEYS


def read_list(workspace: Path, value: Json) -> list[Json]:
    """The entries of a list of objects, wherever they stand.

    Raises FileNotFoundError when the file is no longer in the workspace.
    """
    if not is_elsewhere(value):
        return list(value)
    path = workspace / value["path"]
    if not path.exists():
        raise FileNotFoundError(2, "a list of this manifest is gone", str(path))
    return pl.read_parquet(path).to_dicts()
