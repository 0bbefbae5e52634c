"""Candidates: texts that may become documents, with the reason of those that do not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.synthesize.diversity import Fault

Json = Any

CANDIDATES_FILE = "candidates.jsonl"


@dataclass(frozen=True)
class Candidate:
    """A text that may become a document; ``fault`` says why it does not. ``seed`` and ``skill`` are
    what caps count by."""

    locator: str
    text: str
    metadata: Mapping[str, Json]
    seed: str
    skill: str
    fault: Fault | None = None


def write_candidates(path: Path, candidates: list[Candidate]) -> None:
    """Writes one candidate a line."""
    lines = [json.dumps(asdict(candidate), sort_keys=True) + "\n" for candidate in candidates]
    path.write_text("".join(lines), encoding="utf-8")


def read_candidates(path: Path) -> Iterator[Candidate]:
    """The candidates of a file, in order."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            content = json.loads(line)
            fault = content.pop("fault")
            yield Candidate(**content, fault=None if fault is None else Fault(**fault))
