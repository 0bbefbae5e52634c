"""Explain: documents found by every name they have, and what was dropped, counted and sampled."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import yaml

import tamis
from manifests.explain import NotFoundError, explain_documents
from manifests.manifest import Manifest
from manifests.parquet import read_columns, read_rows
from manifests.parts import documents_path, part_files, part_paths
from manifests.reasons import dropped_groups, sample_dropped
from tamis.story import stories_of_stage
from tests.tamis.duplicates import write_duplicates
from tests.tamis.test_cli import call


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Planted duplicates in parts of a few documents, with kinds, and pages that have URLs."""
    recipe = write_duplicates(tmp_path_factory.mktemp("explain") / "raw")
    pages = recipe.parent / "pages.jsonl"
    lines = [json.loads(line) for line in pages.read_text().splitlines()]
    told = [{**line, "url": f"https://help.example/{n}"} for n, line in enumerate(lines)]
    pages.write_text("".join(json.dumps(line) + "\n" for line in told))
    content = yaml.safe_load(recipe.read_text())
    content["ingest"] = {"part_bytes": 8_000, "task_bytes": 8_000}
    content["stages"] = {"kind": None, **content["stages"], "shard": None}
    content["stages"] |= {"tokenize": {"vocabulary_size": 400}}
    content["stages"]["shard"] = content["stages"].pop("shard")
    recipe.write_text(yaml.safe_dump(content, sort_keys=False))
    return tamis.build(recipe, workspace=recipe.parent / "w", workers=1).manifest


def fates(manifest: Manifest) -> pl.DataFrame:
    """Every document with its source, kind and fate, read file by file: the oracle."""
    found = []
    for _, files in part_files(manifest):
        paths = part_paths(manifest, files)
        part = pl.read_parquet(documents_path(manifest, files)).with_columns(
            pl.col("source").cast(pl.String),
            pl.read_parquet(paths["kind", "annotations"])["kind"].cast(pl.String).alias("kind"),
            pl.lit(None, pl.String).alias("stage"),
            pl.lit(None, pl.String).alias("reason"),
        )
        for stage in manifest.stage_names:
            if (stage, "verdicts") in paths:
                verdict = pl.read_parquet(paths[stage, "verdicts"])["verdict"].cast(pl.String)
                falls = (verdict != "keep").fill_null(False)
                part = part.with_columns(
                    pl.when(falls).then(pl.lit(stage)).otherwise("stage").alias("stage"),
                    pl.when(falls).then(verdict).otherwise("reason").alias("reason"),
                )
        found.append(part)
    assert len(found) > 3
    return pl.concat(found)


def test_a_document_is_found_by_every_name_it_has(manifest: Manifest) -> None:
    for row in fates(manifest).filter(pl.col("source") == "pages").iter_rows(named=True):
        names = [row["id"].hex(), row["id"].hex()[:9], row["locator"], row["url"]]
        for name in names:
            (story,) = tamis.explain(manifest.workspace, name)
            assert (story.id, story.locator) == (row["id"].hex(), row["locator"])
            fate = f"dropped by {row['stage']}: {row['reason']}" if row["stage"] else "kept: row "
            assert story.outcome.startswith(fate)
            assert story.text == row["text"]
    piece = fates(manifest)["text"][7][100:160]
    holders = fates(manifest).filter(pl.col("text").str.contains(piece, literal=True))
    found = tamis.explain(manifest.workspace, piece, limit=99)
    assert {story.id for story in found} == {identity.hex() for identity in holders["id"]}
    with pytest.raises(NotFoundError, match="no document has the id"):
        tamis.explain(manifest.workspace, "0123456789abcdef")


def test_many_stories_are_those_told_one_by_one(manifest: Manifest) -> None:
    ids = [identity.hex() for identity in fates(manifest)["id"]][::-1]
    together = explain_documents(manifest, [*ids, ids[0]])
    assert together[:-1] == [tamis.explain(manifest.workspace, name)[0] for name in ids]
    assert together[-1].id == ids[0]
    with pytest.raises(NotFoundError, match="00000000"):
        explain_documents(manifest, [ids[0], "00" * 16])


def test_kept_documents_stand_in_the_shard_where_they_are_said_to(manifest: Manifest) -> None:
    told = explain_documents(manifest, [identity.hex() for identity in fates(manifest)["id"]])
    kept = [story.outcome.split() for story in told if story.outcome.startswith("kept")]
    assert len(kept) == manifest.stage("shard")["kept"]["documents"]
    assert len({(words[2], words[4]) for words in kept}) == len(kept)
    for story in told:
        if story.outcome.startswith("kept"):
            _, _, row, _, name = story.outcome.split()
            with pa.memory_map(str(manifest.workspace / name)) as file:
                ids = pa.ipc.open_stream(file).read_all()["id"]
                assert ids[int(row)].as_py().hex() == story.id


@pytest.mark.parametrize("by", ["source", "kind"])
def test_counts_by_group_are_those_of_the_ledgers(manifest: Manifest, by: str) -> None:
    documents = fates(manifest)
    before = documents.filter(pl.col("stage").is_null() | (pl.col("stage") != "exact_dedupe"))
    for group in dropped_groups(manifest, "near_duplicate", by):
        own = before.filter(pl.col(by) == group.group)
        assert group.documents_in == len(own)
        assert group.documents_dropped == len(own.filter(pl.col("stage") == "near_dedupe"))


def test_a_sample_is_drawn_from_all_groups_in_turn(manifest: Manifest) -> None:
    documents = fates(manifest).filter(pl.col("reason").is_not_null())
    by_id = {row["id"].hex(): row for row in documents.iter_rows(named=True)}
    mirror = [name for name, row in by_id.items() if row["source"] == "mirror"]
    assert len(mirror) == 4
    assert set(sample_dropped(manifest, "near_dedupe", 99)) == {
        name for name, row in by_id.items() if row["stage"] == "near_dedupe"
    }
    assert sample_dropped(manifest, "near_duplicate", 0) == []
    for seed in range(4):
        some = sample_dropped(manifest, "near_dedupe", 2, seed, by="source")
        assert {by_id[name]["source"] for name in some} == {
            row["source"] for row in by_id.values() if row["stage"] == "near_dedupe"
        }
    everything = sample_dropped(manifest, "near_dedupe", 99, 3)
    for count in range(1, len(everything)):
        assert sample_dropped(manifest, "near_dedupe", count, 3) == everything[:count]


def test_the_command_counts_and_samples(manifest: Manifest) -> None:
    asked = ("explain", manifest.workspace, "--reason", "near_dedupe", "--sample", 3)
    shown = call(*asked, "--by", "source").output
    assert "Dropped for near_dedupe, by source" in shown
    assert "heuristics" not in shown
    assert shown.count("→ dropped by near_dedupe") == 3
    told: dict[str, Any] = json.loads(call(*asked, "--by", "kind", "--json").output)
    assert [len(story["steps"]) > 1 for story in told["documents"]] == [True] * 3
    assert sum(group["documents_dropped"] for group in told["groups"]) >= 3
    assert "Dimensions: source, kind" in call(*asked, "--by", "colour").output
    assert call("explain", manifest.workspace, "x", "--by", "source").exit_code == 2


def test_the_documents_of_a_stage_dropped_ones_first(manifest: Manifest) -> None:
    everything = stories_of_stage(manifest, "near_dedupe", 10**6)
    verdicts = [story.steps[-1].verdict for story in everything if story.steps[-1].verdict]
    assert len(everything) == len(fates(manifest))
    kept = [
        verdict == "keep" and story.steps[-1].stage == "near_dedupe"
        for story, verdict in zip(everything, verdicts, strict=True)
    ]
    assert kept == sorted(kept)
    assert stories_of_stage(manifest, "near_dedupe", 5) == everything[:5]
    assert stories_of_stage(manifest, "near_dedupe", 0) == []


def test_rows_are_read_in_the_order_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    pl.DataFrame({"n": range(100), "s": [str(n) for n in range(100)]}).write_parquet(
        path, row_group_size=7
    )
    rows = [99, 0, 7, 6, 50, 50, 13]
    assert read_rows(path, rows)["n"].to_pylist() == rows
    assert read_columns(path, ["s"])["s"].to_pylist() == [str(n) for n in range(100)]
    assert read_columns(path).column_names == ["n", "s"]
    with pytest.raises(pa.ArrowInvalid):
        read_rows(path, [100])


def test_documents_that_were_cut_are_a_sample_too(noted: Manifest) -> None:
    (about,) = [s for s in noted.content["stages"] if s["name"] == "boilerplate_lines"]
    ((reason, counts),) = about["cut"].items()
    ids = sample_dropped(noted, reason, 10_000)
    assert len(ids) == counts["documents"] > 0
    assert len(sample_dropped(noted, reason, 10_000, by="source")) == len(ids)
    for story in explain_documents(noted, ids):
        (step,) = [step for step in story.steps if step.stage == "boilerplate_lines"]
        assert {cut.reason for cut in step.cuts} == {reason}
    shown = call("explain", noted.workspace, "--reason", reason, "--sample", 2).output
    assert shown.count(f": {reason}\n") >= 2
    assert "cut bytes" in shown
    refused = call("explain", noted.workspace, "--reason", reason, "--by", "source")
    assert refused.exit_code == 2
    assert "Leave --by out" in refused.output
