"""Candidates: texts that may become documents, with the reason of those that do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.task import Json
from stages.synthesize.diversity import Fault
from stages.synthesize.json_lines import read_lines, write_lines

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
    write_lines(path, map(asdict, candidates))


def read_candidates(path: Path) -> Iterator[Candidate]:
    """The candidates of a file, in order."""
    for content in read_lines(path):
        fault = content.pop("fault")
        yield Candidate(**content, fault=None if fault is None else Fault(**fault))
