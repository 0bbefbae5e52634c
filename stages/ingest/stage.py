"""Ingest as the pipeline sees it: tasks over groups of files, and the function that runs one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.source import Ingest, InputFile
from pipeline.stage import split_config
from pipeline.task import Json, Task, TaskRun
from stages.ingest.config import IngestConfig, SourceConfig, file_format, is_excluded
from stages.ingest.extractor_process import Extractor
from stages.ingest.jsonl import read_jsonl
from stages.ingest.parquet import read_parquet
from stages.ingest.record import Outcome, Page
from stages.ingest.text import read_text
from stages.ingest.warc import read_warc
from stages.ingest.write import DocumentsWriter

_NOT_FINGERPRINTED_SOURCE = ("path", "exclude", "format")
"""Which files there are, and their formats, stands file by file in the task's arguments."""
_NOT_FINGERPRINTED_CONFIG = ("task_bytes",)


class IngestFiles(Ingest[SourceConfig, IngestConfig]):
    """Reads WARC, WET, JSON lines, Parquet, and text files into documents parts."""

    version = 2
    libraries = ("fastwarc", "resiliparse", "trafilatura", "unicode")
    Config = IngestConfig
    Source = SourceConfig

    def tasks(self, source: SourceConfig, files: Sequence[InputFile]) -> list[Task]:
        """Consecutive files, in path order, up to ``task_bytes`` a task; a larger file is a task.

        Raises ValueError for files of a format that cannot be read, and for a file name that could
        be taken for a record of another file.
        """
        kept = [file for file in files if not is_excluded(source, file.relative)]
        _check_names(source, kept)
        return [self._task(source, group) for group in _groups(kept, self.config.task_bytes)]

    def _task(self, source: SourceConfig, group: Sequence[InputFile]) -> Task:
        measured_source, measured_config = split_config(source)[0], split_config(self.config)[0]
        size = sum(file.bytes for file in group)
        more = f" and {len(group) - 1} more" if len(group) > 1 else ""
        return Task(
            function="stages.ingest.stage:ingest_files",
            folder="store/ingest/read",
            version=self.version,
            arguments={
                "source": _without(measured_source, _NOT_FINGERPRINTED_SOURCE),
                "config": _without(measured_config, _NOT_FINGERPRINTED_CONFIG),
                "files": [
                    {
                        "relative": file.relative,
                        "sha256": file.sha256,
                        "bytes": file.bytes,
                        "format": file_format(source, file.relative),
                    }
                    for file in group
                ],
            },
            label=f"ingest {source.name}: {group[0].relative}{more}",
            locations={file.relative: file.location for file in group},
            work=size,
        )


def ingest_files(run: TaskRun) -> Json:
    """Reads the files of one task; writes parts, ``quarantine.jsonl`` and ``skipped.jsonl``.
    Returns the counts that ``pipeline.source.Ingest`` defines.

    Raises ValueError when a Parquet file lacks the text column, OSError when a file cannot be read,
    MemoryError, and RuntimeError when the HTML extractor cannot work: faults of the recipe or the
    machine, which must not stay in the corpus as damage.
    """
    source = SourceConfig(path="", **run.arguments["source"])
    config = IngestConfig(**run.arguments["config"])
    writer = DocumentsWriter(run.output, source.name, config)
    extractor = Extractor(
        source.extractor,
        config.extraction_seconds,
        config.extraction_memory_bytes,
        source.license,
    )
    with extractor:
        for file in run.arguments["files"]:
            path = Path(run.locations[file["relative"]])
            for outcome in extractor.outcomes(_read(path, file, source, config)):
                writer.add(outcome)
    return writer.finish()


def _read(
    path: Path, file: Mapping[str, Json], source: SourceConfig, config: IngestConfig
) -> Iterator[Outcome | Page]:
    relative = file["relative"]
    try:
        yield from _reader(path, relative, file["format"], source, config)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(
            error.errno,
            f"source {source.name}: {relative} could not be read ({error.strerror or error})."
            " Nothing was taken for damage: see to the disk or the limits of this machine, then"
            " run the same command again",
        ) from error


def _reader(
    path: Path, relative: str, format: str, source: SourceConfig, config: IngestConfig
) -> Iterator[Outcome | Page]:
    match format:
        case "warc" | "wet":
            return read_warc(path, relative, source, config.raw_bytes)
        case "jsonl":
            return read_jsonl(path, relative, source, config.raw_bytes)
        case "parquet":
            return read_parquet(path, relative, source)
        case _:
            return read_text(path, relative, source, config.raw_bytes)


def _groups(files: Sequence[InputFile], limit: int) -> list[list[InputFile]]:
    groups: list[list[InputFile]] = []
    size = 0
    for file in files:
        if not groups or size + file.bytes > limit:
            groups.append([])
            size = 0
        groups[-1].append(file)
        size += file.bytes
    return groups


def _check_names(source: SourceConfig, files: Sequence[InputFile]) -> None:
    """A file named ``a.jsonl#7`` beside ``a.jsonl`` would share a locator with line 7 of it."""
    names = {file.relative for file in files}
    for file in files:
        place = file.relative.find("#")
        while place >= 0:
            if file.relative[:place] in names:
                raise ValueError(
                    f"source {source.name}: {file.relative} is named like a record of"
                    f" {file.relative[:place]}. Rename one of the two files, or `exclude` it."
                )
            place = file.relative.find("#", place + 1)


def _without(config: Mapping[str, Json], names: Sequence[str]) -> dict[str, Json]:
    return {name: value for name, value in config.items() if name not in names}
