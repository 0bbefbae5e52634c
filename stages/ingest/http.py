"""Undoing the encodings of an HTTP body as archived, and telling HTML from other content."""

from __future__ import annotations

import re
import zlib
from io import BytesIO

from fastwarc.stream_io import BrotliReader, ChunkedReader
from resiliparse.parse.encoding import detect_mime

_HTML = ("text/html", "application/xhtml+xml")
_UNSAID = ("", "*/*", "unknown/unknown", "application/octet-stream", "application/x-unknown")
_HTML_START = re.compile(
    rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_CHUNK = re.compile(rb"[0-9a-fA-F]{1,8}[ \t]*(?:;[^\r\n]*)?\r?\n")
_SNIFFED = 1024
_BINARY = ("application/", "image/", "audio/", "video/", "font/")


def decoded_body(body: bytes, transfer: str, content: str, limit: int) -> bytes:
    """The body without its transfer and content encodings, cut after ``limit`` bytes.

    Crawlers often store decoded bodies under the old headers, so an encoding is undone only where
    the bytes look like it. Raises ValueError for damaged or unknown encodings.
    """
    if "chunked" in transfer.lower() and _CHUNK.match(body):
        try:
            body = ChunkedReader(BytesIO(body)).read(limit)
        except OSError as error:
            raise ValueError(f"chunked transfer encoding: {error}") from None
    for coding in reversed([word.strip().lower() for word in content.split(",")]):
        body = _uncoded(body, coding, limit)
    return body


def _uncoded(body: bytes, coding: str, limit: int) -> bytes:
    if coding in ("", "identity", "utf-8", "none"):
        return body
    try:
        if coding in ("gzip", "x-gzip"):
            gzipped = body.startswith(b"\x1f\x8b")
            return zlib.decompressobj(31).decompress(body, limit) if gzipped else body
        if coding == "deflate":
            if body[:1] == b"<":
                return body
            window = 15 if body[:1] == b"\x78" else -15
            return zlib.decompressobj(window).decompress(body, limit)
        if coding == "br":
            decoded: bytes = BrotliReader(BytesIO(body)).read(limit)
            return decoded
    except (zlib.error, OSError) as error:
        raise ValueError(f"{coding} content encoding: {error}") from None
    raise ValueError(f"content encoding {coding} is not known")


def is_html(content_type: str, body: bytes) -> bool:
    """Whether a body is HTML: what the server says, unless it says nothing or the bytes say that
    it is a picture, an archive or the like."""
    said = content_type.partition(";")[0].strip().lower()
    if said in _HTML:
        found: str = detect_mime(body[:_SNIFFED])
        return not found.startswith(_BINARY) or found in (
            "application/xhtml+xml",
            "application/xml",
            "application/octet-stream",
        )
    return said in _UNSAID and _HTML_START.match(body[:_SNIFFED]) is not None
