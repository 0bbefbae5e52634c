"""A WARC file (ISO 28500, version 1.1) out of the HTML documentation that packages ship.

The pages are the projects' own, navigation and all, so that extraction has boilerplate to remove.
No server was asked: the HTTP headers of a record say only what is known, its type and length.
"""

import base64
import gzip
import hashlib
import io
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tamis.sample.archive import Member
from tamis.sample.catalog import Distribution, SampleError, Take

# Pages that print a whole change log or index: over this they are left out.
LARGEST_PAGE_BYTES = 700_000
# WARC-Date is mandatory; this stands for files without a date of their own.
NO_DATE = "2000-01-01T00:00:00Z"
# The standard library's table reads the machine's own files; this one is the same everywhere.
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
# Record ids are name-based UUIDs, so that the same pages give the same bytes.
RECORDS = uuid.uuid5(uuid.NAMESPACE_URL, "tag:tamis,2026:sample/web.warc.gz")


@dataclass(frozen=True)
class Page:
    """One file of a documentation, under the address at which the project publishes it."""

    url: str
    member: Member
    origin: Distribution

    @property
    def content_type(self) -> str:
        """The media type that a web server would give the file, by its name."""
        return MEDIA_TYPES.get(Path(self.member.path).suffix.lower(), "application/octet-stream")

    @property
    def record_id(self) -> str:
        """The WARC-Record-ID of the page's response record."""
        return record_id("response", self.url, self.member.data)


def page_of(member: Member, origin: Distribution, take: Take) -> Page | None:
    """The page of a file, or None when it is too large.

    Raises SampleError when the take lacks `base_url`.
    """
    if take.base_url is None:
        raise SampleError(
            f"tamis/sample/packages.json: {origin.name}: a take for `web` needs `base_url`."
        )
    if len(member.data) > LARGEST_PAGE_BYTES:
        return None
    return Page(take.base_url + member.path.removeprefix(take.strip), member, origin)


def record_id(kind: str, url: str, payload: bytes) -> str:
    """A UUID made of what the record holds."""
    name = f"{kind} {url} {hashlib.sha256(payload).hexdigest()}"
    return f"<urn:uuid:{uuid.uuid5(RECORDS, name)}>"


def digest(payload: bytes) -> str:
    """SHA-1 in base 32, the form that crawlers write and readers check."""
    return "sha1:" + base64.b32encode(hashlib.sha1(payload).digest()).decode()


def write_record(stream: BinaryIO, headers: Sequence[tuple[str, str]], block: bytes) -> None:
    """Append one record as a gzip member of its own, without time or file name in its header."""
    lines = ["WARC/1.1", *(f"{name}: {value}" for name, value in headers)]
    lines += [f"WARC-Block-Digest: {digest(block)}", f"Content-Length: {len(block)}"]
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    compressed = io.BytesIO()
    with gzip.GzipFile("", "wb", 6, compressed, mtime=0) as member:
        member.write(head + block + b"\r\n\r\n")
    stream.write(compressed.getvalue())


def write_warc(path: Path, pages: Sequence[Page]) -> None:
    """Write a warcinfo record and, ordered by address, a response record for every page."""
    information = (
        b"software: tamis.sample\r\nformat: WARC File Format 1.1\r\n"
        b"description: HTML documentation out of source distributions; see ORIGINS.tsv\r\n"
    )
    with path.open("wb") as stream:
        write_record(
            stream,
            [
                ("WARC-Type", "warcinfo"),
                ("WARC-Record-ID", record_id("warcinfo", path.name, information)),
                ("WARC-Date", NO_DATE),
                ("WARC-Filename", path.name),
                ("Content-Type", "application/warc-fields"),
            ],
            information,
        )
        for page in sorted(pages, key=lambda page: page.url):
            payload = page.member.data
            block = (
                f"HTTP/1.1 200 OK\r\nContent-Type: {page.content_type}\r\n"
                f"Content-Length: {len(payload)}\r\n\r\n"
            ).encode() + payload
            write_record(
                stream,
                [
                    ("WARC-Type", "response"),
                    ("WARC-Record-ID", page.record_id),
                    ("WARC-Date", page.member.timestamp or NO_DATE),
                    ("WARC-Target-URI", page.url),
                    ("WARC-Payload-Digest", digest(payload)),
                    ("Content-Type", "application/http; msgtype=response"),
                ],
                block,
            )
