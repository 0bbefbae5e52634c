"""Reading benchmark files: formats, definitions, sequences, and errors that say the cure."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
import zstandard
from datasets import Dataset, DatasetDict

from stages.decontaminate.benchmark import BenchmarkConfig, read_sequences
from stages.decontaminate.records import BenchmarkError

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
    elif form == "zst":
        path.write_bytes(zstandard.compress(lines.encode()))
    elif form == "csv.zst":
        rows = io.StringIO(newline="")
        table = csv.DictWriter(rows, list(RECORDS[0]))
        table.writeheader()
        table.writerows(RECORDS)
        path.write_bytes(zstandard.compress(rows.getvalue().encode()))
    elif form == "parquet":
        pq.write_table(pa.Table.from_pylist(RECORDS), path)
    elif form == "arrow":
        table = pa.Table.from_pylist(RECORDS)
        with pyarrow.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    elif form == "files":
        path.mkdir()
        for number, record in enumerate(RECORDS):
            (path / f"{number}.json").write_text(json.dumps(record, indent=1))
        (path / "README.md").write_text("What this is.")
    elif form == "saved":
        Dataset.from_list(RECORDS).save_to_disk(path, num_shards=2)
    else:
        DatasetDict({"test": Dataset.from_list(RECORDS)}).save_to_disk(path)
    return path


FORMS = (
    *("jsonl", "gz", "zst", "json", "examples", "csv.zst", "parquet", "arrow"),
    *("files", "saved", "dictionary"),
)


@pytest.mark.parametrize("form", FORMS)
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


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("gsm8k.jsonl.gz", "is not JSON lines, as its name says: it begins with `not, gzip`"),
        ("gsm8k.json", "is not JSON, as its name says"),
        ("gsm8k-test.parquet", "is not Parquet, as its name says"),
        ("gsm8k.json.csv", "was read as CSV, of which `not, gzip` is the line of names"),
        ("notes.txt", "was read as CSV, of which `not, gzip` is the line of names"),
        ("gsm8k", "was read as CSV, of which `not, gzip` is the line of names"),
    ],
)
def test_text_that_is_no_benchmark(tmp_path: Path, name: str, fault: str) -> None:
    path = tmp_path / name
    path.write_text("not, gzip\n")
    with pytest.raises(BenchmarkError, match=fault):
        read("gsm8k", path)
    if "." in name and name != "notes.txt":
        path.write_text('7,"Who, then?"\n')  # tables may have any name where columns are given
        given = {"csv_columns": ("n", "q"), "question": "q"}
        assert read("mine", path, **given) == [("0", "question", "Who, then?")]


def test_tables_without_a_line_of_names(tmp_path: Path) -> None:
    table = tmp_path / "abstract_algebra_test.csv"
    table.write_text('"Which, then?",red,blue,green,grey,B\nAnd now?,a,b,c,d,A\n')
    found = read("mmlu", table)
    assert [text for _, part, text in found if part == "question_answer"] == [
        "Which, then?\nblue",
        "And now?\na",
    ]
    tabs = tmp_path / "mgsm_de.tsv"
    tabs.write_text('Er sagt "ja, und wie viele?\t18\nNein?\t1,000\n')
    assert [text for _, part, text in read("mgsm", tabs) if part == "question_answer"] == [
        'Er sagt "ja, und wie viele?\n18',
        "Nein?\n1,000",
    ]


def test_training_splits_are_not_read_by_mistake(tmp_path: Path) -> None:
    for name in ("train-00000.jsonl", "test-00000.jsonl"):
        (tmp_path / name).write_text(json.dumps(RECORDS[0]))
    with pytest.raises(BenchmarkError, match=r"several splits: test, train\. Name the file"):
        read("gsm8k", tmp_path)
    assert len(read("gsm8k", tmp_path / "test-00000.jsonl")) == 4
    both = tmp_path / "both"
    DatasetDict({name: Dataset.from_list(RECORDS) for name in ("train", "test")}).save_to_disk(both)
    with pytest.raises(BenchmarkError, match=r"several splits: train, test\. Name the file"):
        read("gsm8k", both)
    assert len(read("gsm8k", both / "test")) == 7


def test_a_missing_field_in_a_folder_names_the_file_in_it(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(RECORDS[0]))
    (tmp_path / "b.jsonl").write_text('{"question": "x", "answer": "y"}\n{"question": "z"}\n')
    with pytest.raises(BenchmarkError, match=r"b\.jsonl: record 2: there is no field `answer`"):
        read("gsm8k", tmp_path)
    (tmp_path / "README").mkdir()
    with pytest.raises(BenchmarkError, match=r"README.*holds none of the files \.jsonl"):
        read("gsm8k", tmp_path / "README")


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        ({"question": None, "answer": "b"}, r"the field `question` is empty\. Repair the record"),
        ({"question": "", "answer": "b"}, r"record 2: the field `question` is empty\. Repair"),
        ({"question": " \n", "answer": "b"}, r"the field `question` is empty\. Repair the record"),
        (
            {"question": {"stem": "a", "choices": []}, "answer": "b"},
            r"fields of its own: `stem`, `choices`\. Name one, as in `question\.stem`",
        ),
        (["a", "b"], r"record 2 is not a record with named fields.*Make every record an object"),
    ],
)
def test_records_that_cannot_be_questions(tmp_path: Path, record: object, fault: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in (RECORDS[0], record)))
    with pytest.raises(BenchmarkError, match=fault):
        read("gsm8k", path)


def test_choices_in_fields_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("q,right,wrong\nWhich?,red,blue\n")
    config = {"question": "q", "choices": ("right", "wrong"), "answer": "right"}
    assert read("mine", path, **config) == [
        ("0", "question", "Which?"),
        ("0", "question_choices", "Which?\nA. red\nB. blue"),
        ("0", "question_answer", "Which?\nred"),
    ]
