"""Manifests of many parts: long lists in files, counts added in a tree, a packed list of files."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.long_list import is_elsewhere
from manifests.manifest import Manifest, manifest_text
from manifests.verify import verify_workspace
from pipeline import compose, file_list, walk
from pipeline.build import build
from pipeline.count import merge_counts
from pipeline.engines.local import LocalEngine
from pipeline.file_list import SCHEMA, FileList, Row
from pipeline.observer import Silence
from pipeline.plan import UP_TO_DATE, plan
from pipeline.recipe import Recipe
from pipeline.recipe_check import recipe_from
from pipeline.store import Store
from pipeline.walk import Walked
from stages.catalog import CATALOG
from tests.manifests.manifest_shape import faults

PARTS = 7


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """A source a part, each with a record to skip and one to quarantine."""
    sources = []
    for number in range(PARTS):
        lines = [json.dumps({"text": f"line {n} of {number}"}) for n in range(number + 1)]
        lines += [json.dumps({"text": "fig"}), json.dumps({"text": ""}), "no JSON"]
        (tmp_path / f"{number}.jsonl").write_text("\n".join(lines) + "\n")
        sources.append({"name": f"s{number}", "path": f"{number}.jsonl"})
    content = {"name": "parts", "sources": sources, "stages": {"exact_dedupe": {}}}
    return recipe_from(content, CATALOG, tmp_path, tmp_path / "w")


def run(recipe: Recipe) -> Manifest:
    return build(recipe, CATALOG, lambda s: LocalEngine(s, 1), Silence(), "test").manifest


def test_long_lists_stand_in_files(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    before = run(recipe)
    assert len(before.content["quarantine"]) == 2 * PARTS
    monkeypatch.setattr(compose, "LONGEST", 1)
    after = run(recipe)
    listed = after.content["quarantine"]
    assert is_elsewhere(listed)
    assert listed["rows"] == 2 * PARTS
    assert after.quarantine == before.quarantine
    assert after.published == before.published
    assert faults(after.content) == []
    assert verify_workspace(after).passed
    assert run(recipe).path.read_bytes() == after.path.read_bytes()
    path = after.workspace / listed["path"]
    path.write_bytes(path.read_bytes()[:-9] + b"something")
    (fault,) = verify_workspace(after).faults
    assert "list.parquet" in fault


def test_a_list_that_is_gone_is_named(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose, "LONGEST", 1)
    manifest = run(recipe)
    (manifest.workspace / manifest.content["quarantine"]["path"]).unlink()
    with pytest.raises(FileNotFoundError, match="list of this manifest is gone"):
        _ = manifest.quarantine
    assert run(recipe).quarantine  # built again, it is written again


def test_lists_of_records_and_what_is_published(tmp_path: Path) -> None:
    store = Store(tmp_path)
    names = [f"shards/{n:05}" for n in range(compose.LONGEST + 1)]
    file = {"artefact": "store/x", "bytes": 1, "sha256": "0" * 64}
    walked = Walked(published={name: {**file, "bytes": n} for n, name in enumerate(names)})
    content = {"published": compose.published_of(store, walked)}
    assert is_elsewhere(content["published"])
    assert Manifest(content, tmp_path, tmp_path).published == walked.published
    rows = [{"name": name, "tokens": number} for number, name in enumerate(names)]
    record = compose.short_record(store, {"shards": rows, "by": ["domain"], "groups": {}})
    assert pl.read_parquet(tmp_path / record["shards"]["path"]).to_dicts() == rows
    assert (record["by"], record["groups"]) == (["domain"], {})


def test_counts_of_many_parts_are_added_in_a_tree(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat = run(recipe)
    monkeypatch.setattr(walk, "COUNTS_PER_SUM", 2)
    tree = run(recipe)
    assert {state.state for state in plan(recipe, CATALOG)} == {UP_TO_DATE}
    assert tree.path.read_bytes() == flat.path.read_bytes()
    assert (tree.workspace / "store/manifest/sums").is_dir()


KEYS = st.lists(st.sampled_from(["a", "b", None]), min_size=2, max_size=2)
CUTS = st.dictionaries(
    st.sampled_from(["one", "two"]),
    st.fixed_dictionaries({"documents": st.integers(0, 9), "bytes": st.integers(0, 99)}),
)


@st.composite
def counts(draw: st.DrawFn) -> dict[str, Any]:
    """What one part counts: rows with different keys; cuts, where stages cut."""
    keys = draw(st.lists(KEYS, max_size=4, unique_by=tuple))
    rows = [[*key, draw(st.integers(0, 99)), draw(st.integers(0, 999))] for key in keys]
    found: dict[str, Any] = {"columns": ["source", "reason", "documents", "bytes"], "rows": rows}
    if draw(st.booleans()):
        whole = {"documents": draw(st.integers(0, 9)), "bytes": draw(st.integers(0, 99))}
        found |= {"cuts": {"stage": draw(CUTS)}, "cut": whole}
    return found


@settings(deadline=None)
@given(st.lists(counts(), min_size=2, max_size=8), st.data())
def test_sums_of_sums_are_sums(parts: list[dict[str, Any]], data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(parts) - 1))
    halves = [merge_counts(half, 2) for half in (parts[:at], parts[at:])]
    assert merge_counts(halves, 2) == merge_counts(parts, 2)


@settings(deadline=None)
@given(rows=st.lists(st.integers(0, 2**40), max_size=20), packed=st.integers(1, 7))
def test_the_list_of_files_is_what_was_added(
    rows: list[int], packed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = tmp_path_factory.mktemp("files") / "files.parquet"
    added: list[Row] = [
        ("stage", number, "verdicts", f"store/{number}", n, n + 1, f"{n:064x}")
        for number, n in enumerate(rows)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_list, "_ROWS", packed)
        files = FileList()
        for row in added:
            files.add(row)
        files.write(target)
    written = pl.read_parquet(target)
    assert written.columns == SCHEMA.names
    assert written.rows() == added
    once = FileList()
    for row in added:
        once.add(row)
    assert once.fingerprint == files.fingerprint


def test_a_row_of_the_cube_is_a_line() -> None:
    rows = [["a", None, 1], ['"rows": "x\n', "ü", 2]]
    content = {"cube": {"columns": ["x"], "rows": rows}, "name": "the rows of the cube"}
    text = manifest_text(content)
    assert json.loads(text) == content
    assert '\n   ["a", null, 1],\n' in text
    for bare in ({"cube": {"rows": []}}, {"name": "x"}):
        assert json.loads(manifest_text(bare)) == bare
