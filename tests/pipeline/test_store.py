"""Outputs on disk."""

from __future__ import annotations

import hashlib
import multiprocessing
from pathlib import Path

from pipeline.store import Store


def test_sealing_takes_sizes_and_checksums_of_all_files(tmp_path: Path) -> None:
    contents = {"a.bin": b"a" * 70_000, "empty": b"", "deep/er/b.txt": b"b\n"}
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert Store(tmp_path).seal(tmp_path) == {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }


def test_a_process_forked_from_one_that_sealed_seals_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    store = Store(tmp_path)
    store.seal(tmp_path)
    process = multiprocessing.get_context("fork").Process(target=store.seal, args=(tmp_path,))
    process.start()
    process.join(60)
    process.kill()
    assert process.exitcode == 0
