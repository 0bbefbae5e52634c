"""Recipes: every fault is named with file, line, key and cure before anything runs."""

from pathlib import Path

import pytest

from pipeline.recipe import RecipeError, load_recipe
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
