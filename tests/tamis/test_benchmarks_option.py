"""``--benchmarks``: files and folders are recognised by their names."""

from pathlib import Path

import pytest

from pipeline.recipe import RecipeError
from tamis.benchmarks_option import benchmark_settings, find_benchmarks, unrecognised


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "gsm8k_test.jsonl.gz",
        "gsm8k_train.jsonl.gz",
        "HumanEval.jsonl",
        "mmlu-test.parquet",
        "hellaswag_validation.jsonl",
        "arc_easy_dev.jsonl",
        "arc_easy_test.jsonl",
        "README.txt",
        ".hidden",
    ):
        (tmp_path / name).write_text("{}")
    return tmp_path


def test_a_folder_gives_the_benchmarks_that_it_names(folder: Path) -> None:
    found = find_benchmarks([str(folder)])
    assert {name: Path(one["path"]).name for name, one in found.items()} == {
        "gsm8k": "gsm8k_test.jsonl.gz",
        "humaneval": "HumanEval.jsonl",
        "mmlu": "mmlu-test.parquet",
        "hellaswag": "hellaswag_validation.jsonl",
        "arc_easy_dev": "arc_easy_dev.jsonl",
        "arc_easy_test": "arc_easy_test.jsonl",
    }
    assert found["arc_easy_dev"]["definition"] == "arc_easy"
    assert [path.name for path in unrecognised([str(folder)])] == [
        "README.txt",
        "gsm8k_train.jsonl.gz",
    ]


def test_a_name_says_what_a_file_is(folder: Path) -> None:
    train = folder / "gsm8k_train.jsonl.gz"
    assert find_benchmarks([f"gsm8k={train}"]) == {"gsm8k": {"path": str(train)}}
    (told,) = benchmark_settings([str(folder / "HumanEval.jsonl")])
    assert told.startswith('benchmarks={"humaneval": {"path": "/')
    assert benchmark_settings([]) == []


def test_faults_say_what_is_ready(folder: Path) -> None:
    empty = folder / "empty"
    empty.mkdir()
    for given, said in (
        ("gsm8kk=" + str(folder / "README.txt"), "Did you mean `gsm8k`"),
        ("gsm8k=none.jsonl", "none.jsonl: there is no such file"),
        ("none", "there is no such file"),
        (str(folder / "README.txt"), "no ready definition of a benchmark `readme`"),
        (str(empty), "no file in it has the name of a benchmark that is ready: .*humaneval"),
    ):
        with pytest.raises(RecipeError, match=said):
            find_benchmarks([given])
    with pytest.raises(RecipeError, match="there are two benchmarks `gsm8k`"):
        find_benchmarks([str(folder), f"gsm8k={folder / 'README.txt'}"])
