"""Benchmarks: what their fields hold, and the sequences to look for that each item makes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pipeline.stage import StageConfig, file_setting, setting
from pipeline.task import Json
from stages.decontaminate.records import BenchmarkError, Record, read_records
from stages.decontaminate.registry import ROLES, Definition, Field, definition

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PASSAGE = re.compile(r"\A\s*Passage:\s*(.*?)\n\s*(Question:.*)\Z", re.DOTALL)
_LEADING = re.compile(r"\A\s*(?:Question|Q)\s*:\s*")
_OPTIONS = re.compile(r"\A(.+?)\n\s*(?:Options|Choices):\s*\n(.+)\Z", re.DOTALL)
_OPTION = re.compile(r"\s*\(?([A-Z])[.)]\s*(.*)")
_TRAILING = re.compile(r"\s*(?:Answer|A)\s*:\s*\Z")
_CALCULATOR = re.compile(r"<<[^<>\n]*>>")
"""GSM8K's calculator annotations, which few copies keep."""


class BenchmarkConfig(StageConfig):
    """A benchmark: its file, and which fields hold what unless its name has a ready definition."""

    path: str = file_setting(
        about="JSON lines, JSON, CSV, TSV, Parquet or Arrow, packed with gzip or zstd or not; or a"
        " folder of such files, such as a dataset saved to disk"
    )
    definition: str | None = setting(
        None, about="Ready definition to read the file by; without it, the benchmark's own name"
    )
    question: str | None = setting(None, about="Field of the question or prompt")
    choices: str | tuple[str, ...] | None = setting(
        None, about="Field of the choices (a list), or a list of fields with a choice each"
    )
    answer: str | None = setting(
        None, about="Field of the answer: text, or a choice's number (from 0), letter or label"
    )
    solution: str | None = setting(None, about="Field of the worked solution")
    passage: str | None = setting(None, about="Field of the passage that the question is about")
    ending: str | None = setting(
        None, about="Field of the text that goes on behind each choice, which begins a sentence"
    )
    id: str | None = setting(None, about="Field of the item's name; without it, its number from 0")
    code: bool | None = setting(
        None, about="Whether the items are programs: a prompt that the solution goes on with"
    )
    csv_columns: tuple[str, ...] | None = setting(
        None, about="Column names of a CSV file that has no line of names"
    )
    action: Literal["drop", "mask"] | None = setting(
        None, about="What becomes of documents that hold an item; without it, the stage's `action`"
    )

    def resolve(self, name: str) -> Definition:
        """The definition to read the file by. Raises ValueError when nothing says which fields."""
        given: dict[str, Any] = {
            role: (getattr(self, role),) for role in ROLES if getattr(self, role)
        }
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
        required = tuple(role for role in ROLES if role in given or role in ready.required)
        code = ready.code if self.code is None else self.code
        return replace(ready, **given, required=required, code=code)


@dataclass(frozen=True)
class Sequence:
    """A text to look for: which benchmark and item it is from, and what part of the item it is."""

    benchmark: str
    item: str
    name: str
    text: str


def read_sequences(name: str, path: Path, config: BenchmarkConfig) -> tuple[list[Sequence], int]:
    """The sequences of a benchmark, in the file's order, and its number of items.

    A question makes ``question``; with choices ``question_choices`` (lettered, as it is printed);
    with an answer, or else a solution, ``question_answer``; with a passage ``passage_question``; a
    worked solution ``solution``, and ``solution_annotated`` where it has calculator annotations.
    Sentences that choices complete make ``completed_1``, ``completed_2`` and so on.
    Programs make ``prompt``, ``prompt_solution`` and ``solution``.
    Raises BenchmarkError.
    """
    ready = config.resolve(name)
    usual = [field for field in ready.columns if field]
    fields: dict[str, Field] = {}
    latest: Path | None = None
    sequences: list[Sequence] = []
    items = 0
    for record in read_records(path, config.csv_columns, usual):
        if record.path != latest:
            fields, latest = _fields(name, record, ready), record.path
        values = {role: _value(name, record, role, field) for role, field in fields.items()}
        item = str(values["id"]) if values.get("id") is not None else str(items)
        parts = _program(values) if ready.code else _question(values, ready.gap)
        sequences += [Sequence(name, item, part, text) for part, text in parts]
        items += 1
    if not items:
        raise BenchmarkError(
            f"{path}: the benchmark `{name}` has no records. Give its full file, or take it out."
        )
    return sequences, items


def _fields(name: str, record: Record, ready: Definition) -> dict[str, Field]:
    """The field of each role that a file has, judged by its first record."""
    fields: dict[str, Field] = {}
    for role in ROLES:
        possible: tuple[Field, ...] = getattr(ready, role)
        found = [field for field in possible if _inner(record.fields, field)[0]]
        if found:
            fields[role] = found[0]
        elif role in ready.required:
            raise _missing(name, record, role, " or ".join(_named(field) for field in possible))
    return fields


def _value(name: str, record: Record, role: str, field: Field) -> Json:
    there, value = _inner(record.fields, field)
    if not there:
        raise _missing(name, record, role, _named(field))
    if role == "question" and (isinstance(value, Mapping) or not _text(value).strip()):
        fields = _names(value) if isinstance(value, Mapping) else ""
        what = f"has fields of its own: {fields}" if fields else "is empty"
        cure = (
            f"Name one, as in `{field}.{next(iter(value))}`"
            if isinstance(value, Mapping) and value
            else "Repair the record or take it out"
        )
        raise BenchmarkError(
            f"{record.path}: record {record.number}: the field {_named(field)} {what}. {cure}, or"
            f" set benchmarks.{name}.{role} to another field."
        )
    return value


def _missing(name: str, record: Record, role: str, field: str) -> BenchmarkError:
    return BenchmarkError(
        f"{record.path}: record {record.number}: there is no field {field} for the {role}; it has"
        f" {_names(record.fields)}. Set benchmarks.{name}.{role} to the field that holds the"
        f" {role}, or repair the record."
    )


def _names(fields: Mapping[str, Json]) -> str:
    return ", ".join(f"`{key}`" for key in fields) or "no fields"


def _named(field: Field) -> str:
    return f"`{field}`" if isinstance(field, str) else " + ".join(f"`{one}`" for one in field)


def _inner(record: Json, field: Field) -> tuple[bool, Json]:
    """Whether a record has a field, and its value; of several fields, their values."""
    if not isinstance(field, str):
        found = [_inner(record, one) for one in field]
        return all(there for there, _ in found), [value for _, value in found]
    if isinstance(record, Mapping) and field in record:
        return True, record[field]
    head, dot, tail = field.partition(".")
    if dot and isinstance(record, Mapping) and head in record:
        return _inner(record[head], tail)
    return False, None


def _program(values: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    prompt, solution = _text(values["question"]), _text(values.get("solution"))
    yield "prompt", prompt
    if solution:
        between = "" if prompt.endswith("\n") else "\n"
        yield "prompt_solution", f"{prompt}{between}{solution}"
        yield "solution", solution


def _question(values: Mapping[str, Json], gap: str) -> Iterator[tuple[str, str]]:
    question, passage = _text(values.get("question")), _text(values.get("passage"))
    texts, labels = _choices(values.get("choices"))
    if not passage and (parted := _PASSAGE.match(question)):
        passage, question = parted.groups()
    question = _TRAILING.sub("", _LEADING.sub("", question)).strip()
    if (parted := _OPTIONS.match(question)) and (listed := _listed(parted[2])):
        question = parted[1]
        texts, labels = [text for _, text in listed], [label for label, _ in listed]
    if gap or values.get("ending"):
        yield from _completed(question, texts, gap, _text(values.get("ending")))
        return
    yield "question", question
    if texts:
        lettered = (f"{label}. {text}" for label, text in zip(labels, texts, strict=True))
        yield "question_choices", "\n".join([question, *lettered])
    solution = _text(values.get("solution"))
    printed = _CALCULATOR.sub("", solution)
    answer = _answer(values.get("answer"), texts, labels)
    if answer or printed:
        yield "question_answer", f"{question}\n{answer or printed}"
    if passage:
        yield "passage_question", f"{passage}\n{question}"
    if solution:
        yield "solution", printed
    if printed != solution:
        yield "solution_annotated", solution


def _completed(
    question: str, choices: list[str], gap: str, ending: str
) -> Iterator[tuple[str, str]]:
    """Sentences made complete: choices in a gap, or before their common ending."""
    for number, choice in enumerate(choices, 1):
        whole = f"{choice} {ending}" if ending else question.replace(gap, choice)
        yield f"completed_{number}", whole


def _listed(text: str) -> list[tuple[str, str]]:
    """(label, text) of choices that stand in lines, or nothing if a line is no choice."""
    found = [_OPTION.fullmatch(line) for line in text.strip().split("\n")]
    return [(one[1], one[2]) for one in found if one] if all(found) else []


def _text(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return "\n".join(_text(inner) for inner in value)
    return str(value)


def _choices(value: Json) -> tuple[list[str], list[str]]:
    """Texts and labels of choices: strings, records with text and label, the two as lists, or a
    record with a choice as each name."""
    if isinstance(value, Mapping):
        listed = value.get("text", value.get("choices"))
        texts = [_text(text) for text in (value if listed is None else listed)]
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
        label = value.strip("() ") if isinstance(value, str) else value
        if label in labels:
            return texts[labels.index(label)]
        if isinstance(label, int) or (isinstance(label, str) and label.isdigit()):
            index = int(label)
            if 0 <= index < len(texts):
                return texts[index]
    return _text(value)
