"""JSON lines: one object a line, plain or compressed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.ingest.config import SourceConfig
from stages.ingest.fields import Fields
from stages.ingest.record import Found, Outcome, Quarantined, Skipped, excerpt
from stages.ingest.stream import BLOCK, ByteStream

_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r"


def read_jsonl(
    path: Path, relative: str, source: SourceConfig, raw_bytes: int
) -> Iterator[Outcome]:
    """The records of a JSON-lines file, in order.

    Line numbers count from 1. Blank lines are no records. A line longer than ``raw_bytes`` is
    skipped as ``too_long`` without being held in memory. Quarantined: ``broken_json``,
    ``not_an_object``, ``invalid_utf8``, what ``Fields.found`` says, and the damage of the stream
    together with the line that it cuts. Raises OSError when the file cannot be read.
    """
    fields = Fields(source, relative)
    with ByteStream(path, relative) as stream:
        for number, line, size in _lines(stream, raw_bytes):
            if line is None:
                yield Skipped("too_long", f"{relative}#{number}", size)
            elif stream.damage is not None:
                damage = stream.damage
                locator = f"{relative}#{number}"
                yield Quarantined(damage.reason, locator, damage.detail, excerpt(line), size)
            elif not line.strip(_BLANK):
                continue
            else:
                yield _record(line, number, relative, fields)


def _record(line: bytes, number: int, relative: str, fields: Fields) -> Found | Quarantined:
    locator = f"{relative}#{number}"
    try:
        record = _parsed(line.decode())
    except UnicodeDecodeError as error:
        return Quarantined("invalid_utf8", locator, str(error), excerpt(line), len(line))
    except RecursionError:
        detail = "values are nested too deeply"
        return Quarantined("broken_json", locator, detail, excerpt(line), len(line))
    except ValueError as error:
        detail = f"{error}. Every line must be one JSON object."
        return Quarantined("broken_json", locator, detail, excerpt(line), len(line))
    if not isinstance(record, dict):
        detail = f"the line holds a {type(record).__name__}, not an object"
        return Quarantined("not_an_object", locator, detail, excerpt(line), len(line))
    return fields.found(record, number, len(line))


def _null(constant: str) -> None:
    """NaN and the infinities are no JSON, but common: they are read as null."""


_DECODER = json.JSONDecoder(parse_constant=_null)


def _parsed(line: str) -> Any:
    """The value of a line. ``json.loads`` with an argument makes a decoder each time, and a decoder
    looks for white space around the value: nearly every line is a bare object."""
    if line.startswith("{"):
        value, end = _DECODER.raw_decode(line)
        if end == len(line):
            return value
    return json.loads(line, parse_constant=_null)


def _lines(stream: ByteStream, limit: int) -> Iterator[tuple[int, bytes | None, int]]:
    """Lines with their number and size; None in place of a line longer than ``limit``.

    The last one comes without its line end. When the stream is damaged, ``damage`` is set before
    the last tuple (the cut line, maybe empty) is yielded, and not before.
    """
    number, tail, dropped = 1, stream.read(BLOCK).removeprefix(_BOM), 0
    held: list[bytes] = []
    while True:
        block, tail = tail, b""
        if not block:
            block = stream.read(BLOCK)
        if not block:
            break
        first, newline, rest = block.partition(b"\n")
        held.append(first)
        dropped += len(first)
        if dropped > limit:
            held.clear()
        if not newline:
            continue
        yield number, b"".join(held) if dropped <= limit else None, dropped
        held, dropped, number = [], 0, number + 1
        lines = rest.split(b"\n")
        tail = lines.pop()
        for line in lines:
            yield number, line if len(line) <= limit else None, len(line)
            number += 1
    if dropped > limit:
        yield number, None, dropped
        dropped = 0
    if dropped or stream.damage is not None:
        yield number, b"".join(held), dropped
