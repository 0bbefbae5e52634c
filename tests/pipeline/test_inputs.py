"""Files from outside: all that are missing are named at once, with the recipe's file and line."""

from pathlib import Path

import pytest
import yaml

from pipeline.inputs import Checksums, find_externals, find_inputs
from pipeline.recipe import Recipe, RecipeError
from pipeline.recipe_check import load_recipe, recipe_from
from pipeline.store import Store
from stages.catalog import CATALOG

TEXT = """\
name: web
sources:
  - name: web
    path: raw/*.warc.gz
  - name: docs
    path:
      - raw/a.txt
      - raw/none.txt
stages:
  language:
    model: models/lid.ftz
  decontaminate:
    benchmarks:
      humaneval:
        path: ../problems.jsonl
"""


def written(folder: Path, text: str = TEXT, *settings: str) -> Recipe:
    (folder / "raw").mkdir(exist_ok=True)
    (folder / "raw/a.txt").write_text("a")
    path = folder / "web.yaml"
    path.write_text(text)
    return load_recipe(path, CATALOG, settings, folder / "w")


def faults(recipe: Recipe) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        find_inputs(recipe, Checksums(Store(recipe.workspace)))
    return str(caught.value).splitlines()


def test_all_missing_files_are_named_with_line_and_key(tmp_path: Path) -> None:
    lines = faults(written(tmp_path))
    name = (tmp_path / "web.yaml").as_posix()
    starts = [
        f"{name}:4: sources.web.path: no file matches raw/*.warc.gz",
        f"{name}:8: sources.docs.path.1: no file matches raw/none.txt",
        f"{name}:11: stages.language.model: there is no file models/lid.ftz",
        f"{name}:15: stages.decontaminate.benchmarks.humaneval.path: there is no file ../problems",
    ]
    assert len(lines) == len(starts)
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(start)
        assert line.endswith("Paths are relative to the recipe.")
    assert f"(looked at {tmp_path.parent / 'problems.jsonl'})" in lines[3]


def test_a_path_given_with_set_is_said_to_be_there(tmp_path: Path) -> None:
    recipe = written(tmp_path, TEXT, "sources.web.path=x.txt", "stages.language.model=y.ftz")
    lines = faults(recipe)
    assert any(line.startswith("--set: sources.web.path: no file matches x.txt") for line in lines)
    assert any(line.startswith("--set: stages.language.model: there is no") for line in lines)


def test_a_recipe_made_in_memory_has_no_lines(tmp_path: Path) -> None:
    recipe = recipe_from(yaml.safe_load(TEXT), CATALOG, tmp_path, tmp_path / "w")
    lines = faults(recipe)
    assert any(line.startswith("recipe: sources.web.path: no file") for line in lines)
    with pytest.raises(RecipeError, match=r"^recipe: stages\.language\.model: there is no file"):
        find_externals(recipe, Checksums(Store(recipe.workspace)))


def test_files_are_found_and_two_of_one_name_are_a_fault(tmp_path: Path) -> None:
    text = "sources: [{name: docs, path: [PATHS]}]\nstages: {exact_dedupe: }\n"
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.txt").write_text(folder)
    recipe = written(tmp_path, text.replace("PATHS", "'*/x.txt', raw"))
    found = find_inputs(recipe, Checksums(Store(tmp_path)))
    assert [file.relative for file in found["docs"]] == ["a.txt", "one/x.txt", "two/x.txt"]
    (line,) = faults(written(tmp_path, text.replace("PATHS", "one/x.txt, two/x.txt")))
    assert "web.yaml:1: sources.docs.path.1: " in line
    assert "would both be called x.txt" in line


def test_a_bad_glob_is_a_fault(tmp_path: Path) -> None:
    text = "sources: [{name: docs, path: 'raw/**.txt'}]\nstages: {exact_dedupe: }\n"
    (line,) = faults(written(tmp_path, text))
    assert "raw/**.txt" in line
    assert "web.yaml:1: sources.docs.path:" in line
