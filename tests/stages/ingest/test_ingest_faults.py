"""A disk that fails and memory that is short are no damage: the task fails, and nothing is kept."""

import errno
import gzip
import json
import os
import random
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from pipeline.source import InputFile
from pipeline.store import Store
from pipeline.task import execute
from stages.ingest.config import IngestConfig, SourceConfig
from stages.ingest.jsonl import read_jsonl
from stages.ingest.parquet import read_parquet
from stages.ingest.record import Outcome, Page, Quarantined
from stages.ingest.stage import IngestFiles
from stages.ingest.warc import read_warc

LIMIT = 10_000_000
NOISE = random.Random(1)
TEXTS = [NOISE.randbytes(20_000).hex() for _ in range(200)]
SOURCE = SourceConfig(name="s", path="x")
LINES = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS).encode()
RECORDS = [
    b"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Record-ID: <urn:x:%d>\r\n"
    b"Content-Length: %d\r\n\r\n%s\r\n\r\n" % (n, len(text), text.encode())
    for n, text in enumerate(TEXTS)
]
ZSTD = zstandard.ZstdCompressor()
CONTENTS: dict[str, bytes] = {
    "a.jsonl": LINES,
    "a.jsonl.gz": gzip.compress(LINES, 1),
    "a.jsonl.zst": ZSTD.compress(LINES),
    "a.warc": b"".join(RECORDS),
    "a.warc.gz": b"".join(gzip.compress(record, 1) for record in RECORDS),
}


def outcomes(path: Path) -> Iterator[Outcome | Page]:
    if path.suffix == ".parquet":
        return read_parquet(path, path.name, SOURCE)
    read: Callable[..., Iterator[Outcome | Page]]
    read = read_warc if ".warc" in path.name else read_jsonl
    return read(path, path.name, SOURCE, LIMIT)


def fail_from_now_on(path: Path) -> None:
    """Puts a folder in the place of the open file: every further read is a real EISDIR."""
    folder = os.open(path.parent, os.O_RDONLY)
    for link in list(Path("/proc/self/fd").iterdir()):
        if link.is_symlink() and link.readlink() == path:
            os.dup2(folder, int(link.name))
    os.close(folder)


@pytest.mark.parametrize("name", [*CONTENTS, "a.parquet"])
def test_a_disk_that_fails_in_the_middle_is_no_damage(raw: Path, name: str) -> None:
    path = raw / name
    if name in CONTENTS:
        path.write_bytes(CONTENTS[name])
    else:
        pq.write_table(pa.table({"text": TEXTS}), path, row_group_size=20)
    whole = list(outcomes(path))
    assert len(whole) == len(TEXTS)
    reading = outcomes(path)
    found = [next(reading)]
    fail_from_now_on(path)
    with pytest.raises(IsADirectoryError) as caught:
        found += reading
    assert caught.value.errno == errno.EISDIR
    assert found == whole[: len(found)]
    assert len(found) < len(whole)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.warc", "a.txt"])
def test_a_task_over_a_file_that_cannot_be_read_fails_and_says_so(
    tmp_path: Path, name: str
) -> None:
    file = InputFile(name, "/proc/self/mem", 10, "0")  # its first byte is an EIO
    (task,) = IngestFiles(IngestConfig()).tasks(SOURCE, [file])
    with pytest.raises(
        OSError, match=f"source s: {name} could not be read .*same command"
    ) as caught:
        execute(task, Store(tmp_path))
    assert caught.value.errno == errno.EIO
    assert not list(tmp_path.rglob("quarantine.jsonl"))


def test_too_many_open_files_are_no_damage_of_a_parquet_file(raw: Path) -> None:
    path = raw / "a.parquet"
    pq.write_table(pa.table({"text": ["a"]}), path)
    assert len(list(outcomes(path))) == 1
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with pytest.raises(OSError, match="open files") as caught:
            list(outcomes(path))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.errno == errno.EMFILE
    path.write_bytes(path.read_bytes()[:-4])
    (damaged,) = outcomes(path)
    assert isinstance(damaged, Quarantined)


SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
from stages.ingest.stream import ByteStream
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (600_000_000, 600_000_000))
with ByteStream(path, path.name) as stream:
    try:
        stream.read()
    except MemoryError as error:
        print("MemoryError", stream.damage)
"""


def test_too_little_memory_for_a_zstd_window_is_no_damage(raw: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    path = raw / "a.txt.zst"
    path.write_bytes(compressor.compress(b"a" * 100) + compressor.flush())
    done = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY, str(path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
        check=True,
    )
    assert done.stdout == "MemoryError None\n"


def test_every_row_of_a_damaged_row_group_is_counted(raw: Path, ingest: Any) -> None:
    path = raw / "a.parquet"
    table = pa.table({"text": [text[:300] for text in TEXTS]})
    pq.write_table(table, path, row_group_size=50, compression="zstd", use_dictionary=False)
    data = bytearray(path.read_bytes())
    metadata = pq.read_metadata(path)
    for group in (1, 3):
        column = metadata.row_group(group).column(0)
        data[column.data_page_offset : column.data_page_offset + 200] = bytes(200)
    path.write_bytes(bytes(data))
    found = ingest()
    assert found.counts["records"] == len(TEXTS)
    assert found.counts["quarantined"] == {"parquet_row_group": 100}
    assert [(entry["locator"], entry["rows"]) for entry in found.quarantine] == [
        ("a.parquet#50", 50),
        ("a.parquet#150", 50),
    ]
    assert len(found.texts) == 100
