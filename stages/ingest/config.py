"""What a recipe says about a source and about ingest, and which format a file name means."""

from __future__ import annotations

import fnmatch
from typing import Literal

from pydantic import field_validator

from pipeline.source import SourceBase
from pipeline.stage import StageConfig, setting

Format = Literal["warc", "wet", "jsonl", "parquet", "text"]

_SUFFIXES: tuple[tuple[str, Format], ...] = (
    (".warc.wet", "wet"),
    (".warc", "warc"),
    (".wet", "wet"),
    (".jsonl", "jsonl"),
    (".ndjson", "jsonl"),
    (".json", "jsonl"),
    (".parquet", "parquet"),
)
_COMPRESSIONS = (".gz", ".zst")
_UNREAD_COMPRESSIONS = (".bz2", ".xz", ".lz4", ".lzma", ".br", ".7z", ".zip", ".snappy")

RAW_BYTES_PER_TEXT_BYTE = 8
"""Records whose raw form is larger than this many times ``max_document_bytes`` are not looked at:
JSON escapes one byte as six at most, UTF-32 takes four, and HTML is mostly not text."""


class SourceConfig(SourceBase):
    """A source of documents: its files, their format, and where a record keeps what."""

    format: Literal["auto", "warc", "wet", "jsonl", "parquet", "text"] = setting(
        "auto",
        about="Format of the files; auto goes by file name: .warc, .wet, .jsonl, .ndjson, .json,"
        " .parquet, each but Parquet also .gz or .zst; any other name is one document of text",
    )
    exclude: tuple[str, ...] = setting(
        (), about="Files to leave out: globs over relative paths, where * also crosses folders"
    )
    text_field: str = setting(
        "text", about="Field or column of the text; dots lead into nested fields", min_length=1
    )
    id_field: str | None = setting(
        None, about="Field of a record id, which then stands in the locator instead of the number"
    )
    url_field: str | None = setting("url", about="Field of the URL, where a record has it")
    timestamp_field: str | None = setting(
        "timestamp", about="Field of the time of writing or crawling, where a record has it"
    )
    license_field: str | None = setting(
        "license", about="Field of the licence, where a record has it"
    )
    license: str | None = setting(
        None, about="Licence of every document that does not name its own (SPDX where possible)"
    )
    extractor: Literal["resiliparse", "trafilatura", "none"] = setting(
        "resiliparse",
        about="What takes the text out of HTML; none keeps the HTML",
        source="measured: resiliparse F1 .895 at 1,096 pages/s, trafilatura .942 at 72",
    )
    encoding: str = setting("utf-8", about="Encoding of text files (a Python codec name)")

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, encoding: str) -> str:
        try:
            b"a".decode(encoding)
        except UnicodeError:
            return encoding  # one byte is too little for some encodings
        except (LookupError, ValueError):
            raise ValueError(
                f"there is no text encoding {encoding!r}; use a name that Python knows, such as"
                " utf-8 or cp1252"
            ) from None
        return encoding


class IngestConfig(StageConfig):
    """Sizes and limits of ingest; the same for all sources."""

    part_bytes: int = setting(
        128_000_000, about="A documents part is closed when its text reaches this size", ge=1
    )
    task_bytes: int = setting(
        128_000_000, about="Files are read together in one task up to this many bytes", ge=1
    )
    row_group_bytes: int = setting(
        8_000_000, about="Text bytes of a Parquet row group: what later stages hold at once", ge=1
    )
    max_document_bytes: int = setting(
        10_000_000,
        about="Longer documents are skipped as too_long (UTF-8 bytes)",
        ge=1,
        le=500_000_000,
    )
    extraction_seconds: float = setting(
        60.0, about="CPU time for one HTML page; its process is then killed", gt=0
    )
    extraction_memory_bytes: int = setting(
        4_000_000_000, about="Address space of the process that extracts HTML", ge=500_000_000
    )

    @property
    def raw_bytes(self) -> int:
        """Raw records larger than this are ``too_long`` unread."""
        return RAW_BYTES_PER_TEXT_BYTE * self.max_document_bytes


def file_format(source: SourceConfig, relative: str) -> Format:
    """The format of a file of the source, from the recipe or the file's name.

    Raises ValueError for a record format in a compression that ingest does not read: an unknown
    one, or any for Parquet, which compresses by itself.
    """
    if source.format != "auto":
        return source.format
    name = relative.lower()
    for compression in _COMPRESSIONS:
        name = name.removesuffix(compression)
    for suffix, found in _SUFFIXES:
        if not name.endswith(suffix):
            continue
        if found == "parquet" and name != relative.lower():
            raise ValueError(
                f"source {source.name}: {relative} is Parquet inside another compression, which"
                " ingest does not read. Unpack the file, or put it under `exclude`."
            )
        return found
    for compression in _UNREAD_COMPRESSIONS:
        inner = name.removesuffix(compression)
        if inner != name and inner.endswith(tuple(suffix for suffix, _ in _SUFFIXES)):
            raise ValueError(
                f"source {source.name}: {relative} is compressed as {compression}, which ingest"
                " does not read. Compress it again as .gz or .zst, or put it under `exclude`."
            )
    return "text"


def is_excluded(source: SourceConfig, relative: str) -> bool:
    """Whether the recipe leaves the file out."""
    return any(fnmatch.fnmatchcase(relative, pattern) for pattern in source.exclude)
