"""Recipes: every fault is named with file, line, key and cure before anything runs."""

from pathlib import Path

import pytest

from pipeline.recipe import RecipeError
from pipeline.recipe_check import load_recipe, recipe_from
from tests.pipeline.lines_catalog import CATALOG

GOOD = """\
name: lines
sources:
  - name: raw
    path: raw/*.txt
stages:
  length:
    at_least: 4
  twins: {}
"""


def faults(tmp_path: Path, text: str, *settings: str) -> str:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, CATALOG, settings)
    return str(caught.value)


def test_a_good_recipe_with_settings(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(GOOD)
    recipe = load_recipe(path, CATALOG, ["stages.length.at_least=9", "sources.raw.path=other"])
    assert recipe.entries[0].stage.config.at_least == 9
    assert recipe.sources[0].path == "other"
    assert recipe.resolved()["stages"][0]["config"] == {"at_least": 9, "unit": "characters"}


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("at_least: 4", "at_leest: 4", 7, "Did you mean `at_least`?"),
        ("at_least: 4", "at_least: many", 7, "valid integer"),
        ("at_least: 4", "at_least: -1", 7, "greater than or equal to 0"),
        ("  length:", "  lenght:", 6, "Did you mean `length`?"),
        ("  twins: {}", "  twins: {}\n  twins: {}", 9, "stands twice"),
        ("    path: raw/*.txt\n", "", 3, "is missing"),
        ("stages:", "stagess:", 5, "Did you mean `stages`?"),
        ("name: lines", "name: [lines", 2, "not YAML"),
    ],
)
def test_faults_name_line_and_cure(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    message = faults(tmp_path, GOOD.replace(old, new, 1))
    assert any(f"r.yaml:{line}:" in fault and says in fault for fault in message.splitlines()), (
        message
    )


def test_an_alias_inside_itself(tmp_path: Path) -> None:
    assert "an alias (*)" in faults(tmp_path, "stages: &x\n  length: *x\n")


def test_all_faults_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("at_least: 4", "at_leest: 4").replace("twins", "twinz")
    assert len(faults(tmp_path, text).splitlines()) == 2


def test_a_stage_that_reads_needs_what_it_reads(tmp_path: Path) -> None:
    text = GOOD.replace("  length:\n    at_least: 4\n", "")
    assert "needs the stage `length` before it" in faults(tmp_path, text)


def test_faults_in_set_are_said_to_be_there(tmp_path: Path) -> None:
    assert "--set: stages.length.at_least" in faults(tmp_path, GOOD, "stages.length.at_least=x")
    assert "key.path=value" in faults(tmp_path, GOOD, "stages.length")
    assert "there is no `web`" in faults(tmp_path, GOOD, "sources.web.path=x")


def test_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="there is no such recipe"):
        load_recipe(tmp_path / "none.yaml", CATALOG)


@pytest.mark.parametrize("value", ["[1", "2024-99-99", "{a: b: c}", "@x"])
def test_a_set_value_that_is_no_yaml(tmp_path: Path, value: str) -> None:
    message = faults(tmp_path, GOOD, f"stages.length={value}")
    assert message.startswith(f"--set stages.length={value}: the value is not YAML: ")


@pytest.mark.parametrize(
    "settings",
    [
        ["sources=raw"],
        ["sources=[1]"],
        ["sources=[1]", "sources.0.path=x"],
        ["sources={a: b}"],
        ["sources=[[]]"],
        ["sources=[{name: [1], path: {a: 1}}]"],
        ["sources=[{1: 2}]"],
        ["sources.raw=3"],
        ["sources.raw.path=3"],
        ["stages=3"],
        ["stages=[length]"],
        ["stages={1: {}}"],
        ["stages.length=[3]"],
        ["ingest=3"],
        ["stages.length.use=[1]"],
        ["stages.length.at_least.deeper=1"],
    ],
)
def test_set_of_a_wrong_shape_is_a_fault_of_set(tmp_path: Path, settings: list[str]) -> None:
    for fault in faults(tmp_path, GOOD, *settings).splitlines():
        assert fault.startswith("--set"), fault


@pytest.mark.parametrize("name", ["a/b", "a.b", '""', "~", "..", '"a b"', "ingest", "manifest"])
def test_names_that_no_stage_can_have(tmp_path: Path, name: str) -> None:
    text = GOOD.replace("  twins: {}", f"  {name}: {{use: letter}}")
    assert "name" in faults(tmp_path, text)
    assert "r.yaml:" in faults(tmp_path, text)


def test_two_stages_that_count_by_one_column(tmp_path: Path) -> None:
    message = faults(tmp_path, GOOD + "  letter:\n  letter2: {use: letter}\n")
    assert message.endswith(
        "r.yaml:10: stages.letter2: `letter` and `letter2` both count by the column `letter`, and a"
        " manifest has it once. Remove one of the two stages."
    )
    message = faults(tmp_path, GOOD + "  again: {use: length}\n")
    assert "`length` and `again` both count by the column `length`" in message


def test_a_fault_of_a_whole_stage_names_the_settings_that_set_gave(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(GOOD)
    recipe = load_recipe(path, CATALOG, ["stages.length.at_least=9", "stages.letter.use=letter"])
    both = str(recipe.fault(("stages", "length"), "x"))
    assert both.endswith("r.yaml:6 with --set stages.length.at_least: stages.length: x")
    assert str(recipe.fault(("stages", "letter"), "x")) == "--set: stages.letter: x"
    assert str(recipe.fault(("stages", "twins"), "x")).endswith("r.yaml:8: stages.twins: x")


def test_a_later_fault_is_told_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(GOOD)
    recipe = load_recipe(path, CATALOG, ["stages.twins={}"])
    name = path.as_posix()
    assert isinstance(recipe.fault((), "x"), RecipeError)
    assert str(recipe.fault(("sources", "raw", "path"), "x")) == f"{name}:4: sources.raw.path: x"
    assert (
        str(recipe.fault(("stages", "length", "unit"), "x")) == f"{name}:6: stages.length.unit: x"
    )
    assert str(recipe.fault(("stages", "twins"), "x")) == "--set: stages.twins: x"
    content = {"sources": [{"name": "raw", "path": "x"}], "stages": {"length": {}}}
    in_memory = recipe_from(content, CATALOG, tmp_path, tmp_path)
    assert str(in_memory.fault(("sources", "raw"), "x")) == "recipe: sources.raw: x"


def test_nothing_is_dropped_after_it_was_written(tmp_path: Path) -> None:
    text = GOOD.replace("  twins: {}", "  pooled: {}\n  twins: {}")
    assert "drops documents that `pooled` has written already" in faults(tmp_path, text)
