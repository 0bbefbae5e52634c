"""What reading one record can come to: a document, a page to extract, damage, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

EXCERPT = 500
"""Characters of a damaged record that the quarantine file shows."""


@dataclass(frozen=True, slots=True)
class Found:
    """A document's text, not yet normalised, and what came with it. ``size`` is the record's raw
    size in bytes; ``metadata`` is a JSON object or None."""

    text: str
    locator: str
    size: int
    url: str | None = None
    timestamp: str | None = None
    license: str | None = None
    metadata: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """An HTML page whose text is still to be extracted. ``charset`` is what the server said."""

    payload: bytes
    charset: str | None
    locator: str
    url: str | None
    timestamp: str | None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A damaged record: why, where, in detail, and how it begins. ``rows`` is how many records
    are lost with it (a row group holds many)."""

    reason: str
    locator: str
    detail: str
    excerpt: str
    size: int
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Skipped:
    """A whole record that holds no document, such as an HTTP request: why, and where. What is made,
    not read, cannot be looked up at its locator: ``detail``, ``excerpt`` and ``metadata`` (a JSON
    object) say what it was."""

    reason: str
    locator: str
    size: int
    detail: str = ""
    excerpt: str = ""
    metadata: str | None = None


Outcome: TypeAlias = Found | Quarantined | Skipped


def excerpt(data: bytes) -> str:
    """The beginning of raw bytes as text; bytes that are not UTF-8 are written as ``\\xff``."""
    return data[:EXCERPT].decode("utf-8", "backslashreplace")[:EXCERPT]
