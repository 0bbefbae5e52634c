"""Records of benchmark files: JSON lines, JSON, CSV, Parquet, Arrow; packed or not; folders too."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import zstandard

from pipeline.draft import RecipeError
from pipeline.task import Json

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_PARQUET = b"PAR1"
_ARROW_FILE = b"ARROW1"
_ARROW_STREAM = b"\xff\xff\xff\xff"
_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".ndjson")
_NO_TABLES = {
    ".jsonl": "JSON lines",
    ".ndjson": "JSON lines",
    ".json": "JSON",
    ".parquet": "Parquet",
    ".arrow": "Arrow",
}
"""What files of these names are, which CSV is not."""
_PACKED = (".gz", ".zst")
_SHOWN = 60
"""Characters shown of a file's first line."""
_LONGEST_FIELD = 1 << 30
"""Bytes of a CSV field; Python's own limit of 128 KiB is less than a long passage."""
_SPLIT = re.compile(r"(train|test|validation|valid|val|dev)(?![a-z])", re.IGNORECASE)
_SAVED_DATASET = ("dataset_info.json", "state.json", "dataset_dict.json", "dataset_infos.json")


class BenchmarkError(RecipeError):
    """A benchmark file that cannot be used: file, record, what it has, and the cure."""


class Record(NamedTuple):
    """A record, with the file and the number (from 1) that it has there."""

    path: Path
    number: int
    fields: Mapping[str, Json]


def read_records(
    path: Path, columns: Sequence[str] | None = None, usual: Sequence[str] = ()
) -> Iterator[Record]:
    """The records of a file, or of all the files of a folder in the order of their names.

    What a file is, its first bytes say; text that is no JSON is CSV, unless the file's name says
    otherwise. ``columns`` name the columns of a CSV file that has no
    line of names; ``usual`` do so where the first of them does not stand in the first line.
    Raises BenchmarkError.
    """
    for file in _files(path):
        for number, fields in enumerate(_file_records(file, columns, usual), 1):
            if not isinstance(fields, Mapping):
                raise BenchmarkError(
                    f"{file}: record {number} is not a record with named fields, but"
                    f" {json.dumps(fields, ensure_ascii=False)[:60]}. Make every record an object."
                )
            yield Record(file, number, fields)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    if (path / "dataset_dict.json").is_file():
        splits = json.loads((path / "dataset_dict.json").read_text(encoding="utf-8"))["splits"]
        _one_split(path, splits)
        path = path / splits[0]
    if (path / "state.json").is_file():
        state = json.loads((path / "state.json").read_text(encoding="utf-8"))
        files = [path / str(file["filename"]) for file in state["_data_files"]]
    else:
        files = [file for file in sorted(path.rglob("*")) if _is_data(file)]
        _one_split(path, sorted({found[0].lower() for f in files if (found := _split_of(f))}))
    if not files:
        raise BenchmarkError(
            f"{path}: holds none of the files {', '.join(_SUFFIXES)} (.gz, .zst). Name the"
            " benchmark's file, or a folder that a dataset was saved to."
        )
    return files


def _is_data(path: Path) -> bool:
    name = path.name
    for packing in _PACKED:
        name = name.removesuffix(packing)
    return name.endswith(_SUFFIXES) and name not in _SAVED_DATASET and not name.startswith("cache-")


def _split_of(path: Path) -> re.Match[str] | None:
    return _SPLIT.match(path.name)


def _one_split(folder: Path, splits: Sequence[str]) -> None:
    if len(splits) > 1:
        raise BenchmarkError(
            f"{folder}: holds several splits: {', '.join(splits)}. Name the file or the folder of"
            " the one that must not be in the corpus: training splits are no benchmark."
        )


def _file_records(
    path: Path, columns: Sequence[str] | None, usual: Sequence[str]
) -> Iterator[Mapping[str, Json]]:
    content = _unpacked(path)
    if content.startswith(_PARQUET):
        yield from pq.read_table(pa.BufferReader(content)).to_pylist()
        return
    if content.startswith((_ARROW_FILE, _ARROW_STREAM)):
        stream = content.startswith(_ARROW_STREAM)
        open_arrow = pyarrow.ipc.open_stream if stream else pyarrow.ipc.open_file
        yield from open_arrow(pa.BufferReader(content)).read_all().to_pylist()
        return
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BenchmarkError(
            f"{path}: is not UTF-8 ({error}). Give it as JSON lines, JSON, CSV or Parquet."
        ) from None
    start = text.lstrip()[:1]
    if columns is None and start == "[":
        yield from _json(path, text)
    elif columns is None and start == "{":
        yield from _json_lines(path, text)
    elif start:
        ending = next((end for end in reversed(path.suffixes) if end in _SUFFIXES), "")
        named = _NO_TABLES.get(ending)
        if named is not None and columns is None:
            raise BenchmarkError(
                f"{path}: is not {named}, as its name says: it begins with `{_beginning(text)}`."
                " Fetch the file again, or name it .csv if it is CSV."
            )
        yield from _rows(path, text, columns, usual)


def _beginning(text: str) -> str:
    line = text.lstrip().splitlines()[0]
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def _unpacked(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        if content.startswith(_GZIP):
            return gzip.decompress(content)
        if content.startswith(_ZSTD):
            return zstandard.ZstdDecompressor().stream_reader(content).read()
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise BenchmarkError(f"{path}: cannot be read: {error}. Fetch the file again.") from None
    return content


def _rows(
    path: Path, text: str, columns: Sequence[str] | None, usual: Sequence[str]
) -> Iterator[Mapping[str, Json]]:
    csv.field_size_limit(_LONGEST_FIELD)
    tabs = ".tsv" in path.suffixes
    rows = csv.reader(
        io.StringIO(text, newline=""),
        delimiter="\t" if tabs else ",",
        quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
    )
    names = columns
    any_row = False
    try:
        for row in rows:
            if not row:
                continue
            if names is None:
                named = not usual or usual[0] in [name.casefold() for name in row]
                names = row if named else usual
                if named:
                    continue
            any_row = True
            yield dict(zip(names, row, strict=False))
    except csv.Error as error:
        raise BenchmarkError(
            f"{path}:{rows.line_num}: is not CSV: {error}. Repair the line or fetch the file again."
        ) from None
    if not any_row:
        raise BenchmarkError(
            f"{path}: was read as CSV, of which `{_beginning(text)}` is the line of names, and has"
            " no records. Give the benchmark as JSON lines, JSON, CSV, Parquet or Arrow; where a"
            " CSV file has no line of names, set csv_columns."
        )


def _json(path: Path, text: str) -> Iterator[Mapping[str, Json]]:
    try:
        yield from json.loads(text)
    except ValueError as error:
        raise BenchmarkError(f"{path}: is not JSON: {error}. Fetch the file again.") from None


def _json_lines(path: Path, text: str) -> Iterator[Mapping[str, Json]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            if number == 1 and (whole := _whole_json(text)) is not None:
                yield from whole
                return
            raise BenchmarkError(
                f"{path}:{number}: is not JSON: {error}. Repair the line or fetch the file again."
            ) from None
        if isinstance(record, Mapping) and isinstance(record.get("examples"), list):
            yield from record["examples"]
        else:
            yield record


def _whole_json(text: str) -> list[Mapping[str, Json]] | None:
    """Records of a JSON file that is one object over many lines (BIG-Bench Hard: examples)."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    examples = content.get("examples") if isinstance(content, Mapping) else None
    return list(examples) if isinstance(examples, list) else [content]
