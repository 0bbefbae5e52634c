"""Reading raw files side by side: tamis's ingest tasks and datatrove's readers write Parquet.

    python -m benchmarks.ingest [FILE.jsonl[.gz|.zst] | FILE.warc[.gz] ...] [--runs 3]

Without files it reads the sample's JSON lines and its WARC file. Both sides run in this process,
one task, one reader, and write zstd-compressed Parquet; the run of the least CPU time counts, so
that imports do not. Both extract HTML in one child process, whose CPU time is counted. tamis's
time holds what every ingest does: the checksum of the input, checks of every record, Unicode NFC,
a quarantine file, checksums of the output, and ``fsync``.

HTML is read twice by tamis, with its default extractor (resiliparse) and with trafilatura, so that
the latter can be set beside datatrove's ``Trafilatura`` with the same options and patience. Records
without ``WARC-Identified-Payload-Type`` (the sample's) datatrove asks libmagic about, and leaves
out what is no HTML. MB are those of the decompressed input; ratios are to tamis's first row.
datatrove needs ``pip install orjson warcio faust-cchardet python-magic``, and libmagic.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.peers import SAMPLE, Spent, best_of, existing, open_plain, silence_datatrove
from manifests.checksum import sha256_of_file
from pipeline.source import InputFile
from pipeline.store import Store
from pipeline.task import execute
from stages.ingest.config import IngestConfig, SourceConfig, file_format
from stages.ingest.stage import IngestFiles

DEFAULT_FILES = (SAMPLE / "docs.jsonl.zst", SAMPLE / "web.warc.gz")
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
    from datatrove.pipeline.readers import JsonlReader, WarcReader
    from datatrove.pipeline.writers import ParquetWriter

    where = {"data_folder": str(path.parent), "glob_pattern": path.name, "recursive": False}
    output = Path(tempfile.mkdtemp(dir=folder))
    steps: list[Any]
    if is_html(path):
        extractor = Trafilatura(
            favour_precision=False, deduplicate=False, timeout=int(SECONDS_A_PAGE)
        )
        steps = [WarcReader(**where), extractor]
    else:
        steps = [JsonlReader(**where)]
    steps.append(ParquetWriter(str(output), compression="zstd"))
    data: Iterable[Any] | None = None
    for step in steps:
        data = step.run(data, 0, 1)
    deque(data or (), maxlen=0)
    return sorted(output.glob("*.parquet"))


def is_html(path: Path) -> bool:
    """Whether the file is one of web pages."""
    return file_format(SourceConfig(name="sample", path=path.name), path.name) == "warc"


def contenders(path: Path, folder: Path) -> dict[str, Callable[[], list[Path]]]:
    """Who reads the file, by the word in the table."""
    if not is_html(path):
        return {"tamis": lambda: tamis(path, folder), "datatrove": lambda: datatrove(path, folder)}
    return {
        "tamis, resiliparse": lambda: tamis(path, folder),
        "tamis, trafilatura": lambda: tamis(path, folder, extractor="trafilatura"),
        "datatrove, trafilatura": lambda: datatrove(path, folder),
    }


def decompressed_bytes(path: Path) -> int:
    """Bytes of the file without its compression."""
    with open_plain(path) as stream:
        return sum(len(block) for block in iter(lambda: stream.read(BLOCK), b""))


def documents(parts: Iterable[Path]) -> tuple[int, int]:
    """How many documents there are in Parquet files, and the UTF-8 bytes of their text."""
    texts = [pq.read_table(part, columns=["text"])["text"] for part in parts]
    sizes = [pc.sum(pc.binary_length(text)).as_py() or 0 for text in texts]
    return sum(len(text) for text in texts), sum(sizes)


def main() -> None:
    """Prints a table for every file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="JSON lines or WARC files")
    parser.add_argument("--runs", type=int, default=3, help="the best counts; 3 by default")
    given = parser.parse_args()
    silence_datatrove()
    for path in existing(path.resolve() for path in given.files or DEFAULT_FILES):
        size = decompressed_bytes(path)
        print(f"{path.name}: {size / 1e6:.1f} MB decompressed, the best of {given.runs} runs")
        columns = ("documents", "text MB", "seconds", "CPU s", "documents/s", "MB/s", "MB/CPU s")
        print(" " * 24 + "".join(f"{name:>12}" for name in columns) + f"{'ratio':>8}{'CPU':>8}")
        first: Spent | None = None
        with tempfile.TemporaryDirectory() as name:
            for label, contender in contenders(path, Path(name)).items():
                try:
                    spent, parts = best_of(given.runs, contender)
                except ImportError as error:
                    print(f"{label:<24}  not run: {error}")
                    continue
                first = first or spent
                count, text = documents(parts)
                wall, cpu = spent
                print(
                    f"{label:<24}{count:>12,}{text / 1e6:>12.1f}{wall:>12.2f}{cpu:>12.2f}"
                    f"{count / wall:>12,.0f}{size / wall / 1e6:>12.1f}{size / cpu / 1e6:>12.1f}"
                    f"{wall / first.wall:>7.1f}x{cpu / first.cpu:>7.1f}x"
                )


if __name__ == "__main__":
    main()
