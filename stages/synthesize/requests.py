"""Requests to a model, written down before anything is asked: JSON lines, in chunks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pipeline.task import Json
from stages.synthesize.json_lines import read_lines, write_lines


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
        contents = [_content(request) for request in islice(remaining, chunk)]
        if not contents:
            break
        written += write_lines(folder / f"requests-{number:05d}.jsonl", contents)
    return written


def read_requests(path: Path) -> list[Request]:
    """The requests of one file, in order."""
    return [
        Request(content["id"], tuple(content["messages"]), content["about"])
        for content in read_lines(path)
    ]


def _content(request: Request) -> dict[str, Json]:
    return {"id": request.id, "messages": list(request.messages), "about": dict(request.about)}
