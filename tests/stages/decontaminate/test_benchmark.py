"""Reading benchmark files: formats, definitions, sequences, and errors that say the cure."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

from stages.decontaminate.benchmark import BenchmarkConfig, BenchmarkError, read_sequences
from stages.decontaminate.registry import DEFINITIONS, definition

RECORDS = [
    {"question": "What is 2 + 2?", "answer": "Two and two is <<2+2=4>>4.\n#### 4"},
    {"question": "Où est l'été?", "answer": "Ici.\n#### 1"},
]


def read(name: str, path: Path, **config: Any) -> list[tuple[str, str, str]]:
    sequences, items = read_sequences(name, path, BenchmarkConfig(path=str(path), **config))
    assert items == len({sequence.item for sequence in sequences})
    assert {sequence.benchmark for sequence in sequences} == {name}
    return [(sequence.item, sequence.name, sequence.text) for sequence in sequences]


def written(folder: Path, form: str) -> Path:
    path = folder / f"benchmark.{form}"
    lines = "".join(json.dumps(record) + "\n" for record in RECORDS)
    if form == "jsonl":
        path.write_text(lines)
    elif form == "gz":
        path.write_bytes(gzip.compress(lines.encode()))
    elif form == "json":
        path.write_text(json.dumps(RECORDS, indent=1))
    elif form == "examples":
        path.write_text(json.dumps({"canary": "x", "examples": RECORDS}, indent=1))
    elif form == "csv":
        pa.csv = __import__("pyarrow.csv").csv
        pa.csv.write_csv(pa.Table.from_pylist(RECORDS), path)
    elif form == "parquet":
        pq.write_table(pa.Table.from_pylist(RECORDS), path)
    else:
        path.mkdir()
        table = pa.Table.from_pylist(RECORDS)
        with pyarrow.ipc.new_stream(path / "data-00000-of-00001.arrow", table.schema) as writer:
            writer.write_table(table)
    return path


@pytest.mark.parametrize("form", ["jsonl", "gz", "json", "examples", "csv", "parquet", "folder"])
def test_every_format_gives_the_same_sequences(tmp_path: Path, form: str) -> None:
    solved = "Two and two is 4.\n#### 4"
    assert read("gsm8k", written(tmp_path, form)) == [
        ("0", "question", "What is 2 + 2?"),
        ("0", "question_answer", f"What is 2 + 2?\n{solved}"),
        ("0", "solution", solved),
        ("0", "solution_annotated", RECORDS[0]["answer"]),
        ("1", "question", "Où est l'été?"),
        ("1", "question_answer", "Où est l'été?\nIci.\n#### 1"),
        ("1", "solution", "Ici.\n#### 1"),
    ]


@pytest.mark.parametrize(
    ("choices", "answer"),
    [
        (["red", "blue"], 1),
        (["red", "blue"], "1"),
        (["red", "blue"], "B"),
        ({"text": ["red", "blue"], "label": ["A", "B"]}, "B"),
        ([{"text": "red", "label": "A"}, {"text": "blue", "label": "B"}], "B"),
        (["red", "blue"], "blue"),
    ],
)
def test_choices_and_answers(tmp_path: Path, choices: object, answer: object) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"question": "Which?", "choices": choices, "answer": answer}))
    assert read("mmlu", path) == [
        ("0", "question", "Which?"),
        ("0", "question_choices", "Which?\nA. red\nB. blue"),
        ("0", "question_answer", "Which?\nblue"),
    ]


def test_fields_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('7,"Question: Who, then? Answer:",He.,A tale.\n')
    config = {
        "csv_columns": ("n", "q", "a", "p"),
        "question": "q",
        "answer": "a",
        "passage": "p",
        "id": "n",
    }
    assert read("mine", path, **config) == [
        ("7", "question", "Who, then?"),
        ("7", "question_answer", "Who, then?\nHe."),
        ("7", "passage_question", "A tale.\nWho, then?"),
    ]


def test_programs(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(
        json.dumps({"task_id": "HE/0", "prompt": "def f():\n", "canonical_solution": "  return 1"})
    )
    assert read("humaneval", path) == [
        ("HE/0", "prompt", "def f():\n"),
        ("HE/0", "prompt_solution", "def f():\n  return 1"),
        ("HE/0", "solution", "  return 1"),
    ]


def test_a_missing_field_names_file_record_fields_and_cure(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"question": "a", "answer": "b"}\n{"question": "c", "reply": "d"}\n')
    with pytest.raises(BenchmarkError) as error:
        read("gsm8k", path)
    assert str(error.value) == (
        f"{path}: record 2: there is no field `answer` for the solution; it has `question`,"
        " `reply`. Set benchmarks.gsm8k.solution to the field that holds the solution, or repair"
        " the record."
    )
    with pytest.raises(BenchmarkError, match=r"record 1: there is no field `prompt` .*question"):
        read("humaneval", path)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "has no records"),
        (b'{"question": "a", "answer": "b"}\n{"question', r"x:2: is not JSON"),
        (b"[1, 2", "is not JSON"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"\x1f\x8b broken", "cannot be read"),
    ],
)
def test_damaged_files(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(BenchmarkError, match=fault):
        read("gsm8k", path)


def test_names_of_definitions() -> None:
    assert definition("HumanEval") is DEFINITIONS["humaneval"]
    assert definition("ARC-Challenge") is definition("arc_easy")
    with pytest.raises(KeyError, match=r"Did you mean `gsm8k`.*Known: arc, bbh"):
        definition("gms8k")


FILES = {
    "arc_challenge": ("arc_challenge.jsonl.gz", 1172),
    "bbh": ("bbh.jsonl.gz", 6511),
    "gsm8k": ("gsm8k_test.jsonl.gz", 1319),
    "hellaswag": ("hellaswag_sample.jsonl.gz", 1000),
    "humaneval": ("HumanEval.jsonl.gz", 164),
    "math": ("math500.jsonl.gz", 500),
    "mbpp": ("mbpp.jsonl.gz", 974),
    "mmlu": ("mmlu_test.jsonl.gz", 14042),
}


@pytest.mark.parametrize("name", FILES)
def test_real_files_need_only_a_path(shared_data: Path, name: str) -> None:
    file, items = FILES[name]
    path = shared_data / "open" / "benchmarks" / file
    sequences, number = read_sequences(name, path, BenchmarkConfig(path=str(path)))
    assert number == items
    names = {sequence.name for sequence in sequences}
    assert len(sequences) >= items * 2
    assert ("prompt" if name in ("humaneval", "mbpp") else "question") in names
    assert not any(sequence.text.startswith("Question:") for sequence in sequences)
