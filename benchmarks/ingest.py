"""Reading raw files side by side: tamis's ingest tasks and datatrove's readers write Parquet.

    python -m benchmarks.ingest [FILE.jsonl[.gz|.zst] | FILE.parquet | FILE.warc[.wet][.gz] ...]

Without files it reads the sample's JSON lines, Parquet and WARC files, and a WET file made of the
JSON lines (a gzip member a record, as in Common Crawl). Both sides run in this process, one task,
one reader, and write zstd-compressed Parquet; they take turns, and the run of the least CPU time
of each counts, so that imports do not. Both extract HTML in one child process, whose CPU time is
counted. tamis's time holds what every ingest does: the checksum of the input, checks of every
record, Unicode NFC, a quarantine file, checksums of the output, and ``fsync``; and it compresses
at zstd's level 3, for the text is read many times, where datatrove's writer takes level 1.

HTML is read twice by tamis, with its default extractor (resiliparse) and with trafilatura, so that
the latter can be set beside datatrove's ``Trafilatura`` with the same options and patience. Records
without ``WARC-Identified-Payload-Type`` (those of the sample's WARC file) datatrove asks libmagic
about, and leaves out what is neither HTML nor plain text to it. The WET file has that header, which
Common Crawl's have not, so that both read the same documents; without it datatrove takes longer.
MB are those of the decompressed input; ratios are to tamis's first row.
datatrove needs ``pip install orjson warcio faust-cchardet python-magic``, and libmagic.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.peers import (
    SAMPLE,
    Spent,
    existing,
    open_plain,
    read_texts,
    silence_datatrove,
    timed,
)
from manifests.checksum import sha256_of_file
from pipeline.source import InputFile
from pipeline.store import Store
from pipeline.task import execute
from stages.ingest.config import IngestConfig, SourceConfig, file_format
from stages.ingest.stage import IngestFiles

DOCS = SAMPLE / "docs.jsonl.zst"
DEFAULT_FILES = (DOCS, SAMPLE / "math.parquet", SAMPLE / "web.warc.gz")
SECONDS_A_PAGE = 60.0
BLOCK = 1 << 20


def tamis(path: Path, folder: Path, **settings: str) -> list[Path]:
    """Ingests one file into a new store in ``folder``; returns its documents parts."""
    store = Store(Path(tempfile.mkdtemp(dir=folder)))
    source = SourceConfig.model_validate({"name": "sample", "path": path.name, **settings})
    file = InputFile(path.name, str(path), path.stat().st_size, sha256_of_file(path))
    ingest = IngestFiles(IngestConfig(extraction_seconds=SECONDS_A_PAGE))
    receipts = [r for task in ingest.tasks(source, [file]) for r in execute(task, store)]
    return [store.path(r.path(part["file"])) for r in receipts for part in r.value["parts"]]


def datatrove(path: Path, folder: Path) -> list[Path]:
    """One datatrove reader over the file, then its extractor and its writer; returns its files."""
    from datatrove.pipeline.extractors import Trafilatura
    from datatrove.pipeline.readers import JsonlReader, ParquetReader, WarcReader
    from datatrove.pipeline.writers import ParquetWriter

    where = {"data_folder": str(path.parent), "glob_pattern": path.name, "recursive": False}
    output = Path(tempfile.mkdtemp(dir=folder))
    readers = {"jsonl": JsonlReader, "parquet": ParquetReader, "warc": WarcReader}
    readers["wet"] = WarcReader
    steps: list[Any] = [readers[format_of(path)](**where)]
    if format_of(path) == "warc":
        seconds = int(SECONDS_A_PAGE)
        steps.append(Trafilatura(favour_precision=False, deduplicate=False, timeout=seconds))
    steps.append(ParquetWriter(str(output), compression="zstd"))
    data: Iterable[Any] | None = None
    for step in steps:
        data = step.run(data, 0, 1)
    deque(data or (), maxlen=0)
    return sorted(output.glob("*.parquet"))


def format_of(path: Path) -> str:
    """``jsonl``, ``parquet``, ``warc`` or ``wet``."""
    return file_format(SourceConfig(name="sample", path=path.name), path.name)


def write_wet(texts: Iterable[str], path: Path) -> None:
    """A WET file of texts: conversion records, each a gzip member."""
    with path.open("wb") as file:
        for number, text in enumerate(texts):
            body = text.encode()
            header = (
                "WARC/1.0\r\nWARC-Type: conversion\r\n"
                f"WARC-Target-URI: https://example.org/{number}\r\n"
                "WARC-Date: 2026-01-01T00:00:00Z\r\n"
                f"WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-{number:012d}>\r\n"
                "WARC-Identified-Payload-Type: text/plain\r\n"
                f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            file.write(gzip.compress(header.encode() + body + b"\r\n\r\n", mtime=0))


def contenders(path: Path, folder: Path) -> dict[str, Callable[[], list[Path]]]:
    """Who reads the file, by the word in the table."""
    if format_of(path) != "warc":
        return {"tamis": lambda: tamis(path, folder), "datatrove": lambda: datatrove(path, folder)}
    return {
        "tamis, resiliparse": lambda: tamis(path, folder),
        "tamis, trafilatura": lambda: tamis(path, folder, extractor="trafilatura"),
        "datatrove, trafilatura": lambda: datatrove(path, folder),
    }


def decompressed_bytes(path: Path) -> int:
    """Bytes of the file without its compression."""
    if format_of(path) == "parquet":
        rows = pq.ParquetFile(path).metadata
        groups = (rows.row_group(index) for index in range(rows.num_row_groups))
        return sum(group.total_byte_size for group in groups)
    with open_plain(path) as stream:
        return sum(len(block) for block in iter(lambda: stream.read(BLOCK), b""))


def documents(parts: Iterable[Path]) -> tuple[int, int]:
    """How many documents there are in Parquet files, and the UTF-8 bytes of their text."""
    texts = [pq.read_table(part, columns=["text"])["text"] for part in parts]
    sizes = [pc.sum(pc.binary_length(text)).as_py() or 0 for text in texts]
    return sum(len(text) for text in texts), sum(sizes)


def measured(
    contenders: dict[str, Callable[[], list[Path]]], runs: int
) -> dict[str, tuple[Spent, list[Path]] | ImportError]:
    """The run of the least CPU time of each, and what it wrote. They take turns, so that what else
    the machine does falls on all."""
    best: dict[str, tuple[Spent, list[Path]] | ImportError] = {}
    for _ in range(runs):
        for label, contender in contenders.items():
            before = best.get(label)
            if isinstance(before, ImportError):
                continue
            try:
                run = timed(contender)
            except ImportError as error:
                best[label] = error
                continue
            best[label] = run if before is None else min(before, run, key=lambda r: r[0].cpu)
    return best


def compare(path: Path, runs: int) -> None:
    """Prints the table of one file."""
    size = decompressed_bytes(path)
    print(f"{path.name}: {size / 1e6:.1f} MB decompressed, the best of {runs} runs")
    columns = ("documents", "text MB", "seconds", "CPU s", "documents/s", "MB/s", "MB/CPU s")
    print(" " * 24 + "".join(f"{name:>12}" for name in columns) + f"{'ratio':>8}{'CPU':>8}")
    first: Spent | None = None
    with tempfile.TemporaryDirectory() as name:
        for label, run in measured(contenders(path, Path(name)), runs).items():
            if isinstance(run, ImportError):
                print(f"{label:<24}  not run: {run}")
                continue
            spent, parts = run
            first = first or spent
            count, text = documents(parts)
            wall, cpu = spent
            print(
                f"{label:<24}{count:>12,}{text / 1e6:>12.1f}{wall:>12.2f}{cpu:>12.2f}"
                f"{count / wall:>12,.0f}{size / wall / 1e6:>12.1f}{size / cpu / 1e6:>12.1f}"
                f"{wall / first.wall:>7.1f}x{cpu / first.cpu:>7.1f}x"
            )


def main() -> None:
    """Prints a table for every file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="JSON lines, Parquet, WARC or WET")
    parser.add_argument("--runs", type=int, default=3, help="the best counts; 3 by default")
    given = parser.parse_args()
    silence_datatrove()
    for path in existing(path.resolve() for path in given.files or DEFAULT_FILES):
        compare(path, given.runs)
    if not given.files:
        with tempfile.TemporaryDirectory() as folder:
            wet = Path(folder) / "docs.warc.wet.gz"
            write_wet(read_texts([DOCS]), wet)
            compare(wet, given.runs)


if __name__ == "__main__":
    main()
