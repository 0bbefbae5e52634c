"""From a record with fields (a JSON line, a Parquet row) to a document."""

from __future__ import annotations

import datetime
import json
import math
from typing import Any

from stages.ingest.config import SourceConfig
from stages.ingest.record import EXCERPT, Found, Quarantined, excerpt

Record = dict[str, Any]


class Fields:
    """Takes the fields that a source names out of a record; what is left becomes metadata."""

    def __init__(self, source: SourceConfig, relative: str) -> None:
        self.source = source
        self.relative = relative
        self._locators: set[str] = set()

    def found(self, record: Record, number: int, size: int) -> Found | Quarantined:
        """The document in a record. ``number`` is its place in the file, ``size`` its raw bytes.

        Quarantined as ``missing_text``, ``text_not_a_string`` or ``invalid_utf8``. The record is
        taken apart.
        """
        source = self.source
        columns = list(record)
        identity = self._taken(record, source.id_field)
        locator = self._locator(identity, number)
        text = take(record, source.text_field)
        if text is None:
            detail = (
                f"there is no text in the field `{source.text_field}`; the record has:"
                f" {', '.join(columns)}. Set text_field in the recipe if the text is elsewhere."
            )
            return Quarantined("missing_text", locator, detail, _shown(record), size)
        if isinstance(text, bytes):
            try:
                text = text.decode()
            except UnicodeDecodeError as error:
                return Quarantined("invalid_utf8", locator, str(error), excerpt(text), size)
        if not isinstance(text, str):
            kind = type(text).__name__
            detail = f"the field `{source.text_field}` holds a {kind}, not a string"
            return Quarantined("text_not_a_string", locator, detail, _shown(text), size)
        url = self._taken(record, source.url_field)
        timestamp = self._taken(record, source.timestamp_field)
        license = self._taken(record, source.license_field)
        return Found(text, locator, size, url, timestamp, license or source.license, encode(record))

    def _taken(self, record: Record, path: str | None) -> str | None:
        value = None if path is None else take(record, path)
        if value is None or isinstance(value, str):
            return value
        return encode(value) if isinstance(value, dict | list) else _plain(value)

    def _locator(self, identity: str | None, number: int) -> str:
        """``<relative>#<number>``; with an id field, ``<relative>#<id>``, made unique within the
        file by appending the number when the id was there before."""
        if self.source.id_field is None:
            return f"{self.relative}#{number}"
        locator = f"{self.relative}#{number if identity is None else identity}"
        while locator in self._locators:
            locator += f"@{number}"
        self._locators.add(locator)
        return locator


def take(record: Record, path: str) -> Any:
    """Removes and returns the value at ``path`` (an exact key, else a dotted path), or None.

    Objects that are empty afterwards are removed too.
    """
    if path in record:
        return record.pop(path)
    first, dot, rest = path.partition(".")
    inner = record.get(first)
    if not dot or not isinstance(inner, dict):
        return None
    value = take(inner, rest)
    if not inner:
        del record[first]
    return value


def encode(value: dict[str, Any] | list[Any]) -> str | None:
    """A value as JSON with sorted keys, or None when it is empty. Numbers that JSON cannot write
    (infinities) become null."""
    if not value:
        return None
    try:
        return _ENCODE(value)
    except ValueError:
        return _ENCODE(_finite(value))


def _plain(value: Any) -> str:
    """What JSON has no word for, and numbers: dates in ISO 8601, bytes as text."""
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


_ENCODE = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain
).encode


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return value


def _shown(value: Any) -> str:
    return json.dumps(value, default=_plain, sort_keys=True)[:EXCERPT]
