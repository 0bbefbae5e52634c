"""Write documents as JSON lines, Parquet and plain files: the same documents give the same bytes.

Byte for byte this holds for one version of zlib, zstd and pyarrow; other versions may compress the
same content differently.
"""

import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from tamis.sample.documents import Document

ROW_GROUP = 1_000


def json_lines(documents: Sequence[Document]) -> bytes:
    """One JSON object a line, fields in a fixed order, UTF-8."""
    lines = (json.dumps(document.record(), ensure_ascii=False) for document in documents)
    return "".join(f"{line}\n" for line in lines).encode()


def write_json_lines(path: Path, documents: Sequence[Document]) -> None:
    """Write .jsonl, .jsonl.gz or .jsonl.zst, as the name says."""
    data = json_lines(documents)
    if path.suffix == ".gz":
        packed = io.BytesIO()
        with gzip.GzipFile("", "wb", 6, packed, mtime=0) as stream:
            stream.write(data)
        data = packed.getvalue()
    elif path.suffix == ".zst":
        data = zstandard.ZstdCompressor(level=9, write_checksum=True).compress(data)
    path.write_bytes(data)


def write_parquet(path: Path, documents: Sequence[Document]) -> None:
    """Write a Parquet file (zstd) with a string column for every field of the documents."""
    table = pa.Table.from_pylist(
        [document.record() for document in documents],
        schema=pa.schema(
            [(name, pa.large_string() if name == "text" else pa.string()) for name in FIELDS]
        ),
    )
    pq.write_table(table, path, compression="zstd", row_group_size=ROW_GROUP)


FIELDS = ("text", "url", "timestamp", "license", "package", "version", "path", "kind")


def file_name(document: Document) -> str:
    """Where a document lies below its folder when every document is a file of its own."""
    stem, _, part = document.path.partition("#part=")
    path = Path(f"{document.origin.name}-{document.origin.version}", stem)
    return (path.with_stem(f"{path.stem}.part{part}") if part else path).as_posix()


def write_files(directory: Path, documents: Sequence[Document]) -> None:
    """Write every document as a file of its own, `NAME-VERSION/path` below `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    for document in documents:
        path = directory / file_name(document)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(document.text.encode())
