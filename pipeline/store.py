"""The workspace on disk: outputs in folders named by fingerprint, whole or not there at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from manifests.schema import RECEIPT
from pipeline.fingerprint import sha256_of_file

_TEMPORARY = ".writing"
_FLUSHED_AT_ONCE = 8


@dataclass(frozen=True)
class Store:
    """Files of one workspace. Every process of a run sees the same folder (local disk or NFS)."""

    root: Path

    def path(self, relative: str) -> Path:
        """The absolute path of a file or folder of the workspace."""
        return self.root / relative

    def receipt(self, output: str) -> dict[str, Any] | None:
        """What lies beside a whole output: ``output``, ``files`` (sizes and checksums by name),
        ``value``, ``seconds``. None when the output is not there, or not whole: without a receipt
        that can be read, or with a file that is missing or of another size."""
        folder = self.path(output)
        try:
            receipt: dict[str, Any] = json.loads((folder / RECEIPT).read_text())
            for name, checked in receipt["files"].items():
                if (folder / name).stat().st_size != checked["bytes"]:
                    return None
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return None
        return receipt

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
                if self.receipt(output) is None:
                    shutil.rmtree(target)
                    temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def seal(self, folder: Path) -> Mapping[str, Mapping[str, Any]]:
        """Sizes and checksums of the files in a finished folder, by name; flushed to disk.

        So what a power cut leaves is whole or not there: the bytes of every file are on the disk
        before the folder gets its name. Neither the receipt nor the name is waited for: where they
        are lost, or the receipt is half there, there is no output, and its task runs again. All
        files are flushed at once, since a file system writes its journal for all that wait.
        """
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        flushed = [_flushing_threads().submit(_flush, path) for path in paths]
        try:
            return {
                path.relative_to(folder).as_posix(): {
                    "bytes": path.stat().st_size,
                    "sha256": sha256_of_file(path),
                }
                for path in paths
            }
        finally:
            for done in flushed:
                done.result()

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


@lru_cache(maxsize=1)
def _flushing_threads() -> ThreadPoolExecutor:
    """Threads that wait for the disk, kept: starting them takes longer than most tasks' files."""
    return ThreadPoolExecutor(_FLUSHED_AT_ONCE, "flush")


if hasattr(os, "register_at_fork"):
    # a forked process has none of them
    os.register_at_fork(after_in_child=_flushing_threads.cache_clear)


def _flush(path: Path) -> None:
    """Has a file on the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
