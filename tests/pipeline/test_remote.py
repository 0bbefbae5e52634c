"""Sources on object stores, on fsspec's file system in memory: real listing, real fetching."""

from pathlib import Path

import fsspec
import pytest

from manifests.explain import explain_document
from pipeline.recipe_check import recipe_from
from pipeline.remote import fetch
from tests.pipeline.lines_catalog import CATALOG
from tests.pipeline.test_build import run


@pytest.fixture
def bucket() -> str:
    system = fsspec.filesystem("memory")
    system.pipe("/bucket/crawl/a/one.txt", b"apple\nbanana\n")
    system.pipe("/bucket/crawl/b/two.txt", b"cherry\n")
    system.pipe("/bucket/other.txt", b"plum\n")
    return "memory://bucket"


def test_files_folders_and_globs(bucket: str, tmp_path: Path) -> None:
    assert set(fetch(f"{bucket}/other.txt", tmp_path)) == {"other.txt"}
    assert set(fetch(f"{bucket}/crawl", tmp_path)) == {"a/one.txt", "b/two.txt"}
    found = fetch(f"{bucket}/crawl/*/*.txt", tmp_path)
    assert found["a/one.txt"].read_bytes() == b"apple\nbanana\n"
    assert fetch(f"{bucket}/none/*.txt", tmp_path) == {}


def test_what_lies_there_is_not_fetched_again_and_what_changed_is(
    bucket: str, tmp_path: Path
) -> None:
    (first,) = fetch(f"{bucket}/other.txt", tmp_path).values()
    stamp = first.stat().st_mtime_ns
    assert fetch(f"{bucket}/other.txt", tmp_path)["other.txt"].stat().st_mtime_ns == stamp
    fsspec.filesystem("memory").pipe("/bucket/other.txt", b"plum and pear\n")
    assert fetch(f"{bucket}/other.txt", tmp_path)["other.txt"].read_bytes() == b"plum and pear\n"


def test_a_missing_file_system_names_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere:// cannot be read"):
        fetch("nowhere://bucket/x", tmp_path)


def test_a_build_reads_them(bucket: str, tmp_path: Path) -> None:
    content = {
        "name": "remote",
        "sources": [{"name": "web", "path": f"{bucket}/crawl/*/*.txt"}],
        "stages": {"length": {}},
    }
    recipe = recipe_from(content, CATALOG, tmp_path, tmp_path / "w")
    manifest = run(recipe).manifest
    assert manifest.content["ingest"]["sources"]["web"]["documents"] == 3
    assert explain_document(manifest, "b/two.txt#1")[0].text == "cherry"
