"""The main job on a small real corpus: every promise of the design, with all real stages."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

import tamis
from manifests.manifest import Manifest
from manifests.reasons import sample_dropped
from pipeline.build import Built
from pipeline.plan import DECIDE, UP_TO_DATE
from tests.manifests.manifest_shape import check_settings, faults


@pytest.fixture(scope="module")
def built(small_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    workspace = tmp_path_factory.mktemp("built") / "w"
    return tamis.build(small_recipe, workspace=workspace, workers=1)


@pytest.fixture(scope="module")
def manifest(built: Built) -> Manifest:
    return built.manifest


def shards(workspace: Path) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in (workspace / "shards").iterdir()}
    assert found
    return found


@pytest.mark.parametrize(("engine", "workers"), [("local", 2), ("ray", 1), ("ray", 2)])
def test_engines_and_workers_give_the_same_bytes(
    small_recipe: Path, manifest: Manifest, tmp_path: Path, engine: str, workers: int
) -> None:
    other = tamis.build(small_recipe, workspace=tmp_path / "w", engine=engine, workers=workers)
    assert (tmp_path / "w/manifest.json").read_bytes() == manifest.path.read_bytes()
    assert shards(tmp_path / "w") == shards(manifest.workspace)
    assert other.manifest.fingerprint == manifest.fingerprint


def test_the_manifest_keeps_to_its_schema(manifest: Manifest) -> None:
    assert faults(manifest.content) == []
    check_settings(manifest)


def test_again_nothing_is_computed(small_recipe: Path, manifest: Manifest) -> None:
    before = manifest.path.read_bytes()
    again = tamis.build(small_recipe, workspace=manifest.workspace)
    assert sum(step.ran for step in again.steps) == 0
    assert manifest.path.read_bytes() == before


def test_every_format_is_read_and_damage_is_counted(manifest: Manifest) -> None:
    sources = manifest.content["ingest"]["sources"]
    assert all(counts["documents"] > 0 for counts in sources.values())
    assert sources["docs"]["quarantined"] == {"broken_json": 1, "missing_text": 1}
    assert sources["code"]["quarantined"] == {"invalid_utf8": 1}
    lines = [
        json.loads(line)
        for path in manifest.content["quarantine"]
        for line in (manifest.workspace / path).read_text().splitlines()
    ]
    assert sorted(line["reason"] for line in lines) == [
        "broken_json",
        "invalid_utf8",
        "missing_text",
    ]


def test_kinds_take_their_own_ways(manifest: Manifest) -> None:
    kept = manifest.cube.filter(manifest.cube["dropped_by"].is_null())
    assert {"prose", "code", "math"} <= set(kept["kind"])


def test_every_stage_conserves_documents(manifest: Manifest) -> None:
    came = sum(c["documents"] for c in manifest.content["ingest"]["sources"].values())
    for stage in manifest.content["stages"]:
        assert stage["in"]["documents"] == came
        came = stage["kept"]["documents"]
        lost = sum(reason["documents"] for reason in stage["dropped"].values())
        assert stage["in"]["documents"] == came + lost
    assert sum(shard["documents"] for shard in manifest.stage("shard")["record"]["shards"]) == came
    assert came > 20


def test_near_duplicates_name_their_survivor(manifest: Manifest) -> None:
    ids = sample_dropped(manifest, "near_duplicate", 1_000)
    assert len(ids) == manifest.stage("near_dedupe")["dropped"]["near_duplicate"]["documents"]
    dropped = [tamis.explain(manifest.workspace, name)[0] for name in ids]
    for story in dropped:
        step = story.steps[-1]
        assert step.score is not None
        assert step.threshold is not None
        assert step.score >= step.threshold
        survivor = step.references["survivor"].split(" ")[0]
        (other,) = tamis.explain(manifest.workspace, survivor)
        assert other.id != story.id
        ours, theirs = set(story.text.split()), set(other.text.split())
        assert len(ours & theirs) / len(ours | theirs) > 0.7


def test_exact_copies_are_dropped_once(manifest: Manifest) -> None:
    assert manifest.stage("exact_dedupe")["dropped"] == {
        "exact_duplicate": {"documents": 2, "bytes": pytest.approx(20_000, rel=0.9)}
    }


def test_contamination_shows_item_and_both_spans(manifest: Manifest) -> None:
    (story,) = tamis.explain(manifest.workspace, "A problem:\n\ndef median(data):")
    assert story.outcome == "dropped by decontaminate: contaminated.humaneval"
    match = story.steps[-1].matches[0]
    assert match.facts["item"] == "HumanEval/0"
    assert "def median" in match.text
    assert "median" in match.facts["item_text"]
    assert match.facts["item_end"] > match.facts["item_start"]


def test_kept_documents_are_found_in_a_shard(manifest: Manifest) -> None:
    (story,) = tamis.explain(manifest.workspace, "bisect.py")
    assert story.outcome.startswith("kept: row ")
    row, name = story.outcome.removeprefix("kept: row ").split(" of ")
    with pa.memory_map(str(manifest.workspace / name)) as file:
        shard = pa.ipc.open_stream(file).read_all()
    assert shard["id"][int(row)].as_py().hex() == story.id
    tokens = next(step for step in story.steps if step.stage == "tokenize").annotations["n_tokens"]
    assert len(shard["tokens"][int(row)]) == tokens


def test_a_quality_threshold_runs_again_only_what_depends_on_it(
    small_recipe: Path, manifest: Manifest
) -> None:
    settings = ["stages.quality.min_prior=0.6"]
    planned = {
        stage.stage: stage
        for stage in tamis.plan(small_recipe, workspace=manifest.workspace, settings=settings)
    }
    before = ["ingest", "kind", "language", "heuristics", "exact_dedupe", "near_dedupe"]
    assert {planned[name].state for name in before} == {UP_TO_DATE}
    assert planned["quality"].state == DECIDE
    assert planned["quality"].why.startswith("min_prior: ")
    changed = tamis.build(small_recipe, workspace=manifest.workspace, settings=settings)
    ran = {stage for step in changed.steps if step.ran for stage in step.stages}
    assert not ran & set(before)
    found = tamis.diff(
        manifest.workspace / "history" / f"{manifest.fingerprint}.json", manifest.workspace
    )
    (cause,) = found.causes
    assert (cause.what, cause.after) == ("stages.quality.min_prior", 0.6)
    domains = [effect for effect in found.groups if effect.dimension == "domain"]
    assert any(effect.tokens_before != effect.tokens_after for effect in domains)
    assert found.moves
    assert any("quality" in move.after for move in found.moves)
    restored = tamis.build(small_recipe, workspace=manifest.workspace)
    assert restored.manifest.fingerprint == manifest.fingerprint


@pytest.mark.parametrize("kind", ["shard", "annotations", "verdicts"])
def test_verify_finds_one_flipped_byte_and_its_cure_helps(
    small_recipe: Path, manifest: Manifest, kind: str
) -> None:
    assert tamis.verify(manifest.workspace).passed
    if kind == "shard":
        path = next((manifest.workspace / "shards").iterdir())
    else:
        files = manifest.files.filter(manifest.files["role"] == kind)
        path = manifest.workspace / files["path"][len(files) // 2]
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 3] ^= 0x10
    path.write_bytes(damaged)
    assert not tamis.verify(
        tamis.build(small_recipe, workspace=manifest.workspace).manifest.workspace
    ).passed
    (fault,) = tamis.verify(manifest.workspace).faults
    assert path.name in fault
    cure = fault.split("Remove the folder ")[1].split(" and build again")[0]
    assert cure.startswith("store/")
    shutil.rmtree(manifest.workspace / cure)
    assert "missing" in tamis.verify(manifest.workspace).faults[0] or kind == "shard"
    again = tamis.build(small_recipe, workspace=manifest.workspace)
    assert again.manifest.fingerprint == manifest.fingerprint
    assert tamis.verify(manifest.workspace).passed


def test_names_and_paths_are_not_part_of_the_fingerprint(
    small_recipe: Path, manifest: Manifest, tmp_path: Path
) -> None:
    for name in ("raw", "problems.jsonl.gz", "judge"):
        (tmp_path / f"my-{name}").symlink_to(small_recipe.parent / name)
    text = small_recipe.read_text().replace("raw/", "my-raw/").replace("problems", "my-problems")
    text = text.replace("name: small", "name: other", 1)
    (tmp_path / "other.yaml").write_text(text)
    other = tamis.build(tmp_path / "other.yaml", workspace=tmp_path / "w", workers=1)
    assert other.manifest.fingerprint == manifest.fingerprint
