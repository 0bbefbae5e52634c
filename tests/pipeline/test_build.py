"""Building, with the pipeline's own small catalog: engines, cache, plan, faults."""

from pathlib import Path
from typing import Any

import pytest

from manifests.diff import diff_manifests
from manifests.explain import explain_document
from manifests.manifest import load_manifest
from manifests.verify import verify_workspace
from pipeline.build import Built, WorkspaceBusyError, build, locked
from pipeline.engine import Engine, TaskFailedError
from pipeline.engines.local import LocalEngine
from pipeline.observer import Silence
from pipeline.plan import DECIDE, FOLLOWS, RUN, UP_TO_DATE, plan
from pipeline.recipe import Recipe
from pipeline.recipe_check import recipe_from
from pipeline.store import Store
from tests.pipeline.lines_catalog import CATALOG

LINES = ["apple", "banana", "apple", "", "fig", "ox", "cherry", "banana", "kiwi", "a"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, lines in (("one.txt", LINES), ("two.txt", [*LINES[::-1], "quince"])):
        (tmp_path / "raw").mkdir(exist_ok=True)
        (tmp_path / "raw" / name).write_text("\n".join(lines) + "\n")
    (tmp_path / "more.txt").write_text("plum\nquince\n")
    return tmp_path


def recipe_for(folder: Path, workspace: str, stages: dict[str, Any] | None = None) -> Recipe:
    content = {
        "name": "lines",
        "sources": [{"name": "raw", "path": "raw"}, {"name": "more", "path": "more.txt"}],
        "stages": stages or {"length": {}, "letter": {}, "twins": {}},
    }
    return recipe_from(content, CATALOG, folder, folder / workspace)


def run(recipe: Recipe, workers: int = 1) -> Built:
    def engine(store: Store) -> Engine:
        return LocalEngine(store, workers)

    return build(recipe, CATALOG, engine, Silence(), "test")


def states(recipe: Recipe) -> dict[str, str]:
    return {stage.stage: stage.state for stage in plan(recipe, CATALOG)}


def test_a_plan_says_what_was_renamed_and_what_is_gone(folder: Path) -> None:
    run(recipe_for(folder, "w"))

    def causes(stages: dict[str, Any]) -> dict[str, str]:
        return {it.stage: it.why for it in plan(recipe_for(folder, "w", stages), CATALOG)}

    renamed = causes({"length": {}, "letter": {}, "copies": {"use": "twins"}})
    assert renamed["copies"] == "it was named `twins`"
    added = causes({"length": {}, "letter": {}, "twins": {}, "copies": {"use": "twins"}})
    assert (added["twins"], added["copies"]) == ("", "it is new")
    # the first letters of all lines are looked at again, those that were too short included
    run(recipe_for(folder, "w", {"length": {}, "letter": {}}))
    assert causes({"letter": {}})["letter"] == "no longer in the recipe: `length`"


def test_every_document_is_accounted_for(folder: Path) -> None:
    manifest = run(recipe_for(folder, "w")).manifest
    raw = manifest.content["ingest"]["sources"]["raw"]
    assert (raw["records"], raw["documents"], raw["skipped"]) == (21, 19, {"empty": 2})
    length, _, twins = manifest.content["stages"]
    assert length["in"]["documents"] == 21
    assert length["dropped"] == {"short": {"documents": 4, "bytes": 6}}
    distinct = {line for line in LINES if len(line) >= 3} | {"quince", "plum"}
    assert twins["kept"]["documents"] == len(distinct)
    kept = manifest.cube.filter(manifest.cube["dropped_by"].is_null())
    assert set(kept["letter"]) == {line[0] for line in distinct}
    assert verify_workspace(manifest).passed


def test_worker_count_and_workspace_do_not_show(folder: Path) -> None:
    first = run(recipe_for(folder, "a"), workers=1)
    second = run(recipe_for(folder, "b"), workers=2)
    assert (folder / "a/manifest.json").read_bytes() == (folder / "b/manifest.json").read_bytes()
    ours = {p.relative_to(folder / "a"): p for p in (folder / "a").rglob("*.parquet")}
    assert len(ours) > 5
    for relative, path in ours.items():
        assert path.read_bytes() == (folder / "b" / relative).read_bytes()
    assert first.manifest.fingerprint == second.manifest.fingerprint


def test_parts_at_once_do_not_show(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(recipe_for(folder, "a"))
    monkeypatch.setattr("pipeline.walk.PARTS_AT_ONCE", 1)
    second = recipe_for(folder, "b")
    run(second)
    assert len(first.manifest.files.filter(first.manifest.files["role"] == "documents")) > 1
    assert (folder / "a/manifest.json").read_bytes() == (folder / "b/manifest.json").read_bytes()
    assert set(states(second).values()) == {UP_TO_DATE}


def test_nothing_is_computed_twice(folder: Path) -> None:
    assert sum(step.ran for step in run(recipe_for(folder, "w")).steps) > 0
    before = (folder / "w/manifest.json").read_bytes()
    again = run(recipe_for(folder, "w"))
    assert sum(step.ran for step in again.steps) == 0
    assert (folder / "w/manifest.json").read_bytes() == before
    assert set(states(recipe_for(folder, "w")).values()) == {UP_TO_DATE}


def test_a_new_threshold_decides_again_and_measures_nothing_again(folder: Path) -> None:
    run(recipe_for(folder, "w"))
    measured = sorted((folder / "w/store/length/annotations").iterdir())
    changed = recipe_for(folder, "w", {"length": {"at_least": 5}, "letter": {}, "twins": {}})
    planned = {stage.stage: stage for stage in plan(changed, CATALOG)}
    assert planned["ingest"].state == UP_TO_DATE
    assert planned["length"].state == DECIDE
    assert planned["length"].why == "at_least: 3 → 5"
    assert planned["twins"].state == RUN
    assert "length" in planned["twins"].why
    old = load_manifest(folder / "w")
    new = run(changed).manifest
    assert sorted((folder / "w/store/length/annotations").iterdir()) == measured
    found = diff_manifests(load_manifest(folder / f"w/history/{old.fingerprint}.json"), new)
    assert [(c.what, c.before, c.after) for c in found.causes] == [("stages.length.at_least", 3, 5)]
    assert found.moves is not None
    assert {(m.before, m.after) for m in found.moves} >= {("kept", "dropped by length: short")}


def test_plan_before_the_first_build(folder: Path) -> None:
    planned = states(recipe_for(folder, "w"))
    assert planned == {
        "ingest": RUN,
        "length": FOLLOWS,
        "letter": FOLLOWS,
        "twins": FOLLOWS,
        "manifest": FOLLOWS,
    }


def test_changed_input_is_named(folder: Path) -> None:
    run(recipe_for(folder, "w"))
    (folder / "more.txt").write_text("plum\nquince\nmedlar\n")
    planned = {stage.stage: stage for stage in plan(recipe_for(folder, "w"), CATALOG)}
    assert planned["ingest"].why == "input more changed"
    assert planned["ingest"].missing == 1


def test_a_failing_task_is_named_and_the_workspace_stays_whole(folder: Path) -> None:
    broken = {"length": {}, "trip": {}}
    for workers in (1, 2):
        with pytest.raises(
            TaskFailedError, match=r"(?s)trip of store/ingest/.*this part cannot be read"
        ):
            run(recipe_for(folder, f"w{workers}", broken), workers)
    assert not (folder / "w1/manifest.json").exists()
    whole = run(recipe_for(folder, "w1", {"length": {}, "letter": {}}))
    fresh = run(recipe_for(folder, "fresh", {"length": {}, "letter": {}}))
    assert whole.manifest.fingerprint == fresh.manifest.fingerprint


def test_a_dying_process_is_replaced(folder: Path) -> None:
    scar = folder / "scar"
    stages = {"length": {}, "trip": {"mode": "die", "scar": str(scar)}}
    manifest = run(recipe_for(folder, "w", stages), workers=2).manifest
    assert scar.exists()
    assert verify_workspace(manifest).passed


def test_two_runs_do_not_share_a_workspace(folder: Path) -> None:
    recipe = recipe_for(folder, "w")
    run(recipe)
    with (
        locked(Store((folder / "w").resolve())),
        pytest.raises(WorkspaceBusyError, match="--workspace"),
    ):
        run(recipe)


@pytest.mark.parametrize("kind", ["documents", "annotations", "verdicts"])
def test_a_flipped_byte_is_found(folder: Path, kind: str) -> None:
    manifest = run(recipe_for(folder, "w")).manifest
    path = manifest.workspace / manifest.files.filter(manifest.files["role"] == kind)["path"][0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    result = verify_workspace(load_manifest(folder / "w"))
    assert not result.passed
    assert path.name in result.faults[0]
    assert "build again" in result.faults[0]


def test_a_changed_manifest_is_found(folder: Path) -> None:
    run(recipe_for(folder, "w"))
    path = folder / "w/manifest.json"
    path.write_text(path.read_text().replace('"documents": 21', '"documents": 22'))
    with pytest.raises(ValueError, match="its own checksum"):
        load_manifest(folder / "w")


def test_stories_of_kept_and_dropped(folder: Path) -> None:
    manifest = run(recipe_for(folder, "w")).manifest
    (kept,) = explain_document(manifest, "cherry")
    assert kept.outcome == "kept" or kept.outcome.startswith("dropped by twins")
    (dropped,) = explain_document(manifest, "one.txt#6")
    assert dropped.outcome == "dropped by length: short"
    assert (dropped.steps[-1].score, dropped.steps[-1].threshold) == (2.0, 3.0)
    (by_id,) = explain_document(manifest, dropped.id)
    assert by_id.locator == "one.txt#6"


@pytest.mark.parametrize("damage", ["", "{}", "[1]"])
def test_an_output_without_a_good_receipt_is_made_again(folder: Path, damage: str) -> None:
    first = run(recipe_for(folder, "w")).manifest
    for receipt in (folder / "w/store/twins").rglob("receipt.json"):
        receipt.write_text(damage)
    assert any("receipt is damaged" in fault for fault in verify_workspace(first).faults)
    again = run(recipe_for(folder, "w"))
    assert again.manifest.fingerprint == first.fingerprint
    assert verify_workspace(again.manifest).passed


def test_a_missing_file_is_made_again(folder: Path) -> None:
    first = run(recipe_for(folder, "w")).manifest
    (folder / "w" / first.files.filter(first.files["role"] == "verdicts")["path"][0]).unlink()
    assert "is missing" in verify_workspace(first).faults[0]
    assert verify_workspace(run(recipe_for(folder, "w")).manifest).passed


def test_damage_between_stages_is_found(folder: Path) -> None:
    manifest = run(recipe_for(folder, "w")).manifest
    passed_on = next((folder / "w/store/twins/sketch").rglob("lines.parquet"))
    content = bytearray(passed_on.read_bytes())
    content[40] ^= 1
    passed_on.write_bytes(content)
    (fault,) = verify_workspace(manifest).faults
    assert "store/twins/sketch/" in fault


def test_sources_without_any_document(folder: Path) -> None:
    (folder / "more.txt").write_text("\n\n")
    for path in (folder / "raw").iterdir():
        path.write_text("")
    with pytest.raises(ValueError, match=r"no document came out of them. .*: empty [0-9]"):
        run(recipe_for(folder, "w"))


def test_what_was_published_before_and_no_longer_is_gone(folder: Path) -> None:
    run(recipe_for(folder, "w", {"length": {}, "twins": {}}))
    assert (folder / "w/kept.parquet").exists()
    run(recipe_for(folder, "w", {"length": {}}))
    assert not (folder / "w/kept.parquet").exists()
