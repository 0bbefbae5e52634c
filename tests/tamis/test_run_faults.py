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


def test_faults_of_set_do_not_blame_the_recipe(folder: Path) -> None:
    note = folder / "notes.jsonl"
    for settings, said in (
        (("order=[n_bytes]",), "sample.yaml:"),
        (("kinds=prose",), "kinds: this is a list: [prose]."),
        (("against=/nowhere",), "against: this is a list: [/nowhere]."),
        (
            ("against=[/nowhere]",),
            "there is no workspace with near_dedupe that holds"
            " /nowhere/signatures/near_dedupe.json",
        ),
        (
            ("verify=false", "min_jaccard=0.9"),
            "--set: stages.near_dedupe.min_jaccard: with `verify: false` no pair is compared.",
        ),
    ):
        stage = "exact_substrings" if settings == ("kinds=prose",) else "near_dedupe"
        code, output = told(stage, note, *(a for one in settings for a in ("--set", one)))
        assert code == 2
        assert said in output
        assert "`tamis sample` gathers" not in output
    code, output = told("near_dedupe", note, "--set", "order=[n_bytes]")
    assert "with --set stages.near_dedupe.order: stages.near_dedupe: order" in output


def test_kinds_that_are_none_are_told_apart(folder: Path) -> None:
    _, output = told("exact_substrings", folder / "notes.jsonl", "--set", "kinds=[a,prose,b]")
    assert "there is no kind `a`, `b`." in output


def test_what_holds_no_file_is_told_as_such(folder: Path) -> None:
    (folder / "empty/inside").mkdir(parents=True)
    code, output = told("heuristics", folder / "empty")
    assert code == 2
    assert "there is no file in this folder" in output
    code, output = told("heuristics", "/dev/null")
    assert code == 2
    assert "/dev/null: is neither a file nor a folder" in output


def test_an_option_of_another_stage_is_told_before_its_path(folder: Path) -> None:
    for stage in ("near_dedupe", "heuristics"):
        code, output = told(stage, folder / "notes.jsonl", "--benchmarks", "gsm8k=none.jsonl")
        assert code == 2
        assert f"an option of decontaminate: `{stage}` has no benchmarks" in output
    (folder / "r.yaml").write_text("stages: {clean: {use: decontaminate}}\n")
    asked = ("clean", folder / "notes.jsonl", "--recipe", folder / "r.yaml", "--benchmarks")
    assert "there is no such file" in told(*asked, "gsm8k=none.jsonl")[1]
