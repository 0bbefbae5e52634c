"""What makes documents parts: ingest from raw files, synthesis from models and seeds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from pydantic import field_validator

from pipeline.stage import StageConfig, setting
from pipeline.task import Json, Receipt, Task

if TYPE_CHECKING:
    from pipeline.corpus import Corpus


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
        return plain_source_name(name)


def plain_source_name(name: str) -> str:
    """The name, when it can be one of a source. Raises ValueError when not."""
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


@dataclass(frozen=True)
class Made:
    """What a synthesis made. ``parts`` are receipts of tasks that wrote what tasks of ``Ingest``
    write, and returned what those return: a record is a sample that was asked for, so that every
    one of them is a document, damaged, or skipped for a reason. ``record`` is what the manifest
    says about it (models with checksums, the funnel), without times or paths of the machine;
    ``published`` are files for people, as in ``Artefacts``."""

    parts: Sequence[Receipt]
    record: Mapping[str, Json] = field(default_factory=dict)
    published: Mapping[str, str] = field(default_factory=dict)


class Synthesis(ABC, Generic[C]):
    """A source of documents that are made, not read: a maker. Its documents go through all stages
    like those of every other source."""

    name: ClassVar[str]
    """The maker's word in the catalog."""
    version: ClassVar[int]
    """Raised whenever the documents made of the same input would change."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Distributions whose version may change what is made."""
    Config: ClassVar[type[StageConfig]]
    summary: ClassVar[str]
    """One line for people."""

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Made]:
        """Yields rounds of tasks, is sent their receipts in the tasks' order, returns what came of
        them; see ``Stage.rounds``. ``corpus`` holds the parts that ingest wrote, without ledgers;
        ``corpus.stage`` is the name of the source that is made."""
