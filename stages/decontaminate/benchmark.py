"""Benchmark files: reading their records, and making of each item the sequences to look for."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from pipeline.stage import StageConfig, file_setting, setting
from stages.decontaminate.registry import ROLES, Definition, definition

Json = Any

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LEADING = re.compile(r"\A\s*(?:Question|Q)\s*:\s*")
_CALCULATOR = re.compile(r"<<[^<>\n]*>>")
"""GSM8K's calculator annotations, which few copies keep."""
_TRAILING = re.compile(r"\s*(?:Answer|A)\s*:\s*\Z")


class BenchmarkConfig(StageConfig):
    """A benchmark: its file, and which fields hold what unless its name has a ready definition."""

    path: str = file_setting(
        about="JSON lines, a JSON list, CSV or Parquet, gzipped or not, or a folder of Arrow or"
        " Parquet files (a dataset saved to disk)"
    )
    definition: str | None = setting(
        None, about="Ready definition to read the file by; without it, the benchmark's own name"
    )
    question: str | None = setting(None, about="Field of the question or prompt")
    choices: str | None = setting(None, about="Field of the choices (a list)")
    answer: str | None = setting(
        None, about="Field of the answer: text, or a choice's number (from 0), letter or label"
    )
    solution: str | None = setting(None, about="Field of the worked solution")
    passage: str | None = setting(None, about="Field of the passage that the question is about")
    id: str | None = setting(None, about="Field of the item's name; without it, its number from 0")
    code: bool | None = setting(
        None, about="Whether the items are programs: a prompt that the solution goes on with"
    )
    csv_columns: tuple[str, ...] | None = setting(
        None, about="Column names of a CSV file that has no line of names"
    )

    def resolve(self, name: str) -> Definition:
        """The definition to read the file by. Raises ValueError when nothing says which fields."""
        given = {role: (getattr(self, role),) for role in ROLES if getattr(self, role)}
        if self.question is not None and self.definition is None:
            return Definition(
                **given,
                required=tuple(role for role in ROLES if role in given),
                code=bool(self.code),
            )
        try:
            ready = definition(self.definition or name)
        except KeyError as error:
            raise ValueError(str(error.args[0])) from None
        merged = {role: getattr(ready, role) for role in ROLES} | given
        required = tuple(role for role in ROLES if role in given or role in ready.required)
        code = ready.code if self.code is None else self.code
        return Definition(**merged, required=required, code=code)


@dataclass(frozen=True)
class Sequence:
    """A text to look for: which benchmark and item it is from, and what part of the item it is."""

    benchmark: str
    item: str
    name: str
    text: str


class BenchmarkError(ValueError):
    """A benchmark file that cannot be used: file, record, what it has, and the cure."""


def read_sequences(name: str, path: Path, config: BenchmarkConfig) -> tuple[list[Sequence], int]:
    """The sequences of a benchmark, in the file's order, and its number of items.

    A question makes ``question``; with choices ``question_choices`` (lettered, as it is printed);
    with an answer, or else a solution, ``question_answer``; with a passage ``passage_question``; a
    worked solution ``solution``, and ``solution_annotated`` where it has calculator annotations.
    Programs make ``prompt``, ``prompt_solution`` and ``solution``.
    Raises BenchmarkError.
    """
    ready = config.resolve(name)
    fields: dict[str, str] | None = None
    sequences: list[Sequence] = []
    items = 0
    for number, record in enumerate(_records(path, config)):
        if fields is None:
            fields = _fields(name, path, record, ready)
        values = {
            role: _value(name, path, number, record, role, field) for role, field in fields.items()
        }
        item = str(values["id"]) if values.get("id") is not None else str(number)
        for part, text in _parts(values, ready.code):
            sequences.append(Sequence(name, item, part, text))
        items += 1
    if not items:
        raise BenchmarkError(
            f"{path}: the benchmark `{name}` has no records. Give its full file, or take it out."
        )
    return sequences, items


def _fields(name: str, path: Path, record: Mapping[str, Json], ready: Definition) -> dict[str, str]:
    fields = {}
    for role in ROLES:
        names: tuple[str, ...] = getattr(ready, role)
        found = [field for field in names if _inner(record, field)[0]]
        if found:
            fields[role] = found[0]
        elif role in ready.required:
            raise _missing(name, path, 0, record, role, " or ".join(f"`{n}`" for n in names))
    return fields


def _value(
    name: str, path: Path, number: int, record: Mapping[str, Json], role: str, field: str
) -> Json:
    there, value = _inner(record, field)
    if not there:
        raise _missing(name, path, number, record, role, f"`{field}`")
    return value


def _missing(
    name: str, path: Path, number: int, record: Mapping[str, Json], role: str, field: str
) -> BenchmarkError:
    return BenchmarkError(
        f"{path}: record {number + 1}: there is no field {field} for the {role}; it has"
        f" {', '.join(f'`{key}`' for key in record) or 'no fields'}."
        f" Set benchmarks.{name}.{role} to the field that holds the {role}, or repair the record."
    )


def _inner(record: Json, field: str) -> tuple[bool, Json]:
    if isinstance(record, Mapping) and field in record:
        return True, record[field]
    head, dot, tail = field.partition(".")
    if dot and isinstance(record, Mapping) and head in record:
        return _inner(record[head], tail)
    return False, None


def _parts(values: Mapping[str, Json], code: bool) -> Iterator[tuple[str, str]]:
    solution = _text(values.get("solution"))
    if code:
        prompt = _text(values["question"])
        yield "prompt", prompt
        if solution:
            yield (
                "prompt_solution",
                f"{prompt}\n{solution}" if prompt[-1:] != "\n" else (prompt + solution),
            )
            yield "solution", solution
        return
    question = _TRAILING.sub("", _LEADING.sub("", _text(values["question"])))
    passage = _text(values.get("passage"))
    texts, labels = _choices(values.get("choices"))
    answer = _answer(values.get("answer"), texts, labels)
    yield "question", question
    if texts:
        lettered = (f"{label}. {text}" for label, text in zip(labels, texts, strict=True))
        yield "question_choices", "\n".join([question, *lettered])
    printed = _CALCULATOR.sub("", solution)
    if answer or printed:
        yield "question_answer", f"{question}\n{answer or printed}"
    if passage:
        yield "passage_question", f"{passage}\n{question}"
    if solution:
        yield "solution", printed
    if printed != solution:
        yield "solution_annotated", solution


def _text(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return "\n".join(_text(inner) for inner in value)
    return str(value)


def _choices(value: Json) -> tuple[list[str], list[str]]:
    """Texts and labels of choices: strings, records with text and label, or the two as lists."""
    if isinstance(value, Mapping) and "text" in value:
        texts = [_text(text) for text in value["text"]]
        labels = [str(label) for label in value.get("label") or _LETTERS[: len(texts)]]
    elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        texts = [_text(choice.get("text")) for choice in value]
        labels = [str(choice.get("label", _LETTERS[i % 26])) for i, choice in enumerate(value)]
    elif isinstance(value, list | tuple):
        texts = [_text(choice) for choice in value]
        labels = [_LETTERS[i % 26] for i in range(len(texts))]
    else:
        return [], []
    return texts, labels if len(labels) == len(texts) else [""] * len(texts)


def _answer(value: Json, texts: list[str], labels: list[str]) -> str:
    """The answer as text: of a choice's label, or its number from 0, the choice."""
    if texts and value is not None and not isinstance(value, bool):
        if isinstance(value, str) and value in labels:
            return texts[labels.index(value)]
        if isinstance(value, int) or (isinstance(value, str) and value.isdigit()):
            index = int(value)
            if 0 <= index < len(texts):
                return texts[index]
    return _text(value)


def _records(path: Path, config: BenchmarkConfig) -> Iterator[Mapping[str, Json]]:
    """Records of a benchmark file, by what its first bytes say it is."""
    if path.is_dir():
        yield from _dataset(path)
        return
    try:
        content = path.read_bytes()
        if content.startswith(_GZIP):
            content = gzip.decompress(content)
    except (OSError, EOFError) as error:
        raise BenchmarkError(f"{path}: cannot be read: {error}. Fetch the file again.") from None
    if content.startswith(_PARQUET):
        yield from pq.read_table(pa.BufferReader(content)).to_pylist()
        return
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BenchmarkError(
            f"{path}: is not UTF-8 ({error}). Give it as JSON lines, JSON, CSV or Parquet."
        ) from None
    start = text.lstrip()[:1]
    if config.csv_columns is None and start == "[":
        yield from _json(path, text)
    elif config.csv_columns is None and start == "{":
        yield from _json_lines(path, text)
    elif start:
        rows = csv.DictReader(io.StringIO(text, newline=""), fieldnames=config.csv_columns)
        for row in rows:
            yield {str(key): value for key, value in row.items() if key is not None}


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


def _dataset(folder: Path) -> Iterator[Mapping[str, Json]]:
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".arrow", ".parquet"))
    if not files:
        raise BenchmarkError(
            f"{folder}: holds no Arrow or Parquet files. Name the benchmark's file, or a folder"
            " that a dataset was saved to."
        )
    for path in files:
        if path.suffix == ".parquet":
            yield from pq.read_table(path).to_pylist()
            continue
        with pa.OSFile(str(path)) as source:
            yield from pyarrow.ipc.open_stream(source).read_all().to_pylist()
