"""What turns raw files into documents parts: the contract between the runner and ingest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from pydantic import field_validator

from pipeline.stage import StageConfig, setting
from pipeline.task import Task


@dataclass(frozen=True)
class InputFile:
    """A raw file: its path relative to the source (stable, part of locators), where it lies on this
    machine, its size in bytes and its SHA-256."""

    relative: str
    location: str
    bytes: int
    sha256: str


class SourceBase(StageConfig):
    """What every source in a recipe says, whatever its format."""

    name: str = setting(about="The source's word in counts, shards and manifests")
    path: str | tuple[str, ...] = setting(
        about="Files: a path, a folder, or a glob (** for any depth), relative to the recipe; or a"
        " list of them"
    )

    @field_validator("name")
    @classmethod
    def _name_is_plain(cls, name: str) -> str:
        if not name or "\0" in name or name != name.strip():
            raise ValueError("a source's name is a word or a path of words, such as web/news")
        return name


S = TypeVar("S", bound=SourceBase)
C = TypeVar("C", bound=StageConfig)


class Ingest(ABC, Generic[S, C]):
    """Makes documents parts from the files of a source.

    Each task writes ``part-00000.parquet`` … (schema ``manifests.schema.DOCUMENTS``, rows in the
    order of file and record), ``quarantine.jsonl`` (damaged records: reason, locator, detail, an
    excerpt, how many rows) and ``skipped.jsonl`` (reason, locator), and returns::

        {"parts": [{"file": str, "rows": int, "text_bytes": int}],
         "records": int, "record_bytes": int,
         "quarantined": {reason: count}, "skipped": {reason: count}}

    with ``records = sum of rows + sum of quarantined + sum of skipped``.
    """

    name: ClassVar[str] = "ingest"
    version: ClassVar[int]
    libraries: ClassVar[tuple[str, ...]] = ()
    Config: ClassVar[type[StageConfig]]
    Source: ClassVar[type[SourceBase]]

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def tasks(self, source: S, files: Sequence[InputFile]) -> list[Task]:
        """The tasks of one source, in the order of its files (sorted by ``relative``)."""
