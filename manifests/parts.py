"""The parts of a corpus: the files that hold their documents and what stages say of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from manifests.manifest import Manifest


def part_files(manifest: Manifest) -> Iterator[tuple[int, pl.DataFrame]]:
    """Every part's files (stage, role, path, rows), parts in order."""
    for (part,), files in manifest.files.sort("part", maintain_order=True).group_by(
        "part", maintain_order=True
    ):
        yield int(str(part)), files


def part_paths(manifest: Manifest, files: pl.DataFrame) -> dict[tuple[str, str], Path]:
    """The paths of a part's files in the workspace, by stage and role."""
    return {
        (stage, role): manifest.workspace / path
        for stage, role, path in files.select("stage", "role", "path").rows()
    }


def documents_path(manifest: Manifest, files: pl.DataFrame) -> Path:
    """The path of the documents that the files of a part are about."""
    (path,) = files.filter(pl.col("role") == "documents")["path"]
    return manifest.workspace / str(path)


def require_ledgers(paths: Iterable[Path]) -> None:
    """Raises FileNotFoundError naming the first ledger that is no longer there."""
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(2, "a ledger of this corpus is gone", str(path))
