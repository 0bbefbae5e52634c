"""Sources that are made, not read: the frame, with a small real maker."""

from pathlib import Path
from typing import Any

import pytest

from manifests.diff import diff_manifests
from manifests.explain import explain_document
from manifests.manifest import load_manifest
from manifests.verify import verify_workspace
from pipeline.build import Built, build
from pipeline.draft import RecipeError
from pipeline.engines.local import LocalEngine
from pipeline.observer import Silence
from pipeline.plan import CHECKED, FOLLOWS, RUN, UP_TO_DATE, WAITS, dry_plan, plan
from pipeline.recipe import Recipe
from pipeline.recipe_check import load_recipe, recipe_from
from stages.catalog import CATALOG as STAGES
from tests.pipeline.lines_catalog import CATALOG

ROOT = Path(__file__).resolve().parents[2]

LINES = ["apple", "banana", "", "fig", "applesapples"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lines.txt").write_text("\n".join(LINES) + "\n")
    (tmp_path / "and.txt").write_text(" and ")
    return tmp_path


def recipe_for(folder: Path, workspace: str, **makers: Any) -> Recipe:
    content = {
        "sources": [{"name": "raw", "path": "lines.txt"}],
        "synthesize": {f"synthetic/{name}": settings for name, settings in makers.items()},
        "stages": {"length": {}, "letter": {}, "twins": {}},
    }
    return recipe_from(content, CATALOG, folder, folder / workspace)


def run(recipe: Recipe, workers: int = 1) -> Built:
    return build(recipe, CATALOG, lambda store: LocalEngine(store, workers), Silence(), "test")


def states(recipe: Recipe) -> dict[str, str]:
    return {stage.stage: stage.state for stage in plan(recipe, CATALOG)}


def test_made_documents_go_through_all_stages_and_are_accounted_for(folder: Path) -> None:
    manifest = run(recipe_for(folder, "w", doubles={})).manifest
    made = manifest.sources["synthetic/doubles"]
    assert (made["records"], made["documents"], made["skipped"]) == (4, 3, {"too_short": 1})
    assert made["record"] == {"funnel": {"requested": 4}}
    assert manifest.content["stages"][0]["in"]["documents"] == 4 + 3
    (story,) = explain_document(manifest, "bananabanana")
    assert story.source == "synthetic/doubles"
    assert [step.stage for step in story.steps] == ["length", "letter", "twins"]
    assert story.outcome == "kept"
    assert verify_workspace(manifest).passed


def test_what_was_not_made_can_be_asked_why(folder: Path) -> None:
    manifest = run(recipe_for(folder, "w", doubles={})).manifest
    name = next((folder / "w/store/synthetic/doubles/doubles").iterdir()).name
    (line,) = (folder / f"w/store/synthetic/doubles/doubles/{name}/skipped.jsonl").open()
    locator = line.split('"locator": "')[1].split('"')[0]
    (story,) = explain_document(manifest, locator)
    assert story.outcome == "set aside by synthetic/doubles: too_short"
    assert story.text == "fig"


def test_a_sample_that_disappears_is_found(folder: Path) -> None:
    manifest = run(recipe_for(folder, "w", doubles={})).manifest
    manifest.content["synthesis"][0]["skipped"].clear()
    (fault,) = verify_workspace(manifest).faults
    assert "synthetic/doubles: 4 records were read or made" in fault


def test_makers_do_not_see_each_other_and_their_order_does_not_show(folder: Path) -> None:
    one, two = {"use": "doubles"}, {"use": "doubles", "at_least": 6}
    manifest = run(recipe_for(folder, "a", one=one, two=two)).manifest
    assert {m["name"]: m["records"] for m in manifest.synthesis} == {
        "synthetic/one": 4,
        "synthetic/two": 4,
    }
    run(recipe_for(folder, "b", two=two, one=one), workers=2)
    assert (folder / "a/manifest.json").read_bytes() == (folder / "b/manifest.json").read_bytes()


def test_nothing_is_made_twice_and_changes_are_named(folder: Path) -> None:
    assert states(recipe_for(folder, "w", doubles={}))["synthetic/doubles"] == FOLLOWS
    before = run(recipe_for(folder, "w", doubles={})).manifest
    assert set(states(recipe_for(folder, "w", doubles={})).values()) == {UP_TO_DATE}
    changed = recipe_for(folder, "w", doubles={"at_least": 3, "between": "and.txt"})
    planned = {stage.stage: stage for stage in plan(changed, CATALOG)}
    assert planned["ingest"].state == UP_TO_DATE
    assert planned["synthetic/doubles"].state == RUN
    assert planned["synthetic/doubles"].why.startswith("at_least: 4 → 3; between: None → sha256:")
    run(changed)
    old = load_manifest(folder / f"w/history/{before.fingerprint}.json")
    causes = diff_manifests(old, load_manifest(folder / "w")).causes
    assert {c.what for c in causes} == {
        "synthesize.synthetic/doubles.at_least",
        "synthesize.synthetic/doubles.between",
    }
    (folder / "and.txt").write_text(" or ")
    assert planned["synthetic/doubles"].stage in {
        stage.stage for stage in plan(changed, CATALOG) if stage.state == RUN
    }


def test_without_a_source_that_is_read(folder: Path) -> None:
    content = {"synthesize": {"doubles": None}, "stages": {"length": {}}}
    with pytest.raises(ValueError, match="synthesize: no document was made"):
        run(recipe_from(content, CATALOG, folder, folder / "w"))


def test_settings_are_changed_by_name_and_faults_have_lines(folder: Path) -> None:
    path = folder / "r.yaml"
    path.write_text(
        "sources:\n- {name: raw, path: lines.txt}\nsynthesize:\n  made/doubles:\n"
        "    at_least: 5\nstages:\n  length:\n"
    )
    recipe = load_recipe(path, CATALOG, ["synthesize.made/doubles.at_least=7"])
    assert recipe.makers[0].synthesis.config.at_least == 7
    path.write_text(path.read_text().replace("at_least: 5", "at_last: 5\n    between: no.txt"))
    with pytest.raises(RecipeError, match=r"(?s)r.yaml:5: .*Did you mean `at_least`"):
        load_recipe(path, CATALOG)
    path.write_text(path.read_text().replace("at_last: 5", "at_least: 5"))
    with pytest.raises(RecipeError, match=r"r.yaml:6: synthesize.made/doubles.between: .*no.txt"):
        plan(load_recipe(path, CATALOG, workspace=folder / "w"), CATALOG)


def test_a_recipe_can_be_checked_without_its_files(folder: Path) -> None:
    recipe = recipe_for(folder, "w", doubles={"between": "elsewhere.txt"})
    states = {stage.stage: (stage.state, stage.why) for stage in dry_plan(recipe)}
    assert states["ingest"] == states["length"] == (CHECKED, "")
    assert states["synthetic/doubles"] == (WAITS, "not on this machine: elsewhere.txt")
    (folder / "lines.txt").unlink()
    assert {s.stage: s.why for s in dry_plan(recipe)}["ingest"].endswith("lines.txt")
    assert not (folder / "w").exists()


def test_the_recipe_for_machines_with_gpus_is_right() -> None:
    recipe = load_recipe(ROOT / "recipes/qwen2.5-7b-synthesis.yaml", STAGES)
    planned = {stage.stage: stage for stage in dry_plan(recipe)}
    assert "Qwen2.5-7B-Instruct" in planned["synthetic/math"].why
    assert all(stage.state in (CHECKED, WAITS) for stage in planned.values())
    engines = {maker.synthesis.config.generator.engine for maker in recipe.makers}
    assert engines == {"vllm"}


@pytest.mark.parametrize(
    ("makers", "told"),
    [
        ({"raw": {"use": "doubles"}}, "named `raw` already"),
        ({"length": {"use": "doubles"}}, "named `length` already"),
        ({"ingest": {"use": "doubles"}}, "named `ingest` already"),
        ({"synthetic/double": None}, "Did you mean `doubles`"),
        ({" a": {"use": "doubles"}}, "Rename it"),
        ({"doubles": 7}, "settings of a maker are a mapping"),
        (["doubles"], "mapping from names of sources"),
    ],
)
def test_makers_that_cannot_be(folder: Path, makers: Any, told: str) -> None:
    sources = [{"name": "raw", "path": "lines.txt"}]
    content = {"sources": sources, "synthesize": makers, "stages": {"length": {}}}
    with pytest.raises(RecipeError, match=told):
        recipe_from(content, CATALOG, folder, folder / "w")
