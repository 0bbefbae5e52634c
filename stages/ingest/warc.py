"""WARC and WET, read through FastWARC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from stages.ingest.config import SourceConfig
from stages.ingest.http import decoded_body, is_html
from stages.ingest.record import Found, Outcome, Page, Quarantined, Skipped, excerpt
from stages.ingest.stream import ByteStream, Damage

_NEXT_RECORD = b"\r\n\r\nWARC/"
_WANTED = (WarcRecordType.response, WarcRecordType.resource, WarcRecordType.conversion)


def read_warc(
    path: Path, relative: str, source: SourceConfig, raw_bytes: int
) -> Iterator[Outcome | Page]:
    """The records of a WARC or WET file: pages to extract, texts of conversion records, and the
    rest as skipped (``warcinfo``, ``warc_request``, ``http_404``, ``not_html``, …).

    The locator is ``<relative>#<WARC-Record-ID>``; a record without id, or with one that the file
    had before, gets its offset in the decompressed file (``@<offset>``). Quarantined:
    ``truncated_record`` (the file ends inside a record), ``bad_warc_header``,
    ``bad_content_encoding``, ``invalid_utf8`` (conversion records), and damage of the stream
    together with the record that it cuts. After damage, reading goes on at the next record that
    can be found: the next gzip member that begins with one, or the next record header. Raises
    OSError when the file cannot be read.
    """
    reader = _WarcReader(relative, source, raw_bytes)
    with ByteStream(path, relative) as stream:
        while True:
            yield from reader.records(stream)
            if stream.damage is not None:
                found = stream.resume(b"WARC/")
            else:
                found = reader.lost_at is not None and _skip_to_record(stream, reader.lost_at)
            if not found:
                return


def _skip_to_record(stream: ByteStream, position: int) -> bool:
    """Goes to the first record header after ``position``, which the stream has kept."""
    stream.back_to(position)
    window = b""
    while block := stream.read():
        window += block
        stream.keep_from(stream.position - len(window))
        place = window.find(_NEXT_RECORD)
        if place >= 0:
            stream.back_to(stream.position - len(window) + place + 4)
            return True
        window = window[-len(_NEXT_RECORD) + 1 :]
    return False


class _WarcReader:
    def __init__(self, relative: str, source: SourceConfig, raw_bytes: int) -> None:
        self.relative = relative
        self.source = source
        self.raw_bytes = raw_bytes
        self.seen: set[str] = set()
        self.lost_at: int | None = None

    def records(self, stream: ByteStream) -> Iterator[Outcome | Page]:
        """Records until the stream ends, is damaged, or shows no record header where one must be;
        then ``lost_at`` is where to search on."""
        searched = stream.position
        self.lost_at = None
        stream.keep_from(searched)
        archive = ArchiveIterator(cast(BinaryIO, stream), stream_detect=False)
        told: str | None = None
        while True:
            try:
                record = next(archive, None)
            except OSError as error:
                if error.errno is not None:  # the file, not the record
                    raise
                if stream.damage is None:
                    self.lost_at = searched
                    yield self._damaged(Damage("bad_warc_header", str(error)), searched, b"", 0)
                    return
                record = None
            if record is None:
                break
            offset = record.stream_pos
            outcome = self._outcome(record, offset, stream)
            told = outcome.reason if isinstance(outcome, Quarantined) else None
            searched = offset + record.content_length
            stream.keep_from(searched)
            yield outcome
        if stream.damage is not None and told != stream.damage.reason:
            yield self._damaged(stream.damage, searched, b"", 0)

    def _outcome(self, record: WarcRecord, offset: int, stream: ByteStream) -> Outcome | Page:
        declared = record.headers.get("Content-Length")
        length = record.content_length
        body = record.reader.read(min(length, self.raw_bytes)) if length else b""
        size = len(body)
        if size < length:
            size += record.reader.consume(length - size)
        if declared is None or size < length:
            cut = Damage("truncated_record", f"{size} of {length} bytes are there")
            if declared is None:
                cut = Damage("truncated_record", "the record's header has no Content-Length")
            return self._damaged(stream.damage or cut, offset, body, size)
        kind = record.record_type
        locator = self._locator(record, offset)
        if kind not in _WANTED:
            word = str(kind)
            return Skipped(word if word == "warcinfo" else f"warc_{word}", locator, size)
        if length > self.raw_bytes:
            return Skipped("too_long", locator, size)
        if kind == WarcRecordType.conversion:
            return self._conversion(record, body, locator)
        if kind == WarcRecordType.resource:
            content_type = record.headers.get("Content-Type") or ""
            return self._page(record, body, content_type, None, locator)
        return self._response(record, body, locator)

    def _response(self, record: WarcRecord, body: bytes, locator: str) -> Outcome | Page:
        if not record.is_http or not record.is_http_parsed:
            return Skipped("not_http", locator, len(body))
        headers = record.http_headers
        if headers.status_code != 200:
            status = headers.status_code
            reason = "http_no_status" if status is None else f"http_{status}"
            return Skipped(reason, locator, len(body))
        try:
            decoded = decoded_body(
                body,
                headers.get("Transfer-Encoding") or "",
                headers.get("Content-Encoding") or "",
                self.raw_bytes,
            )
        except ValueError as error:
            begin = excerpt(body)
            return Quarantined("bad_content_encoding", locator, str(error), begin, len(body))
        content_type = headers.get("Content-Type") or ""
        return self._page(record, decoded, content_type, record.http_charset, locator)

    def _page(
        self, record: WarcRecord, body: bytes, content_type: str, charset: str | None, locator: str
    ) -> Outcome | Page:
        if not is_html(content_type, body):
            return Skipped("not_html", locator, len(body))
        url, timestamp = _said(record, "WARC-Target-URI"), _said(record, "WARC-Date")
        return Page(body, charset, locator, url, timestamp)

    def _conversion(self, record: WarcRecord, body: bytes, locator: str) -> Outcome:
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            return Quarantined("invalid_utf8", locator, str(error), excerpt(body), len(body))
        url, timestamp = _said(record, "WARC-Target-URI"), _said(record, "WARC-Date")
        return Found(text, locator, len(body), url, timestamp, self.source.license)

    def _locator(self, record: WarcRecord, offset: int) -> str:
        name = record.record_id
        locator = f"{self.relative}#{name.strip('<> ')}" if name else f"{self.relative}#"
        if not name or locator in self.seen:
            locator += f"@{offset}"
        self.seen.add(locator)
        return locator

    def _damaged(self, damage: Damage, offset: int, begin: bytes, size: int) -> Quarantined:
        locator = f"{self.relative}#@{offset}"
        return Quarantined(damage.reason, locator, damage.detail, excerpt(begin), size)


def _said(record: WarcRecord, header: str) -> str | None:
    value = record.headers.get(header)
    return value.strip("<> ") if value else None
