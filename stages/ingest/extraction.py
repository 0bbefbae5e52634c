"""From the bytes of an HTML page to its text, in a child process: see ``extractor_process.py``."""

from __future__ import annotations

import logging

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5

EXTRACTORS = ("resiliparse", "trafilatura", "none")


def decode_html(payload: bytes, charset: str | None) -> tuple[str, str]:
    """The page as a string, and the encoding used.

    UTF-8 is tried first, whatever the server says: bytes that are valid UTF-8 by chance are
    practically unheard of, wrong headers are common. Then the server's word, the page's own, and
    detection (uchardet). Bytes that are invalid in the encoding become U+FFFD, as in browsers.
    """
    plain = b"\x1b" not in payload and b"\0" not in payload
    if plain:
        try:
            return payload.decode("utf-8-sig"), "utf-8"
        except UnicodeDecodeError:
            pass
    encoding = map_encoding_to_html5(charset, fallback_utf8=False) if charset else None
    if encoding is None:
        encoding = detect_encoding(payload, from_html_meta=True) or "utf-8"
    return bytes_to_str(payload, encoding, errors="replace"), encoding


def extract_text(html: str, extractor: str) -> str:
    """The main content of a page as plain text, blocks apart by line breaks; may be empty.

    Raises ValueError for an unknown extractor, and whatever the extractor raises.
    """
    if extractor == "resiliparse":
        text: str = extract_plain_text(
            html, main_content=True, preserve_formatting=True, alt_texts=False, comments=False
        )
        return text
    if extractor == "trafilatura":
        return _trafilatura(html)
    if extractor == "none":
        return html
    raise ValueError(f"there is no extractor {extractor}; known: {', '.join(EXTRACTORS)}")


class _Log(logging.Handler):
    """Keeps what trafilatura says about errors that it does not raise."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


_QUIET = ("Document is empty", "discarding data", "empty HTML tree", "parsed tree length")
"""Parts of trafilatura's messages about pages that are just empty or no HTML."""


def _trafilatura(html: str) -> str:
    """Trafilatura's text. Where it is empty because of an error that trafilatura only logs (no
    memory for the tree, a page beyond its own limit), raises ValueError."""
    import trafilatura

    log, logger = _Log(), logging.getLogger("trafilatura")
    logger.addHandler(log)
    logger.propagate = False
    try:
        text = trafilatura.extract(html, include_comments=False) or ""
    finally:
        logger.removeHandler(log)
    errors = [m for m in log.messages if not any(quiet in m for quiet in _QUIET)]
    if not text and errors:
        raise ValueError("; ".join(errors))
    return text
