"""Text and source files: one document a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stages.ingest.config import SourceConfig
from stages.ingest.record import Found, Outcome, Quarantined, Skipped, excerpt
from stages.ingest.stream import ByteStream


def read_text(path: Path, relative: str, source: SourceConfig, raw_bytes: int) -> Iterator[Outcome]:
    """The file as one document; its locator is its relative path.

    A byte-order mark is no text. Larger than ``raw_bytes``: skipped as ``too_long``. Quarantined:
    damage of the stream (the text before it is no whole document and is not kept), ``nul_bytes``,
    and ``invalid_<encoding>``. Raises OSError when the file cannot be read.
    """
    with ByteStream(path, relative) as stream:
        data = stream.read_up_to(raw_bytes + 1)
        damage = stream.damage
    if damage is not None:
        yield Quarantined(damage.reason, relative, damage.detail, excerpt(data), len(data))
        return
    if len(data) > raw_bytes:
        yield Skipped("too_long", relative, len(data))
        return
    try:
        text = data.decode(source.encoding)
    except UnicodeDecodeError as error:
        reason = "nul_bytes" if b"\0" in data else f"invalid_{error.encoding.replace('-', '')}"
        yield Quarantined(reason, relative, str(error), excerpt(data), len(data))
        return
    yield Found(text.removeprefix("\ufeff"), relative, len(data), license=source.license)
