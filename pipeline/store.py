"""The workspace on disk: outputs in folders named by fingerprint, whole or not there at all."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.fingerprint import sha256_of_file

RECEIPT = "receipt.json"
"""The file that marks an output folder as whole; written last."""

_TEMPORARY = ".writing"


@dataclass(frozen=True)
class Store:
    """Files of one workspace. Every process of a run sees the same folder (local disk or NFS)."""

    root: Path

    def path(self, relative: str) -> Path:
        """The absolute path of a file or folder of the workspace."""
        return self.root / relative

    def receipt_json(self, output: str) -> str | None:
        """The receipt of an output folder, or None when the output is not there."""
        try:
            return (self.path(output) / RECEIPT).read_text()
        except (FileNotFoundError, NotADirectoryError):
            return None

    @contextmanager
    def writing(self, output: str) -> Iterator[Path]:
        """A temporary folder that becomes ``output`` when the block ends without an error.

        When another process finished the same output first, that one stays: both hold the same
        bytes.
        """
        target = self.path(output)
        temporary = self.root / _TEMPORARY / f"{target.name}-{uuid.uuid4().hex}"
        temporary.mkdir(parents=True)
        try:
            yield temporary
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.rename(target)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                if not (target / RECEIPT).exists():
                    shutil.rmtree(target)
                    temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def seal(self, folder: Path) -> Mapping[str, Mapping[str, Any]]:
        """Sizes and checksums of the files in a finished folder, by name; flushed to disk."""
        files = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                files[path.relative_to(folder).as_posix()] = {
                    "bytes": path.stat().st_size,
                    "sha256": sha256_of_file(path),
                }
        return files

    def write_receipt(self, folder: Path, text: str) -> None:
        """Marks a temporary folder as whole."""
        (folder / RECEIPT).write_text(text)

    def replace_text(self, relative: str, text: str) -> None:
        """Writes a small text file so that a reader sees the old or the new one, never half."""
        target = self.path(relative)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}-{uuid.uuid4().hex}")
        temporary.write_text(text)
        temporary.replace(target)

    def clear_temporary(self) -> None:
        """Removes what killed runs left half-written. Call it only when no run is under way."""
        shutil.rmtree(self.root / _TEMPORARY, ignore_errors=True)
