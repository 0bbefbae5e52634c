"""`tamis run` without a workspace to keep: faults do not point into what is gone."""

import json
from pathlib import Path

import pytest

from tests.tamis.test_cli import call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = "A sieve lets the fine flour through and holds the bran back, whoever turns it. "
    (tmp_path / "notes.jsonl").write_text(json.dumps({"text": text * 9}) + "\n")
    (tmp_path / "broken.jsonl").write_text("{not JSON\n")
    return tmp_path


def told(*arguments: object) -> tuple[int, str]:
    result = call("run", *arguments)
    return result.exit_code, " ".join(result.output.split())


def test_a_failed_task_says_where_the_full_error_is_or_how_to_keep_it(folder: Path) -> None:
    asked = ("language", folder / "notes.jsonl", "--set", f"model={folder / 'broken.jsonl'}")
    code, said = told(*asked)
    assert code == 1
    assert "Nothing of this run is kept; --out FOLDER keeps its workspace." in said
    assert "failure.txt" not in said
    assert "goes on from here" not in said
    code, said = told(*asked, "--out", folder / "kept")
    assert code == 1
    assert "The full error is in failure.txt in the workspace." in said
    assert (folder / "kept/failure.txt").is_file()


def test_files_that_hold_no_document_say_where_their_records_are(folder: Path) -> None:
    asked = ("heuristics", folder / "broken.jsonl")
    code, said = told(*asked)
    assert code == 2
    assert "store/" not in said
    assert "--out FOLDER keeps its workspace" in said
    code, said = told(*asked, "--out", folder / "kept")
    assert code == 2
    place = said.split("Record by record, in the workspace: ")[1].rstrip(".")
    assert (folder / "kept" / place).is_file()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_damaged_benchmark_is_a_fault_of_what_was_given(folder: Path, workers: int) -> None:
    (folder / "r.yaml").write_text(
        "sources: [{name: notes, path: notes.jsonl}]\n"
        "stages: {decontaminate: {benchmarks: {gsm8k: {path: broken.jsonl}}}}\n"
    )
    built = call("build", folder / "r.yaml", "--workspace", folder / "w", "--workers", workers)
    code, said = told(
        *("decontaminate", folder / "notes.jsonl"),
        *("--benchmarks", f"gsm8k={folder / 'broken.jsonl'}"),
    )
    assert (built.exit_code, code) == (2, 2)
    for output in (" ".join(built.output.split()), said):
        assert "broken.jsonl:1: is not JSON" in output
        assert "failure.txt" not in output


def test_a_file_is_no_workspace(folder: Path) -> None:
    for place in (folder / "notes.jsonl", folder / "notes.jsonl/inside"):
        code, said = told("heuristics", folder / "notes.jsonl", "--out", place)
        assert code == 2
        assert "A workspace is a folder" in said
