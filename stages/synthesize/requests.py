"""Requests to a model, written down before anything is asked: JSON lines, in chunks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

Json = Any


@dataclass(frozen=True)
class Request:
    """A conversation to continue. ``about`` is what its maker wants back with the completion: the
    seed, the template, the known answer. ``id`` is unique within the maker."""

    id: str
    messages: tuple[Mapping[str, str], ...]
    about: Mapping[str, Json] = field(default_factory=dict)


def write_requests(folder: Path, requests: Iterable[Request], chunk: int) -> int:
    """Writes ``requests-00000.jsonl`` …, ``chunk`` lines each; returns how many requests."""
    remaining, written = iter(requests), 0
    for number in range(1 << 30):
        lines = [_line(request) for request in islice(remaining, chunk)]
        if not lines:
            break
        name = f"requests-{number:05d}.jsonl"
        (folder / name).write_text("".join(lines), encoding="utf-8")
        written += len(lines)
    return written


def read_requests(path: Path) -> list[Request]:
    """The requests of one file, in order."""
    with path.open(encoding="utf-8") as lines:
        read = [json.loads(line) for line in lines]
    return [Request(line["id"], tuple(line["messages"]), line["about"]) for line in read]


def _line(request: Request) -> str:
    content = {"id": request.id, "messages": list(request.messages), "about": dict(request.about)}
    return json.dumps(content, sort_keys=True) + "\n"
