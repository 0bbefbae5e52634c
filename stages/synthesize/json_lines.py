"""Files of JSON lines: how rounds of synthesis hand records on, and how seeds are given."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from pipeline.task import Json


def write_lines(path: Path, records: Iterable[Mapping[str, Json]]) -> int:
    """Writes one record a line, keys sorted, so that equal records are equal bytes; how many."""
    lines = [json.dumps(record, sort_keys=True) + "\n" for record in records]
    path.write_text("".join(lines), encoding="utf-8")
    return len(lines)


def read_lines(path: Path) -> list[dict[str, Json]]:
    """The records of a file that ``write_lines`` wrote, in order."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def given_lines(path: Path, count: int | None) -> Iterator[tuple[str, str]]:
    """The lines of a file of people, ``.gz`` or not: of those that are not blank the first
    ``count`` (None: all), each after its place, ``name:number``, for messages and provenance."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        numbered = enumerate(lines, start=1)
        filled = ((f"{path.name}:{n}", line) for n, line in numbered if line.strip())
        yield from islice(filled, count)
