"""The sources that `source_priority` lists are those of the recipe: told before anything runs."""

from pathlib import Path

import pytest

from pipeline.recipe import RecipeError
from pipeline.recipe_check import load_recipe
from stages.catalog import CATALOG

RECIPE = """\
sources:
  - {name: web, path: "*.txt"}
  - {name: books, path: "*.txt"}
synthesize:
  synthetic/math: {use: math, procedural: {}, generator: {model: m.gguf}}
stages:
  kind:
  STAGE:
    source_priority:
      - books
      - book
      - synthetic/math
      - wiki
"""


@pytest.mark.parametrize("stage", ["near_dedupe", "exact_dedupe", "exact_substrings"])
def test_a_source_that_the_recipe_has_not_is_named_with_its_line(
    tmp_path: Path, stage: str
) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(RECIPE.replace("STAGE", stage))
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, CATALOG)
    place = f"{recipe}:{{}}: stages.{stage}.source_priority.{{}}: there is no source `{{}}`. {{}}"
    assert str(caught.value).splitlines() == [
        place.format(11, 1, "book", "Did you mean `books`?"),
        place.format(13, 3, "wiki", "Known: books, synthetic/math, web."),
    ]
    recipe.write_text(recipe.read_text().replace("- book\n", "- web\n").replace("- wiki\n", "\n"))
    config = load_recipe(recipe, CATALOG).entries[-1].stage.config
    assert config.source_priority == ("books", "web", "synthetic/math")
